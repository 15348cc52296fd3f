import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "./client.ts";
import type { OvsdbError } from "./errors.ts";
import type { Uuid } from "./operation.ts";
import type { ClientOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import { type OvsdbCluster, type OvsdbServer, startOvsdbCluster } from "./testing/index.ts";
import { startRelay } from "./testing/relay.ts";

interface Northbound {
  Logical_Switch: { readonly _uuid: Uuid; readonly name: string };
}

let cluster: OvsdbCluster;
const clients: Client<Northbound>[] = [];

beforeEach(async () => {
  cluster = await startOvsdbCluster({ schemaFile: "/usr/share/ovn/ovn-nb.ovsschema" });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of cluster.servers) server.resume();
  await cluster.stop();
});

function open(options: Partial<ClientOptions> = {}): Client<Northbound> {
  const client = createClient<Northbound>({
    endpoints: cluster.endpoints,
    database: "OVN_Northbound",
    backoff: { minMs: 20, maxMs: 200 },
    ...options,
  });
  clients.push(client);
  return client;
}

function next(client: Client<Northbound>, kind: "connected" | "disconnected"): Promise<void> {
  return new Promise((resolve) => {
    const stop = client.on((event) => {
      if (event.kind !== kind) return;
      stop();
      resolve();
    });
  });
}

async function leader(): Promise<OvsdbServer> {
  const server = cluster.servers[(await cluster.leader()) ?? -1];
  if (server === undefined) throw new Error("The cluster has no leader");
  return server;
}

async function follower(): Promise<OvsdbServer> {
  const index = await cluster.leader();
  const server = cluster.servers.find((_, position) => position !== index);
  if (server === undefined) throw new Error("The cluster has no follower");
  return server;
}

const names = (replica: Replica<Northbound>): string[] =>
  [...replica.table("Logical_Switch").values()].map(({ name }) => name).toSorted();

async function addSwitches(client: Client<Northbound>, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await client
      .transaction()
      .insert("Logical_Switch", { name: `switch-${index}` })
      .commit();
  }
}

describe("in a cluster, the client", () => {
  it("goes to the leader, and to the next one when the leader is killed", async () => {
    const client = open();
    const replica = await client.replicate({ Logical_Switch: ["name"] });
    const lock = client.lock("leader");
    await lock.acquired();
    await client.transaction().insert("Logical_Switch", { name: "before" }).commit();
    const batches: unknown[] = [];
    replica.subscribe((changes) => batches.push(...changes));
    const first = await leader();
    const lost = next(client, "disconnected");
    await first.kill();
    await lost;
    expect(lock.held).toBe(false);
    await client.ready();
    // The other servers had the same rows, so that nothing changed.
    expect(batches).toEqual([]);
    await lock.acquired();
    await client.transaction().assertLock("leader").insert("Logical_Switch", { name: "after" }).commit();
    expect(names(replica)).toEqual(["after", "before"]);
    expect((await leader()).pid).not.toBe(first.pid);
  });

  it("follows a leader that steps down without dying", async () => {
    const client = open();
    await client.ready();
    const lost = next(client, "disconnected");
    await (await leader()).appctl("cluster/leave", "OVN_Northbound");
    await lost;
    await client.ready();
    await client.transaction().insert("Logical_Switch", { name: "after" }).commit();
  });

  it("does not know what became of a transaction whose leader lost its majority", async () => {
    const client = open({ probeIntervalMs: 500 });
    await client.ready();
    const first = await leader();
    const others = cluster.servers.filter((server) => server !== first);
    for (const server of others) server.pause();
    const outcome = client
      .transaction()
      .insert("Logical_Switch", { name: "in the middle" })
      .commit()
      .then(
        () => "committed",
        (error: OvsdbError) => error.code,
      );
    expect(await outcome).toBe("OUTCOME_UNKNOWN");
    for (const server of others) server.resume();
    // Whatever it was, the client finds out by looking.
    await client.ready();
    const replica = await client.replicate({ Logical_Switch: ["name"] });
    expect([[], ["in the middle"]]).toContainEqual(names(replica));
  });

  it("refuses a server of the past, and takes it once it has caught up", async () => {
    const behind = await follower();
    const client = open({ leaderOnly: false });
    await client.ready();
    await behind.kill();
    await client.ready();
    await addSwitches(client, 5);
    const others = cluster.servers.filter((server) => server !== behind);
    const reasons: unknown[] = [];
    const refused = Promise.withResolvers<void>();
    const watcher = open({
      leaderOnly: false,
      endpoints: cluster.endpoints,
      logger: {
        info() {},
        warn() {},
        debug(fields) {
          if (!("code" in fields) || fields.code === "CONNECT_FAILED") return;
          reasons.push(fields.code);
          refused.resolve();
        },
      },
    });
    await watcher.ready();
    const lost = next(watcher, "disconnected");
    await Promise.all(others.map((server) => server.kill()));
    await lost;
    await behind.restart();
    await refused.promise;
    expect(["STALE_SERVER", "NOT_CONNECTED"]).toContain(reasons[0]);
    await Promise.all(others.map((server) => server.restart()));
    await watcher.ready();
    expect(names(await watcher.replicate({ Logical_Switch: ["name"] }))).toHaveLength(5);
  });

  // A server remembers a hundred transactions, and the last one that the client has seen must be among them.
  for (const [missed, fast] of [
    [99, true],
    [100, undefined],
    [101, false],
  ] as const) {
    const gets = fast === undefined ? "what it needs" : fast ? "just those" : "the whole database";
    it(`that missed ${missed} transactions gets ${gets}, and tells just those`, async () => {
      const relay = await startRelay((await leader()).endpoint);
      const writer = open();
      const client = open({ endpoints: relay.endpoint });
      const replica = await client.replicate({ Logical_Switch: ["name"] });
      await writer.ready();
      const kept = randomUUID();
      // The server also forgets transactions when they weigh more than the database.
      const ballast = writer.transaction();
      for (let index = 0; index < 300; index++) ballast.insert("Logical_Switch", { name: `ballast-${index}` });
      await ballast.commit();
      await writer.transaction().insert("Logical_Switch", { name: "kept" }, kept).commit();
      await client.transact([{ op: "comment", comment: "level" }]);
      const row = replica.table("Logical_Switch").get(kept);
      expect(row?.name).toBe("kept");

      const changes: { kind: string }[] = [];
      replica.subscribe((batch) => changes.push(...batch));
      const lost = next(client, "disconnected");
      relay.cut();
      await lost;
      await addSwitches(writer, missed);
      relay.mend();
      await client.ready();
      await relay.stop();
      const found = relay.answers.map((text) => /"result":\[(true|false)/.exec(text)?.[1] === "true");
      expect(found).toEqual([false, fast ?? found[1]]);
      expect(replica.table("Logical_Switch").size).toBe(missed + 301);
      expect(changes).toHaveLength(missed);
      expect(changes.every(({ kind }) => kind === "insert")).toBe(true);
      expect(replica.table("Logical_Switch").get(kept)).toBe(row);
    });
  }
});
