import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fromScratch, northboundSchema, readNorthbound } from "./northbound-rows.ts";
import { createSmallCluster, type SmallCluster, type SmallService, type SmallSlice } from "./small-cluster.ts";
import { type RunningEngine, settle, startSmallEngine } from "./small-engine.ts";

const tcp = { name: "tcp", protocol: "TCP", port: 80 };

function service(last: number, spec: object = {}, createdAt = "2026-01-01T00:00:00Z"): SmallService {
  const ports = [tcp];
  return {
    createdAt,
    spec: { type: "ClusterIP", clusterIPs: [`10.96.0.${last}`], selector: { app: "x" }, ports, ...spec },
  };
}

function slice(of: string, hosts: readonly number[], nodeName = "a"): SmallSlice {
  const endpoints = hosts.map((host) => ({ address: `10.1.0.${host}`, nodeName }));
  return { service: of, family: 4, ports: [{ name: "tcp", protocol: "TCP", port: 8080 }], endpoints };
}

describe("services", () => {
  let server: OvsdbServer;
  let cluster: SmallCluster;
  let one: RunningEngine;

  beforeEach(async () => {
    server = await startOvsdbServer({ schemaFile: northboundSchema });
    cluster = createSmallCluster();
    for (const name of ["a", "b"]) cluster.setNode(name, true);
    for (const [index, name] of ["one", "two", "three"].entries()) {
      cluster.setService(`x/${name}`, service(index + 1));
      cluster.setSlice(`x/${name}-1`, slice(name, [2, 3]));
    }
    one = await startSmallEngine(server, cluster);
    await settle(one, cluster);
    one.operations.length = 0;
  });
  afterEach(async () => {
    await one.stop();
    await server.stop();
  });

  const vips = (name: string): Record<string, string> =>
    Object.fromEntries(
      [...one.replica.table("Load_Balancer").values()]
        .filter((row) => row.name === name)
        .flatMap((row) => [...(row.vips as ReadonlyMap<string, string>)]),
    );

  it("write one mutation of one row when one of their endpoints changes", async () => {
    cluster.setSlice("x/two-1", slice("two", [2, 4]));
    await settle(one, cluster);
    expect(one.operations).toEqual(["mutate Load_Balancer"]);
  });

  it("write nothing when a slice changes in what isn't endpoints", async () => {
    cluster.repeat("endpointSlice", "x/two-1");
    cluster.repeat("service", "x/two");
    await settle(one, cluster);
    expect(one.operations).toEqual([]);
  });

  it("write no row when an ordinary node comes, or goes", async () => {
    cluster.setNode("c", true);
    await settle(one, cluster);
    cluster.deleteNode("c");
    await settle(one, cluster);
    expect(one.operations.length).toBeGreaterThan(0);
    expect(one.operations.filter((text) => text.endsWith(" Load_Balancer"))).toEqual([]);
  });

  it("join a zone's group when its first node comes", async () => {
    cluster.setNode("c", true, { zone: "east" });
    await settle(one, cluster);
    const group = [...one.replica.table("Load_Balancer_Group").values()].find(
      ({ name }) => name === "default.switches@east",
    );
    expect([...((group?.load_balancer ?? []) as ReadonlySet<string>)].length).toBe(3);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
  });

  /** Tells of each switch, after each commit, whether it reaches every service. */
  function watchReach(running: RunningEngine): { readonly seen: boolean[]; stop(): void } {
    const seen: boolean[] = [];
    const groups = running.replica.table("Load_Balancer_Group");
    const stop = running.replica.subscribe(() => {
      for (const row of running.replica.table("Logical_Switch").values()) {
        const own = [...(row.load_balancer_group as ReadonlySet<string>)];
        if (row.name === "default.join" || own.length === 0) continue;
        const reached = own.flatMap((uuid) => [...((groups.get(uuid)?.load_balancer ?? []) as ReadonlySet<string>)]);
        seen.push(new Set(reached).size === 3);
      }
    });
    return { seen, stop };
  }

  it.each([
    { when: "while it runs", to: "a new zone", others: [] },
    { when: "while it is down", to: "a new zone", others: [] },
    { when: "while it runs", to: "one of two zones", others: ["g", "h"] },
    { when: "while it is down", to: "one of two zones", others: ["g", "h"] },
  ])("stay reachable when nodes move to $to $when", async ({ when, others }) => {
    const names = ["a", "b", "c", "d", "e", "f"];
    for (const name of names) cluster.setNode(name, true, { zone: "east" });
    for (const name of others) cluster.setNode(name, true, { zone: name === "g" ? "east" : "west" });
    await settle(one, cluster);
    await one.stop();
    const move = (): void => {
      for (const name of names) cluster.setNode(name, true, { zone: "west" });
    };
    const isDown = when === "while it is down";
    if (isDown) move();
    const rejected: string[] = [];
    one = await startSmallEngine(server, cluster, {
      maxGroupOwners: 2,
      listener: { transaction: (result) => rejected.push(result) },
    });
    if (!isDown) {
      await settle(one, cluster);
      move();
    }
    const reach = watchReach(one);
    await settle(one, cluster);
    reach.stop();
    expect(reach.seen.length).toBeGreaterThan(names.length);
    expect(reach.seen).not.toContain(false);
    expect(new Set(rejected)).toEqual(new Set(["committed"]));
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
  });

  it("have their cluster IP though an older one names it as an external IP", async () => {
    cluster.setService("x/two", service(2, { externalIPs: ["10.96.0.1"] }, "2025-01-01T00:00:00Z"));
    await settle(one, cluster);
    expect(Object.keys(vips("x/one#cluster.tcp"))).toEqual(["10.96.0.1:80"]);
    expect(vips("x/two#external.tcp")).toEqual({});
    expect(one.problems.at(-1)?.object.key).toBe("x/two");
  });

  it("name the older one that has the address", async () => {
    cluster.setService("x/one", service(1, { externalIPs: ["192.0.2.1"] }, "2026-01-02T00:00:00Z"));
    cluster.setService("x/two", service(2, { externalIPs: ["192.0.2.1"] }));
    await settle(one, cluster);
    expect(one.problems.at(-1)?.message).toContain("tcp 192.0.2.1 80 belongs to x/two");
  });

  it("are mended when somebody edits or deletes their rows, their groups or what a node's addresses are called", async () => {
    cluster.setService("x/two", service(2, { type: "NodePort", ports: [{ ...tcp, nodePort: 30080 }] }));
    await settle(one, cluster);
    const before = (await readNorthbound(server)).ours;
    const uuidOf = (table: string, column: string, value: string): string =>
      [...one.replica.table(table).values()].find((row) => row[column] === value)?._uuid ?? "";
    const balancer = uuidOf("Load_Balancer", "name", "x/one#cluster.tcp");
    const other = uuidOf("Load_Balancer", "name", "x/two#nodeport.tcp.ipv4");
    const group = uuidOf("Load_Balancer_Group", "name", "default.switches@");
    const gateways = uuidOf("Load_Balancer_Group", "name", "default.gateways");
    const variables = uuidOf("Chassis_Template_Var", "chassis", "chassis-a");
    const otherVariables = uuidOf("Chassis_Template_Var", "chassis", "chassis-b");
    const { client } = one;
    const vandalisms = [
      client.transaction().update("Load_Balancer", balancer, { vips: { "10.96.0.1:80": "10.9.9.9:1" }, options: {} }),
      client.transaction().mutate("Load_Balancer", balancer, { vips: { insert: { "10.96.9.9:80": "10.9.9.9:1" } } }),
      client
        .transaction()
        .mutate("Load_Balancer_Group", group, { load_balancer: { delete: [balancer, other] } })
        .update("Load_Balancer_Group", gateways, { load_balancer: [] }),
      client.transaction().update("Chassis_Template_Var", variables, { variables: { NODE_IPV4_0: "10.9.9.9" } }),
      client.transaction().delete("Chassis_Template_Var", otherVariables),
      client
        .transaction()
        .update("Load_Balancer_Group", group, { load_balancer: [] })
        .update("Load_Balancer_Group", gateways, { load_balancer: [] })
        .delete("Load_Balancer", other)
        .delete("Load_Balancer", balancer),
    ];
    for (const vandalism of vandalisms) {
      one.drifts.length = 0;
      await vandalism.commit();
      await expect.poll(async () => (await readNorthbound(server)).ours, { timeout: 8_000 }).toEqual(before);
      expect(one.drifts.length).toBeGreaterThan(0);
    }
  });

  it("of 100 ports with a slice of 1,000 endpoints leave the others working", async () => {
    const ports = Array.from({ length: 100 }, (_, index) => ({
      name: `p${index}`,
      protocol: "TCP",
      port: 1000 + index,
      nodePort: 30_000 + index,
    }));
    cluster.setService("x/two", service(2, { type: "NodePort", ports, externalTrafficPolicy: "Local" }));
    const endpoints = Array.from({ length: 1_000 }, (_, index) => ({
      address: `10.1.${index >> 8}.${index & 255}`,
      nodeName: index % 2 === 0 ? "a" : "b",
    }));
    cluster.setSlice("x/two-1", { service: "two", family: 4, ports, endpoints });
    cluster.setSlice("x/three-1", slice("three", [5]));
    await settle(one, cluster);
    expect(Object.keys(vips("x/two#cluster.tcp")).length).toBe(100);
    expect(vips("x/two#cluster.tcp")["10.96.0.2:1099"]?.split(",").length).toBe(1_000);
    expect(vips("x/three#cluster.tcp")["10.96.0.3:80"]).toContain("10.1.0.5:8080");
    cluster.setSlice("x/two-1", { service: "two", family: 4, ports, endpoints: endpoints.slice(1) });
    await settle(one, cluster);
    expect(vips("x/two#cluster.tcp")["10.96.0.2:1099"]?.split(",").length).toBe(999);
  }, 60_000);

  it("keep their backends in place over a restart, and write nothing", async () => {
    cluster.setSlice("x/two-1", slice("two", [2, 3, 4, 5, 6]));
    await settle(one, cluster);
    cluster.setSlice("x/two-1", slice("two", [3, 6, 7]));
    await settle(one, cluster);
    const before = vips("x/two#cluster.tcp");
    await one.stop();
    one = await startSmallEngine(server, cluster);
    await settle(one, cluster);
    expect(one.operations).toEqual([]);
    expect(vips("x/two#cluster.tcp")).toEqual(before);
  });

  it("give way to an older one that claims the same address, and get it when that one goes", async () => {
    const external = { externalIPs: ["192.0.2.1"] };
    cluster.setService("x/one", service(1, external, "2026-01-02T00:00:00Z"));
    cluster.setService("x/two", service(2, external, "2026-01-01T00:00:00Z"));
    await settle(one, cluster);
    expect(vips("x/one#external.tcp")).toEqual({});
    expect(Object.keys(vips("x/two#external.tcp"))).toEqual(["192.0.2.1:80"]);
    expect(one.problems.map(({ code, object }) => `${object.key} ${code}`)).toContain("x/one SERVICE_VIP_CONFLICT");
    cluster.deleteService("x/two");
    await settle(one, cluster);
    expect(Object.keys(vips("x/one#external.tcp"))).toEqual(["192.0.2.1:80"]);
    expect((await readNorthbound(server)).ours).toEqual(await fromScratch(server, cluster));
  });

  it("reach endpoints in their node's network at its management port, and follow the node's address", async () => {
    cluster.setSlice("x/two-1", {
      ...slice("two", []),
      endpoints: [{ address: `192.168.0.${"c".charCodeAt(0)}`, nodeName: "c" }],
    });
    await settle(one, cluster);
    expect(vips("x/two#cluster.tcp")["10.96.0.2:80"]).toContain("192.168.0.99:8080");
    cluster.setNode("c", true);
    await settle(one, cluster);
    expect(vips("x/two#cluster.tcp")["10.96.0.2:80"]).toMatch(/^10\.1\.0\.\d+:8080/);
    cluster.deleteNode("c");
    await settle(one, cluster);
    expect(vips("x/two#cluster.tcp")["10.96.0.2:80"]).toContain("192.168.0.99:8080");
  });

  it("leave nothing behind when they go, not even while nobody watches", async () => {
    await one.stop();
    for (const name of ["one", "two", "three"]) cluster.deleteService(`x/${name}`);
    one = await startSmallEngine(server, cluster);
    await settle(one, cluster);
    expect(one.replica.table("Load_Balancer").size).toBe(0);
  });
});
