import { readFile } from "node:fs/promises";
import { type Client, createClient, type Lock, type Replica, type UntypedModel } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bundle, BundleChange, Membership, Owner } from "../translate/desired.ts";
import { desiredRow } from "../translate/owner.ts";
import { type Applier, createApplier } from "./applier.ts";
import { managedTables, replicaSpec } from "./managed-columns.ts";

const node: Owner = { kind: "Node", key: "n.1" };
const service: Owner = { kind: "Service", key: "x/web" };

const group = (owner: Owner, part: string, name: string) => desiredRow("Load_Balancer_Group", owner, part, { name });
const zoneOwner = (name: string): Owner => ({ kind: "Zone", key: `default@${name}` });
const zone = (name: string) => group(zoneOwner(name), "switches", `default.switches@${name}`);
const ofNode = group(node, "switch", "switch.n.1");
const nodeSwitch = desiredRow("Logical_Switch", node, "switch", { name: "n.1" });

const zones = (...names: string[]): BundleChange[] =>
  names.map((name) => ({ owner: zoneOwner(name), bundle: { rows: [zone(name)], memberships: [] } }));
const without = (name: string): BundleChange => ({ owner: zoneOwner(name), bundle: undefined });

function nodeBundle(inZone: string): Bundle {
  const attached = (member: string): Membership => ({
    table: "Logical_Switch",
    row: nodeSwitch.uuid,
    column: "load_balancer_group",
    member,
  });
  return { rows: [nodeSwitch, ofNode], memberships: [attached(zone(inZone).uuid), attached(ofNode.uuid)] };
}

const balancer = (vips: Record<string, string>) =>
  desiredRow("Load_Balancer", service, "cluster.tcp", { name: "x/web#cluster.tcp", protocol: "tcp", vips });

function serviceBundle(vips: Record<string, string>, ...zones: string[]): Bundle {
  const row = balancer(vips);
  return {
    rows: [row],
    memberships: zones.map((name) => ({
      table: "Load_Balancer_Group",
      row: zone(name).uuid,
      column: "load_balancer",
      member: row.uuid,
    })),
  };
}

describe("load balancers and their groups", () => {
  let server: OvsdbServer;
  let client: Client<UntypedModel>;
  let replica: Replica<UntypedModel>;
  let lock: Lock;
  let applier: Applier;
  const problems: string[] = [];
  const drifts: string[] = [];

  function startApplier(changes: readonly BundleChange[]): Promise<void> {
    applier = createApplier({
      client,
      replica,
      lock,
      maxGroupOwners: 1,
      listener: {
        problem: ({ owner, code }) => problems.push(`${owner} ${code}`),
        drift: (owner) => drifts.push(owner),
      },
    });
    applier.set(changes, performance.now());
    applier.start();
    return applier.idle();
  }

  function set(...changes: readonly BundleChange[]): Promise<void> {
    applier.set(changes, performance.now());
    return applier.idle();
  }

  const names = (table: string): unknown[] => [...replica.table(table).values()].map(({ name }) => name).sort();

  const members = (table: string, uuid: string, column: string): unknown[] =>
    [...((replica.table(table).get(uuid)?.[column] ?? []) as ReadonlySet<string>)].sort();

  beforeEach(async () => {
    server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-nb.ovsschema" });
    client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
    await client.ready();
    replica = await client.replicate(replicaSpec(managedTables(client.schema)));
    lock = client.lock("ovenbird");
    await lock.acquired();
    problems.length = 0;
    drifts.length = 0;
  });
  afterEach(async () => {
    await applier.close();
    await client.close();
    await server.stop();
  });

  it("writes a group before what refers to it, whatever the order of the owners", async () => {
    await startApplier([
      { owner: service, bundle: serviceBundle({ "10.96.0.1:80": "10.0.0.2:80" }, "a") },
      { owner: node, bundle: nodeBundle("a") },
      ...zones("", "a"),
    ]);
    expect(names("Load_Balancer_Group")).toEqual(["default.switches@", "default.switches@a", "switch.n.1"]);
    expect(members("Load_Balancer_Group", zone("a").uuid, "load_balancer")).toEqual([balancer({}).uuid]);
    expect(problems).toEqual([]);
  });

  it("removes a zone's group with the last node of the zone, though the node's owner is told later", async () => {
    await startApplier([...zones("", "a"), { owner: node, bundle: nodeBundle("a") }]);
    await set(...zones("b"), without("a"));
    await set({ owner: node, bundle: nodeBundle("b") });
    expect(names("Load_Balancer_Group")).toEqual(["default.switches@", "default.switches@b", "switch.n.1"]);
    expect(members("Logical_Switch", nodeSwitch.uuid, "load_balancer_group")).toEqual(
      [zone("b").uuid, ofNode.uuid].sort(),
    );
    expect(problems).toEqual([]);
  });

  it("lets balancers of a zone that goes be until its nodes have left it", async () => {
    const vips = { "10.96.0.1:80": "10.0.0.2:80" };
    await startApplier([
      ...zones("a"),
      { owner: node, bundle: nodeBundle("a") },
      { owner: service, bundle: serviceBundle(vips, "a") },
    ]);
    const found: boolean[] = [];
    const stop = replica.subscribe(() => {
      const own = members("Logical_Switch", nodeSwitch.uuid, "load_balancer_group") as string[];
      found.push(
        own.some((uuid) => members("Load_Balancer_Group", uuid, "load_balancer").includes(balancer(vips).uuid)),
      );
    });
    await set(
      ...zones("b"),
      { owner: service, bundle: serviceBundle(vips, "b") },
      { owner: node, bundle: nodeBundle("b") },
      without("a"),
    );
    stop();
    expect(found.length).toBeGreaterThan(1);
    expect(found).not.toContain(false);
    expect(names("Load_Balancer_Group")).toEqual(["default.switches@b", "switch.n.1"]);
    expect(problems).toEqual([]);
  });

  it("prunes groups of ours that nothing desires at the start, and no group of a stranger, whatever its name", async () => {
    await startApplier([...zones("", "a"), { owner: node, bundle: nodeBundle("a") }]);
    await applier.close();
    await client
      .transaction()
      .insert("Load_Balancer_Group", { name: "switch.theirs" })
      .insert("Load_Balancer_Group", { name: "clusterLBGroup" })
      .commit();
    await startApplier(zones(""));
    expect(names("Load_Balancer_Group")).toEqual(["clusterLBGroup", "default.switches@", "switch.theirs"]);
    expect(names("Logical_Switch")).toEqual([]);
  });

  it("restores a group that somebody renames, and one that somebody deletes", async () => {
    await startApplier(zones("", "a"));
    await client.transaction().update("Load_Balancer_Group", zone("a").uuid, { name: "mine" }).commit();
    await client.transaction().delete("Load_Balancer_Group", zone("").uuid).commit();
    await expect.poll(() => names("Load_Balancer_Group")).toEqual(["default.switches@", "default.switches@a"]);
    expect(drifts).toEqual(["Zone/default@a", "Zone/default@"]);
  });

  it("frees everything when the service goes", async () => {
    const bundle = serviceBundle({ "10.96.0.1:80": "10.0.0.2:80" }, "");
    await startApplier([...zones(""), { owner: service, bundle }]);
    await set({ owner: service, bundle: undefined });
    expect(replica.table("Load_Balancer").size).toBe(0);
    expect(members("Load_Balancer_Group", zone("").uuid, "load_balancer")).toEqual([]);
  });

  it("writes one key of one row when the backends of one VIP change, as the server's own log says", async () => {
    const vips = Object.fromEntries(Array.from({ length: 50 }, (_, port) => [`10.96.0.1:${port + 1}`, "10.0.0.2:80"]));
    await startApplier([...zones(""), { owner: service, bundle: serviceBundle(vips, "") }]);
    const before = await readFile(server.databaseFile, "utf8");
    await set({
      owner: service,
      bundle: serviceBundle({ ...vips, "10.96.0.1:7": "10.0.0.2:80,10.0.0.3:80" }, ""),
    });
    const logged = (await readFile(server.databaseFile, "utf8")).slice(before.length);
    const records = logged.split("\n").filter((line) => line.startsWith("{"));
    expect(records.map((record) => JSON.parse(record))).toEqual([
      {
        _date: expect.any(Number),
        _is_diff: true,
        Load_Balancer: {
          [balancer({}).uuid]: { vips: ["map", [["10.96.0.1:7", "10.0.0.2:80,10.0.0.3:80"]]] },
        },
      },
    ]);
  });
});
