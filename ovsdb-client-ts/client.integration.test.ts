import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "./client.ts";
import type { OvsdbError } from "./errors.ts";
import type { Uuid } from "./operation.ts";
import type { ClientOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import { type OvsdbServer, type OvsdbServerOptions, startOvsdbServer } from "./testing/index.ts";

interface Northbound {
  Logical_Switch: {
    readonly _uuid: Uuid;
    readonly name: string;
    readonly ports: ReadonlySet<Uuid>;
    readonly other_config: ReadonlyMap<string, string>;
  };
  Logical_Switch_Port: {
    readonly _uuid: Uuid;
    readonly name: string;
    readonly addresses: ReadonlySet<string>;
    readonly options: ReadonlyMap<string, string>;
    readonly external_ids: ReadonlyMap<string, string>;
    readonly tag: number | undefined;
    readonly enabled: boolean | undefined;
  };
  NB_Global: { readonly _uuid: Uuid; readonly nb_cfg: number | bigint };
}

const schemaFile = "/usr/share/ovn/ovn-nb.ovsschema";
const database = "OVN_Northbound";
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(options: Partial<OvsdbServerOptions> = {}): Promise<OvsdbServer> {
  const server = await startOvsdbServer({ schemaFile, ...options });
  cleanups.push(() => server.stop());
  return server;
}

function open(endpoints: string | readonly string[], options: Partial<ClientOptions> = {}): Client<Northbound> {
  const client = createClient<Northbound>({ endpoints, database, backoff: { minMs: 10, maxMs: 200 }, ...options });
  cleanups.push(() => client.close());
  return client;
}

const spec = {
  Logical_Switch: ["name", "ports", "other_config"],
  Logical_Switch_Port: ["name", "addresses", "options", "external_ids", "tag", "enabled"],
} as const;

const replicate = (client: Client<Northbound>): Promise<Replica<Northbound>> => client.replicate(spec);

const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: OvsdbError) => error.code,
  );

/** Resolves with the next event of a kind. */
function next(client: Client<Northbound>, kind: "connected" | "disconnected"): Promise<void> {
  return new Promise((resolve) => {
    const stop = client.on((event) => {
      if (event.kind !== kind) return;
      stop();
      resolve();
    });
  });
}

describe("a replica", () => {
  it("has a transaction's effects when the transaction resolves", async () => {
    const client = open((await start()).endpoint);
    const replica = await replicate(client);
    const [sw, port] = [randomUUID(), randomUUID()];
    const results = await client
      .transaction()
      .insert("Logical_Switch_Port", { name: "p", addresses: ["a", "b"], options: { k: "v" }, tag: 7 }, port)
      .insert("Logical_Switch", { name: "s", ports: [port], other_config: new Map([["x", "1"]]) }, sw)
      .commit();
    expect(results).toEqual([{ uuid: port }, { uuid: sw }]);
    const row = replica.table("Logical_Switch_Port").get(port);
    expect(row).toMatchObject({ _uuid: port, name: "p", tag: 7, enabled: undefined });
    expect([...(row?.addresses ?? [])].toSorted()).toEqual(["a", "b"]);
    expect(row?.options.get("k")).toBe("v");
    expect(row?.external_ids.size).toBe(0);
    expect([...(replica.table("Logical_Switch").get(sw)?.ports ?? [])]).toEqual([port]);
  });

  it("tells each change by its difference, in one batch per transaction", async () => {
    const client = open((await start()).endpoint);
    const replica = await replicate(client);
    const [sw, one, two] = [randomUUID(), randomUUID(), randomUUID()];
    await client
      .transaction()
      .insert("Logical_Switch_Port", { name: "one", enabled: true }, one)
      .insert("Logical_Switch_Port", { name: "two" }, two)
      .insert("Logical_Switch", { name: "s", ports: [one], other_config: { kept: "1", gone: "1", changed: "1" } }, sw)
      .mutate("Logical_Switch", sw, { ports: { insert: [two] } })
      .commit();
    const batches: unknown[][] = [];
    replica.subscribe((changes) => batches.push([...changes]));
    await client
      .transaction()
      .mutate("Logical_Switch", sw, {
        ports: { delete: [two] },
        other_config: { insert: { changed: "2", fresh: "3" }, delete: ["gone"] },
      })
      .update("Logical_Switch_Port", one, { enabled: undefined })
      .commit();
    expect(batches).toHaveLength(1);
    const changes = batches[0] ?? [];
    const row = replica.table("Logical_Switch").get(sw);
    expect(changes).toContainEqual({
      kind: "modify",
      table: "Logical_Switch",
      uuid: sw,
      row,
      changed: {
        ports: { added: [], removed: [two] },
        other_config: {
          set: new Map([
            ["changed", "2"],
            ["fresh", "3"],
          ]),
          removed: ["gone"],
        },
      },
    });
    expect(changes.map((change) => (change as { kind: string }).kind).toSorted()).toEqual([
      "delete",
      "modify",
      "modify",
    ]);
    expect(replica.table("Logical_Switch_Port").get(one)?.enabled).toBeUndefined();
    expect(Object.fromEntries(row?.other_config ?? [])).toEqual({ kept: "1", changed: "2", fresh: "3" });
  });

  it("finds rows by user-defined indexes, also after they change and go", async () => {
    const client = open((await start()).endpoint);
    const replica = await client.replicate(spec, {
      indexes: {
        Logical_Switch: {
          name: "name",
          port: "ports",
          owner: { columns: ["other_config"], key: (row) => row.other_config.get("owner") },
        },
      },
    });
    const switches = replica.table("Logical_Switch");
    const [a, b] = [randomUUID(), randomUUID()];
    await client
      .transaction()
      .insert("Logical_Switch", { name: "a", other_config: { owner: "me" } }, a)
      .insert("Logical_Switch", { name: "b", other_config: { owner: "me" } }, b)
      .commit();
    expect(switches.by("owner", "me").size).toBe(2);
    expect([...switches.by("name", "a")]).toEqual([switches.get(a)]);
    await client
      .transaction()
      .mutate("Logical_Switch", a, { other_config: { insert: { owner: "you" } } })
      .delete("Logical_Switch", b)
      .commit();
    expect(switches.by("owner", "me").size).toBe(0);
    expect([...switches.by("owner", "you")]).toEqual([switches.get(a)]);
    expect(() => switches.by("nothing", "x")).toThrow("no index");
  });

  it("comes back after a restart with the real differences only", async () => {
    const server = await start();
    const [client, other] = [open(server.endpoint), open(server.endpoint)];
    const replica = await replicate(client);
    const [kept, changed, gone, fresh] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await client
      .transaction()
      .insert("Logical_Switch", { name: "kept" }, kept)
      .insert("Logical_Switch", { name: "changed", other_config: { a: "1" } }, changed)
      .insert("Logical_Switch", { name: "gone" }, gone)
      .commit();
    const rowBefore = replica.table("Logical_Switch").get(changed);
    const lost = next(client, "disconnected");
    await server.restart();
    await lost;
    expect(replica.synced).toBe(false);
    const seen: { kind: string; uuid: string }[] = [];
    replica.subscribe((changes) => seen.push(...changes));
    // Whoever comes first: the differences arrive in the resync or as updates, each once.
    await other.ready();
    await other
      .transaction()
      .delete("Logical_Switch", gone)
      .insert("Logical_Switch", { name: "fresh" }, fresh)
      .mutate("Logical_Switch", changed, { other_config: { insert: { a: "2" } } })
      .commit();
    await client.ready();
    await client.transact([{ op: "comment", comment: "level" }]);
    expect(replica.synced).toBe(true);
    expect(seen.map(({ kind, uuid }) => `${kind} ${uuid}`).toSorted()).toEqual(
      [`delete ${gone}`, `insert ${fresh}`, `modify ${changed}`].toSorted(),
    );
    expect(replica.table("Logical_Switch").get(changed)).toBe(rowBefore);
    expect(rowBefore?.other_config.get("a")).toBe("2");
  });

  it("holds the rows that its condition picks, and others when the condition changes", async () => {
    const client = open((await start()).endpoint);
    const replica = await client.replicate({
      Logical_Switch: { columns: ["name"], where: [["name", "==", "a"]] },
    });
    await client.transaction().insert("Logical_Switch", { name: "a" }).insert("Logical_Switch", { name: "b" }).commit();
    const names = (): string[] => [...replica.table("Logical_Switch").values()].map(({ name }) => name).toSorted();
    expect(names()).toEqual(["a"]);
    await replica.changeConditions({ Logical_Switch: [true] });
    await client.transact([{ op: "comment", comment: "level" }]);
    expect(names()).toEqual(["a", "b"]);
  });

  it("keeps its condition when the server refuses another, also over a restart", async () => {
    const server = await start();
    const client = open(server.endpoint);
    const replica = await client.replicate({
      Logical_Switch: { columns: ["name"], where: [["name", "==", "a"]] },
    });
    for (const name of ["a", "b"]) await client.transaction().insert("Logical_Switch", { name }).commit();
    const refused = replica.changeConditions({ Logical_Switch: [["no_such_column", "==", "b"]] });
    expect(await codeOf(refused)).toBe("SYNTAX_ERROR");
    const lost = next(client, "disconnected");
    await server.restart();
    await lost;
    await client.ready({ signal: AbortSignal.timeout(5000) });
    expect([...replica.table("Logical_Switch").values()].map(({ name }) => name)).toEqual(["a"]);
  });

  it("stops following when it is closed", async () => {
    const client = open((await start()).endpoint);
    const replica = await replicate(client);
    await replica.close();
    await client.transaction().insert("Logical_Switch", { name: "later" }).commit();
    expect(replica.table("Logical_Switch").size).toBe(0);
    expect(replica.synced).toBe(false);
  });
});

describe("a transaction", () => {
  it("keeps integers of 64 bits exact there and back", async () => {
    const client = open((await start()).endpoint);
    const replica = await client.replicate({ NB_Global: ["nb_cfg"] });
    const uuid = randomUUID();
    for (const value of [2n ** 63n - 1n, -(2n ** 63n), 2 ** 53 - 1, 9007199254740993n, 0]) {
      if (replica.table("NB_Global").size === 0) {
        await client.transaction().insert("NB_Global", { nb_cfg: value }, uuid).commit();
      } else await client.transaction().update("NB_Global", uuid, { nb_cfg: value }).commit();
      expect(replica.table("NB_Global").get(uuid)?.nb_cfg).toBe(value);
      const [selected] = await client.transact([{ op: "select", table: "NB_Global", where: [], columns: ["nb_cfg"] }]);
      expect(selected?.rows).toEqual([{ nb_cfg: value }]);
    }
  });

  it("fails with a code and the position of the operation that failed", async () => {
    const client = open((await start()).endpoint);
    await client.ready();
    const duplicate = randomUUID();
    await client.transaction().insert("Logical_Switch", { name: "s" }, duplicate).commit();
    const cases: readonly [act: () => Promise<unknown>, expected: object][] = [
      [
        () => client.transaction().comment("first").insert("Logical_Switch", { name: "s" }, duplicate).commit(),
        { code: "DUPLICATE_UUID", operationIndex: 1 },
      ],
      [
        () =>
          client
            .transaction()
            .insert("Logical_Switch", { ports: [randomUUID()] })
            .commit(),
        { code: "REFERENTIAL_INTEGRITY", operationIndex: undefined },
      ],
      [() => client.transaction().assertLock("not_mine").commit(), { code: "NOT_OWNER", operationIndex: 0 }],
      [() => client.transaction().wait("Logical_Switch", duplicate, { name: "t" }).commit(), { code: "TIMED_OUT" }],
      [() => client.transact([{ op: "abort" }]), { code: "USER_ABORT", operationIndex: 0 }],
      [() => client.transact([{ op: "insert", table: "Nope", row: {} }]), { code: "SYNTAX_ERROR", operationIndex: 0 }],
    ];
    for (const [act, expected] of cases) await expect(act()).rejects.toMatchObject(expected);
    await client.transaction().wait("Logical_Switch", duplicate, { name: "s" }).commit();
    await client.transaction().wait("Logical_Switch", duplicate, { name: "t" }, { until: "!=" }).commit();
  });

  it("executes what is in flight in order", async () => {
    const client = open((await start()).endpoint);
    await client.ready();
    const uuid = randomUUID();
    await client.transaction().insert("NB_Global", { nb_cfg: 0 }, uuid).commit();
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        client
          .transaction()
          .wait("NB_Global", uuid, { nb_cfg: index })
          .mutate("NB_Global", uuid, { nb_cfg: { add: 1 } })
          .commit(),
      ),
    );
    const [result] = await client.transact([{ op: "select", table: "NB_Global", where: [], columns: ["nb_cfg"] }]);
    expect(result?.rows).toEqual([{ nb_cfg: 200 }]);
  });

  it("can be aborted while the server makes it wait", async () => {
    const client = open((await start()).endpoint);
    await client.ready();
    const uuid = randomUUID();
    await client.transaction().insert("Logical_Switch", { name: "s" }, uuid).commit();
    const abort = new AbortController();
    const waiting = client
      .transaction()
      .wait("Logical_Switch", uuid, { name: "never" }, { timeoutMs: 60_000 })
      .commit({ signal: abort.signal });
    abort.abort();
    expect(await codeOf(waiting)).toBe("ABORTED");
    const late = client
      .transaction()
      .wait("Logical_Switch", uuid, { name: "never" }, { timeoutMs: 60_000 })
      .commit({ timeoutMs: 20 });
    expect(await codeOf(late)).toBe("OUTCOME_UNKNOWN");
  });

  it("whose reply is lost has an unknown outcome, and one without a connection was never sent", async () => {
    const server = await start();
    const client = open(server.endpoint);
    await client.ready();
    server.pause();
    const sent = client.transaction().insert("Logical_Switch", { name: "s" }).commit();
    await new Promise((resolve) => setImmediate(resolve));
    const code = codeOf(sent);
    await server.kill();
    expect(await code).toBe("OUTCOME_UNKNOWN");
    expect(await codeOf(client.transact([]))).toBe("NOT_CONNECTED");
    await server.restart();
    await client.ready();
    await client.close();
    expect(await codeOf(client.transact([]))).toBe("CLOSED");
  });
});

describe("a lock", () => {
  it("goes to the next in line when its holder releases it, dies or is robbed", async () => {
    const server = await start();
    const [a, b, c] = [open(server.endpoint), open(server.endpoint), open(server.endpoint)];
    await Promise.all([a.ready(), b.ready(), c.ready()]);
    const first = a.lock("leader");
    await first.acquired();
    const second = b.lock("leader");
    await b.call("echo", []);
    expect(second.held).toBe(false);
    expect(await codeOf(b.transaction().assertLock("leader").commit())).toBe("NOT_OWNER");
    await first.release();
    await second.acquired();
    await b.transaction().assertLock("leader").commit();

    const lost = new Promise<void>((resolve) => void second.on((held) => !held && resolve()));
    const thief = c.lock("leader", { steal: true });
    await Promise.all([thief.acquired(), lost]);
    await c.close();
    await second.acquired();
    expect(await codeOf(second.acquired(AbortSignal.abort()))).toBe(undefined);
  });

  it("is asked for again after a reconnect", async () => {
    const server = await start();
    const client = open(server.endpoint);
    expect(() => client.lock("not-a-name")).toThrow("no name for a lock");
    const lock = client.lock("leader");
    await lock.acquired();
    const heard: boolean[] = [];
    lock.on((held) => heard.push(held));
    const lost = next(client, "disconnected");
    await server.restart();
    await lost;
    await lock.acquired();
    expect(heard).toEqual([false, true]);
    await client.close();
    expect(await codeOf(lock.acquired())).toBe("CLOSED");
  });
});

describe("a connection", () => {
  it("takes any of several remotes", async () => {
    const server = await start({ listen: "tcp" });
    const client = open(`unix:/nowhere/at/all.sock,tcp:127.0.0.1:1,${server.endpoint}`);
    await client.ready();
    expect(client.schema.tables.Logical_Switch_Port?.indexes).toEqual([["name"]]);
    expect(await client.call("list_dbs", [])).toContain(database);
  });

  it("over TLS needs a certificate on both sides", async () => {
    const server = await start({ listen: "ssl" });
    const stranger = await start({ listen: "ssl" });
    const client = open(server.endpoint, { tls: server.tls });
    await client.ready();
    await client.transaction().insert("Logical_Switch", { name: "s" }).commit();
    const refused = open(server.endpoint, { tls: stranger.tls });
    const signal = AbortSignal.timeout(500);
    await expect(refused.ready({ signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(() => open(server.endpoint)).toThrow("tls");
  });

  it("notices a server that falls silent, and returns when it wakes", async () => {
    const server = await start();
    const client = open(server.endpoint, { probeIntervalMs: 100 });
    await client.ready();
    const lost = next(client, "disconnected");
    server.pause();
    await lost;
    server.resume();
    await client.ready();
  });

  it("is not given up for a caller that keeps the process busy", async () => {
    const server = await start();
    const client = open(server.endpoint, { probeIntervalMs: 50 });
    await client.ready();
    let lost = false;
    client.on(({ kind }) => {
      lost ||= kind === "disconnected";
    });
    for (let turn = 0; turn < 5; turn++) {
      const until = performance.now() + 200;
      while (performance.now() < until);
      await client.call("echo", []);
    }
    expect(lost).toBe(false);
  });

  it("waits for a server that isn't there, until it is closed or aborted", async () => {
    const client = open("unix:/nowhere/at/all.sock");
    expect(await codeOf(client.ready({ signal: AbortSignal.timeout(50) }))).toBe("ABORTED");
    expect(() => client.schema).toThrow("not known");
    const waiting = codeOf(client.replicate({ Logical_Switch: "all" }));
    await client.close();
    expect(await waiting).toBe("CLOSED");
    expect(client.state).toBe("closed");
  });

  it("closes when its signal fires", async () => {
    const server = await start();
    const abort = new AbortController();
    const client = open(server.endpoint, { signal: abort.signal });
    await client.ready();
    abort.abort();
    expect(client.state).toBe("closed");
  });
});
