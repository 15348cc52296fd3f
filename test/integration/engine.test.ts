import { createClient, type UntypedModel } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbCluster, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addForeignRows, fromScratch, northboundSchema, readNorthbound } from "./northbound-rows.ts";
import { createSmallCluster, type SmallCluster } from "./small-cluster.ts";
import { type RunningEngine, settle, startSmallEngine } from "./small-engine.ts";

describe("the engine on a RAFT cluster", () => {
  it("ends as from scratch when the leader is killed in the middle of the load", async () => {
    const servers = await startOvsdbCluster({ schemaFile: northboundSchema });
    const cluster = createSmallCluster();
    for (let index = 0; index < 26; index++) cluster.setNode(String.fromCharCode(65 + index), true);
    const one = await startSmallEngine({ endpoint: servers.endpoints.join(",") }, cluster);
    try {
      for (let index = 0; index < 90; index++) {
        cluster.setPod(`x/${index}`, { nodeName: String.fromCharCode(65 + (index % 26)) });
        if (index % 7 === 0) cluster.deletePod(`x/${index}`);
        one.deliver(cluster);
        if (index % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (index === 45) {
          const leader = await servers.leader();
          await servers.servers[leader ?? 0]?.kill();
        }
      }
      await settle(one, cluster);
      const server = { endpoint: servers.endpoints.join(",") };
      expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
    } finally {
      await one.stop();
      await servers.stop();
    }
  });
});

describe("the engine", () => {
  let server: OvsdbServer;
  let cluster: SmallCluster;
  const running: RunningEngine[] = [];

  async function start(): Promise<RunningEngine> {
    const one = await startSmallEngine(server, cluster);
    running.push(one);
    return one;
  }

  beforeEach(async () => {
    server = await startOvsdbServer({ schemaFile: northboundSchema });
    cluster = createSmallCluster();
    for (const name of ["a", "b", "c"]) cluster.setNode(name, true);
    cluster.setNamespace("x");
    for (let index = 0; index < 9; index++) {
      cluster.setPod(`x/${index}`, { nodeName: ["a", "b", "c"][index % 3] });
    }
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop()));
    await server.stop();
  });

  it("has in the database what a from-scratch translation gives, and announces it", async () => {
    const one = await start();
    await settle(one, cluster);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
    const { pods, nodes } = cluster.records();
    expect(pods.every(({ networkAnnotation }) => networkAnnotation !== undefined)).toBe(true);
    expect(nodes.every(({ networkAnnotation }) => networkAnnotation !== undefined)).toBe(true);
    expect(one.drifts).toEqual([]);
  });

  it("writes nothing to the database and announces nothing when restarted", async () => {
    await addForeignRows(server);
    const one = await start();
    await settle(one, cluster);
    const before = await readNorthbound(server);
    await one.stop();
    const two = await start();
    await settle(two, cluster);
    expect(two.operations).toEqual([]);
    expect(two.engine.settled).toBe(true);
    expect(await readNorthbound(server)).toEqual(before);
  });

  it("writes and deletes nothing before every watched kind has synced", async () => {
    const one = await start();
    await settle(one, cluster);
    const before = await readNorthbound(server);
    await one.stop();
    for (const unsynced of ["node", "namespace", "pod"] as const) {
      const young = await startSmallEngine(server, createSmallCluster(), { unsynced: [unsynced] });
      running.push(young);
      await young.lock.acquired();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(young.operations).toEqual([]);
      expect(young.engine.synced).toBe(false);
    }
    expect(await readNorthbound(server)).toEqual(before);
  });

  it("gives no address before it has the lock, for its holder may be giving them", async () => {
    const holder = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
    await holder.ready();
    const held = holder.lock("ovenbird");
    await held.acquired();
    const one = await startSmallEngine(server, cluster, { stealsLock: false });
    running.push(one);
    await one.client.transact([]);
    expect(one.engine.synced).toBe(false);
    expect(one.engine.graph.counts.ports).toBe(0);
    await held.release();
    await one.lock.acquired();
    await settle(one, cluster);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
    await holder.close();
  });

  it("begins with the database as it is, not as it was when the connection was lost", async () => {
    const young = await startSmallEngine(server, createSmallCluster(), { unsynced: ["pod"] });
    running.push(young);
    await young.lock.acquired();
    await server.kill();
    await expect.poll(() => young.replica.synced).toBe(false);
    young.sync("pod");
    expect(young.engine.synced).toBe(false);
    await server.restart();
    await expect.poll(() => young.engine.synced).toBe(true);
  });

  it("takes a chassis for gone when its node is, not when the annotation is lost or garbled", async () => {
    const one = await start();
    await settle(one, cluster);
    cluster.setNode("b", false);
    await settle(one, cluster);
    expect(one.chassis).not.toContain("chassis-b gone");
    cluster.deleteNode("b");
    await settle(one, cluster);
    expect(one.chassis).toContain("chassis-b gone");
  });

  it("removes at its start what went while nobody watched, and says whose chassis is gone", async () => {
    const one = await start();
    await settle(one, cluster);
    await one.stop();
    cluster.deleteNode("b");
    for (const key of ["x/1", "x/4", "x/7"]) cluster.deletePod(key);
    const two = await start();
    await settle(two, cluster);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
    expect(two.chassis).toContain("chassis-b gone");
    expect(two.replica.table("Logical_Switch_Port").size).toBeLessThan(one.replica.table("Logical_Switch_Port").size);
  });

  it("restores a switch that was deleted by hand, with all its ports, within a second", async () => {
    const one = await start();
    await settle(one, cluster);
    const before = await readNorthbound(server);
    const other = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
    await other.ready();
    const victim = [...one.replica.table("Logical_Switch").values()].find(({ name }) => name === "a");
    const began = performance.now();
    await other
      .transaction()
      .delete("Logical_Switch", victim?._uuid ?? "")
      .commit();
    await other.close();
    await expect.poll(() => one.drifts.length, { interval: 5 }).toBeGreaterThan(0);
    await settle(one, cluster);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(await readNorthbound(server)).toEqual(before);
  });

  it("is fenced: when another engine takes the lock, the first writes nothing more", async () => {
    const one = await start();
    await settle(one, cluster);
    const two = await start();
    await settle(two, cluster);
    expect(two.lock.held).toBe(true);
    await expect.poll(() => one.lock.held).toBe(false);
    one.operations.length = 0;
    cluster.setPod("x/new", { nodeName: "a" });
    one.deliver(cluster);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(one.operations).toEqual([]);
    expect(one.engine.applier.dirtyOwners).toBe(1);
    cluster.repeat("pod", "x/new");
    await settle(two, cluster);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
  });

  it("ends as from scratch when the server is killed in the middle of the load, again and again", async () => {
    for (let index = 0; index < 24; index++) cluster.setNode(String.fromCharCode(65 + index), true);
    const one = await start();
    for (let round = 0; round < 4; round++) {
      for (let index = 0; index < 60; index++) {
        const nodeName = String.fromCharCode(65 + (index % 24));
        if ((index + round) % 5 === 0) cluster.deletePod(`x/load-${index}`);
        else cluster.setPod(`x/load-${index}`, { nodeName });
        one.deliver(cluster);
        if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (index === 20) await server.kill();
        if (index === 50) await server.restart();
      }
    }
    await settle(one, cluster);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
  });

  it("reports a full block on the pod, holds up no other, and serves the pod when one goes", async () => {
    const one = await start();
    await settle(one, cluster);
    for (const name of ["p", "q", "r", "s", "t"]) cluster.setPod(`x/${name}`, { nodeName: "a" });
    cluster.setPod("x/elsewhere", { nodeName: "b" });
    await settle(one, cluster);
    const full = one.problems.filter(({ code }) => code === "BLOCK_EXHAUSTED").map(({ object }) => object.key);
    expect(full.length).toBeGreaterThan(0);
    expect(one.engine.applier.isCommitted("Pod/x/elsewhere")).toBe(true);
    cluster.deletePod("x/0");
    await settle(one, cluster);
    expect(one.engine.applier.isCommitted(`Pod/${full[0]}`)).toBe(true);
  });
});
