import { describe, expect, it } from "vitest";
import { createMonitor, type Monitor } from "./monitor.ts";
import { parseSchema } from "./schema.ts";
import { createSession } from "./session.ts";
import { smallSchema } from "./testing/scripted-server.ts";

const uuid = "8d0a9a3c-3b7e-4c86-9f0a-0a2b6a1f0c11";
const schema = parseSchema(smallSchema);

/** A monitor whose server knows only some methods, and the methods that it was asked for. */
async function follow(
  known: string,
  result: unknown,
): Promise<{ monitor: Monitor; asked: string[]; changes: unknown[] }> {
  const asked: string[] = [];
  const changes: unknown[] = [];
  const session = createSession({
    unsentBytes: () => 0,
    onNotification: (method, params) => monitor.onUpdate(method, params),
    maxMessageBytes: 1 << 20,
    maxPendingRequests: 10,
    write(text) {
      const { id, method } = JSON.parse(text) as { id: number; method: string };
      asked.push(method);
      const reply = method === known ? { id, result, error: null } : { id, error: "unknown method" };
      session.receive(Buffer.from(JSON.stringify(reply)));
    },
  });
  const monitor = createMonitor(
    { id: "m", database: "Small", spec: { Thing: "all" }, indexes: undefined, onClose: async () => {} },
    schema,
  );
  monitor.replica.subscribe((batch) => changes.push(...batch));
  await monitor.start(session, schema);
  return { monitor, asked, changes };
}

const plain = (monitor: Monitor): unknown =>
  JSON.parse(JSON.stringify(monitor.replica.table("Thing").get(uuid) ?? "gone"));
const wireRow = { name: "a", tags: ["set", ["x", "y"]], options: ["map", [["k", "v"]]] };
const row = { _uuid: uuid, name: "a", tags: ["x", "y"], options: { k: "v" } };

describe("the ladder of monitors", () => {
  it("begins with monitor_cond_since and follows update3 with its transaction ids", async () => {
    const first = { Thing: { [uuid]: { initial: wireRow } } };
    const { monitor, asked, changes } = await follow("monitor_cond_since", [false, "t1", first]);
    expect(asked).toEqual(["monitor_cond_since"]);
    expect(plain(monitor)).toEqual(row);
    expect(monitor.replica.lastTransactionId).toBe("t1");
    const modify = {
      tags: ["set", ["y", "z"]],
      options: [
        "map",
        [
          ["k", "w"],
          ["l", "1"],
        ],
      ],
      name: "b",
    };
    monitor.onUpdate("update3", ["m", "t2", { Thing: { [uuid]: { modify } } }]);
    expect(plain(monitor)).toEqual({ _uuid: uuid, name: "b", tags: ["x", "z"], options: { k: "w", l: "1" } });
    expect(monitor.replica.lastTransactionId).toBe("t2");
    expect(changes.at(-1)).toMatchObject({
      changed: {
        name: { old: "a" },
        tags: { added: ["z"], removed: ["y"] },
        options: {
          set: new Map([
            ["k", "w"],
            ["l", "1"],
          ]),
          removed: [],
        },
      },
    });
    monitor.onUpdate("update3", ["m", "t3", { Thing: { [uuid]: { modify: { options: ["map", [["k", "w"]]] } } } }]);
    expect(plain(monitor)).toMatchObject({ options: { l: "1" } });
    monitor.onUpdate("update3", ["m", "t4", { Thing: { [uuid]: { delete: null } } }]);
    expect(plain(monitor)).toBe("gone");
  });

  it("falls back to monitor_cond and follows update2, whose inserts leave defaults out", async () => {
    const { monitor, asked } = await follow("monitor_cond", {});
    expect(asked).toEqual(["monitor_cond_since", "monitor_cond"]);
    monitor.onUpdate("update2", ["m", { Thing: { [uuid]: { insert: { name: "a" } } } }]);
    expect(plain(monitor)).toEqual({ _uuid: uuid, name: "a", tags: [], options: {} });
    expect(monitor.replica.lastTransactionId).toBeUndefined();
    monitor.onUpdate("update2", ["m", { Thing: { [uuid]: { modify: { tags: "x" } } } }]);
    expect(plain(monitor)).toMatchObject({ tags: ["x"] });
    monitor.onUpdate("update2", ["m", { Thing: { [uuid]: { modify: { tags: "x" } } } }]);
    expect(plain(monitor)).toMatchObject({ tags: [] });
  });

  it("ends with monitor and follows update, whose rows are whole", async () => {
    const { monitor, asked, changes } = await follow("monitor", { Thing: { [uuid]: { new: wireRow } } });
    expect(asked).toEqual(["monitor_cond_since", "monitor_cond", "monitor"]);
    expect(plain(monitor)).toEqual(row);
    const changed = { ...wireRow, tags: ["set", ["y", "z"]] };
    monitor.onUpdate("update", ["m", { Thing: { [uuid]: { old: { tags: wireRow.tags }, new: changed } } }]);
    expect(plain(monitor)).toEqual({ ...row, tags: ["y", "z"] });
    expect(changes.at(-1)).toMatchObject({ kind: "modify", changed: { tags: { added: ["z"], removed: ["x"] } } });
    monitor.onUpdate("update", ["m", { Thing: { [uuid]: { old: changed } } }]);
    expect(plain(monitor)).toBe("gone");
  });

  it("does not change what was shared: a set that was empty becomes a new one", async () => {
    const { monitor } = await follow("monitor_cond", {});
    const other = uuid.replace("8", "9");
    monitor.onUpdate("update2", ["m", { Thing: { [uuid]: { insert: {} }, [other]: { insert: {} } } }]);
    monitor.onUpdate("update2", [
      "m",
      { Thing: { [uuid]: { modify: { tags: "x", options: ["map", [["k", "v"]]] } } } },
    ]);
    expect(monitor.replica.table("Thing").get(other)).toMatchObject({ name: "" });
    expect(JSON.stringify(monitor.replica.table("Thing").get(other))).toContain('"tags":[],"options":{}');
  });
});
