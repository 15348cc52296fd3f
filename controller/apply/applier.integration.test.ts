import { type Client, createClient, type Lock, type Replica, type UntypedModel } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bundle, BundleChange, DesiredRow, DesiredValue, NorthboundTable, Owner } from "../translate/desired.ts";
import { desiredRow } from "../translate/owner.ts";
import { type Applier, createApplier } from "./applier.ts";
import type { ApplyProblem } from "./applier-listener.ts";
import type { Drift } from "./drift.ts";
import { managedTables, replicaSpec } from "./managed-columns.ts";

const schemaFile = "/usr/share/ovn/ovn-nb.ovsschema";
const node: Owner = { kind: "Node", key: "n1" };
const podOwner = (name: string): Owner => ({ kind: "Pod", key: `default/${name}` });

function row(table: NorthboundTable, owner: Owner, columns: Record<string, DesiredValue>, part?: string): DesiredRow {
  return desiredRow(table, owner, part, columns);
}

const nodeSwitch = row("Logical_Switch", node, { name: "n1" });
const set = row("Address_Set", node, { name: "pods" });
const nodeBundle: Bundle = { rows: [nodeSwitch, set], memberships: [] };

const port = (name: string, columns: Record<string, DesiredValue> = {}): DesiredRow =>
  row("Logical_Switch_Port", podOwner(name), {
    name: `default_${name}`,
    addresses: ["0a:00:00:00:00:01 10.0.0.1"],
    options: { "iface-id-ver": name },
    ...columns,
  });

function podBundle(name: string, columns: Record<string, DesiredValue> = {}): Bundle {
  const desired = port(name, columns);
  return {
    rows: [desired],
    memberships: [
      { table: "Logical_Switch", row: nodeSwitch.uuid, column: "ports", member: desired.uuid },
      { table: "Address_Set", row: set.uuid, column: "addresses", member: `10.0.0.${name}` },
    ],
  };
}

const change = (owner: Owner, bundle: Bundle | undefined): BundleChange => ({ owner, bundle });
const pod = (name: string, columns?: Record<string, DesiredValue>): BundleChange =>
  change(podOwner(name), podBundle(name, columns));

const tenant: Owner = { kind: "Tenant", key: "default" };
const policy: Owner = { kind: "NetworkPolicy", key: "shop/web" };

/** The same port as a member of a group. */
function inGroup({ owner, bundle }: BundleChange, group: DesiredRow): BundleChange {
  const ports = bundle?.rows.filter(({ table }) => table === "Logical_Switch_Port") ?? [];
  const memberships = ports.map(
    ({ uuid }) => ({ table: "Port_Group", row: group.uuid, column: "ports", member: uuid }) as const,
  );
  return { owner, bundle: bundle && { ...bundle, memberships: [...bundle.memberships, ...memberships] } };
}

interface Running {
  readonly client: Client<UntypedModel>;
  readonly replica: Replica<UntypedModel>;
  readonly lock: Lock;
  readonly applier: Applier;
  readonly problems: ApplyProblem[];
  readonly drifts: Drift[];
  readonly committed: string[];
  readonly operations: string[];
  readonly groups: number[];
  stop(): Promise<void>;
}

/** The members of a set column, sorted; none when the row isn't there. */
function members(one: Running, table: NorthboundTable, uuid: string, column: string): readonly string[] {
  return [...((one.replica.table(table).get(uuid)?.[column] ?? []) as ReadonlySet<string>)].sort();
}

describe("the applier", () => {
  let server: OvsdbServer;
  const running: Running[] = [];

  async function start(
    changes: readonly BundleChange[] = [],
    maxGroupOwners = Number.POSITIVE_INFINITY,
    maxBatchWeight = 20_000,
  ): Promise<Running> {
    const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
    await client.ready();
    const replica = await client.replicate(replicaSpec(managedTables(client.schema)));
    const lock = client.lock("ovenbird");
    const problems: ApplyProblem[] = [];
    const drifts: Drift[] = [];
    const committed: string[] = [];
    const operations: string[] = [];
    const groups: number[] = [];
    const applier = createApplier({
      client,
      replica,
      lock,
      maxGroupOwners,
      maxBatchWeight,
      maxGroupWeight: Math.min(1_000, maxBatchWeight),
      retryBackoff: { minMs: 100, maxMs: 1000 },
      listener: {
        committed: (owner) => committed.push(owner),
        problem: (problem) => problems.push(problem),
        drift: (_owner, found) => drifts.push(...found),
        operation: (table, kind) => operations.push(`${kind} ${table}`),
        transaction: (_result, owners) => groups.push(owners),
      },
    });
    const result = {
      client,
      replica,
      lock,
      applier,
      problems,
      drifts,
      committed,
      operations,
      groups,
      async stop() {
        await applier.close();
        await client.close();
      },
    };
    running.push(result);
    applier.set(changes, performance.now());
    applier.start();
    if (running.length === 1) await lock.acquired();
    return result;
  }

  beforeEach(async () => {
    server = await startOvsdbServer({ schemaFile });
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop()));
    await server.stop();
  });

  const base = (...names: string[]): BundleChange[] => [
    // Pods before their node, for order must not matter.
    ...names.map((name) => pod(name)),
    change(node, nodeBundle),
  ];

  async function settled(one: Running): Promise<void> {
    await one.applier.idle();
  }

  it("writes an owner's rows together with their memberships, whatever the order of the bundles", async () => {
    const one = await start(base("1", "2"));
    await settled(one);
    expect(members(one, "Logical_Switch", nodeSwitch.uuid, "ports")).toEqual([port("1").uuid, port("2").uuid].sort());
    expect(members(one, "Address_Set", set.uuid, "addresses")).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(one.replica.table("Logical_Switch_Port").size).toBe(2);
    expect(one.committed.sort()).toEqual(["Node/n1", "Pod/default/1", "Pod/default/2"]);
    expect(one.groups).toEqual([3]);
    expect(one.drifts).toEqual([]);
  });

  it("writes nothing when started again on what it wrote", async () => {
    const first = await start(base("1", "2"));
    await settled(first);
    await first.stop();
    running.length = 0;
    const second = await start(base("1", "2"));
    await settled(second);
    expect(second.operations).toEqual([]);
    expect(second.committed.length).toBe(3);
  });

  it("changes a column, a map key and a set member by their difference only", async () => {
    const one = await start(base("1"));
    await settled(one);
    one.operations.length = 0;
    one.applier.set([pod("1", { type: "router", options: { "iface-id-ver": "other" } })], performance.now());
    await settled(one);
    expect(one.operations).toEqual(["update Logical_Switch_Port", "mutate Logical_Switch_Port"]);
    const written = one.replica.table("Logical_Switch_Port").get(port("1").uuid);
    expect(written?.type).toBe("router");
    expect([...((written?.options ?? []) as ReadonlyMap<string, string>)]).toEqual([["iface-id-ver", "other"]]);
    expect(one.drifts).toEqual([]);
  });

  it("removes what is no longer desired, and keeps what others put beside it", async () => {
    const one = await start(base("1", "2"));
    await settled(one);
    const foreign = "11111111-2222-4333-8444-555555555555";
    await one.client
      .transaction()
      .insert("Logical_Switch_Port", { name: "foreign" }, foreign)
      .mutate("Logical_Switch", nodeSwitch.uuid, { ports: { insert: [foreign] } })
      .update("Logical_Switch", nodeSwitch.uuid, { other_config: { theirs: "yes" } })
      .commit();
    one.applier.set([change(podOwner("1"), undefined)], performance.now());
    await settled(one);
    expect(members(one, "Logical_Switch", nodeSwitch.uuid, "ports")).toEqual([port("2").uuid, foreign].sort());
    expect(members(one, "Address_Set", set.uuid, "addresses")).toEqual(["10.0.0.2"]);
    expect(one.replica.table("Logical_Switch_Port").has(port("1").uuid)).toBe(false);
    expect(one.drifts).toEqual([]);
  });

  it("prunes leftovers and twins of ours at the start, and never a stranger's row", async () => {
    const first = await start(base("1", "2", "3"));
    await settled(first);
    await first.client
      .transaction()
      .insert("Logical_Switch", { name: "twin", external_ids: { "ovenbird.io/owner": "Node/n1" } })
      .insert("Logical_Switch", { name: "theirs", external_ids: { owner: "them" } })
      .mutate("Address_Set", set.uuid, { addresses: { insert: ["9.9.9.9"] } })
      .commit();
    await first.stop();
    running.length = 0;
    const second = await start(base("2"));
    await settled(second);
    expect([...second.replica.table("Logical_Switch").values()].map(({ name }) => name).sort()).toEqual([
      "n1",
      "theirs",
    ]);
    expect([...second.replica.table("Logical_Switch_Port").values()].map(({ name }) => name)).toEqual(["default_2"]);
    expect(members(second, "Address_Set", set.uuid, "addresses")).toEqual(["10.0.0.2"]);
  });

  it("takes the address of a pod that stays out of its former set last, and that of one whose place another takes first", async () => {
    const other = row("Address_Set", policy, { name: "others" });
    const place = (name: string, into: DesiredRow, uid: string): BundleChange => {
      const columns = { addresses: [`0a:00:00:00:00:0${name} 10.0.0.${name}`], options: { "iface-id-ver": uid } };
      const joins = { table: "Address_Set", row: into.uuid, column: "addresses", member: `10.0.0.${name}` } as const;
      const { rows, memberships } = podBundle(name, columns);
      return change(podOwner(name), { rows, memberships: [...memberships.slice(0, 1), joins] });
    };
    const sets = [change(node, nodeBundle), change(policy, { rows: [other], memberships: [] })];
    const first = await start([...sets, place("1", set, "stays"), place("2", set, "former")]);
    await settled(first);
    await first.stop();
    running.length = 0;

    const second = await start([...sets, place("1", other, "stays"), place("2", other, "next")], 1);
    const seen: string[] = [];
    second.replica.subscribe(() => {
      const text = [set, other].map(({ uuid }) => members(second, "Address_Set", uuid, "addresses").join()).join(" / ");
      const options = second.replica.table("Logical_Switch_Port").get(port("2").uuid)?.options;
      seen.push(`${text} ${(options as ReadonlyMap<string, string>).get("iface-id-ver")}`);
    });
    await settled(second);
    expect(seen.at(-1)).toBe(" / 10.0.0.1,10.0.0.2 next");
    for (const text of seen) {
      expect(text).toContain("10.0.0.1");
      if (text.endsWith("next")) expect(text.slice(0, text.indexOf("/"))).not.toContain("10.0.0.2");
    }
  });

  it("repairs what somebody changes, removes or adds under its rows, within a second, and says so", async () => {
    const one = await start(base("1", "2"));
    await settled(one);
    const other = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
    await other.ready();
    const began = performance.now();
    await other
      .transaction()
      .update("Logical_Switch_Port", port("1").uuid, { addresses: ["unknown"] })
      .commit();
    await other
      .transaction()
      .mutate("Logical_Switch", nodeSwitch.uuid, { ports: { delete: [port("2").uuid] } })
      .commit();
    await other
      .transaction()
      .mutate("Address_Set", set.uuid, { addresses: { insert: ["6.6.6.6"], delete: ["10.0.0.1"] } })
      .commit();
    await other.transaction().delete("Address_Set", set.uuid).commit();
    await other.close();
    const said = (): readonly string[] => one.drifts.map((drift) => `${drift.owner}: ${drift.table} ${drift.what}`);
    await expect.poll(said, { timeout: 3000, interval: 5 }).toContain("Node/n1: Address_Set was deleted");
    await settled(one);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(members(one, "Logical_Switch_Port", port("1").uuid, "addresses")).toEqual(["0a:00:00:00:00:01 10.0.0.1"]);
    expect(one.replica.table("Logical_Switch_Port").size).toBe(2);
    expect(members(one, "Address_Set", set.uuid, "addresses")).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(said()).toContain("Pod/default/1: Logical_Switch_Port addresses was changed");
    expect(said()).toContain("Pod/default/2: Logical_Switch_Port was deleted");
  });

  it("sends at once when idle, and gathers while a transaction is under way", async () => {
    const one = await start(base());
    await settled(one);
    one.groups.length = 0;
    for (let index = 0; index < 2_500; index++) one.applier.set([pod(String(index))], performance.now());
    await settled(one);
    // A row and two members of sets each: 1.1 of what a transaction may cost.
    expect(one.groups).toEqual([1, 910, 910, 679]);
  });

  it("changes the members of thousands of ports in one transaction", async () => {
    const names = Array.from({ length: 3_000 }, (_, index) => String(index));
    const one = await start(base(...names));
    await settled(one);
    one.groups.length = 0;
    const group = row("Port_Group", tenant, { name: "all" });
    one.applier.set(
      [change(tenant, { rows: [group], memberships: [] }), ...names.map((name) => inGroup(pod(name), group))],
      performance.now(),
    );
    await settled(one);
    expect(one.groups).toEqual([3_001]);
    expect(members(one, "Port_Group", group.uuid, "ports")).toHaveLength(3_000);
  });

  it("takes an owner out of what the second bundle of its two in a list lacks only at the second's place", async () => {
    const group = row("Port_Group", tenant, { name: "shut" });
    const one = await start([
      change(tenant, { rows: [group], memberships: [] }),
      ...base().map((each) => (each.owner.kind === "Pod" ? inGroup(each, group) : each)),
      inGroup(pod("1"), group),
    ]);
    await settled(one);
    const steps: string[] = [];
    one.replica.subscribe((changes) => {
      for (const { table, kind } of changes) steps.push(`${kind} ${table}`);
      steps.push("end");
    });
    const acls = Array.from({ length: 1_000 }, (_, number) =>
      row(
        "ACL",
        policy,
        { priority: 1, direction: "to-lport", match: `ip4.src == 10.0.0.${number}`, action: "drop" },
        String(number),
      ),
    );
    const other = row("Port_Group", policy, { name: "policy" });
    const guard: Bundle = {
      rows: [other, ...acls],
      memberships: acls.map(({ uuid }) => ({ table: "Port_Group", row: other.uuid, column: "acls", member: uuid })),
    };
    one.applier.set([inGroup(pod("1"), group), change(policy, guard), pod("1")], performance.now());
    await settled(one);
    expect(members(one, "Port_Group", group.uuid, "ports")).toEqual([]);
    const opened = steps.indexOf("modify Port_Group");
    expect(steps.lastIndexOf("insert ACL")).toBeLessThan(opened);
    expect(steps.slice(0, opened)).toContain("end");
  });

  it("goes on in the same order when the server is lost in between", async () => {
    const one = await start(base(), 1);
    await settled(one);
    one.committed.length = 0;
    const names = ["1", "2", "3", "4", "5"];
    one.applier.set(
      names.map((name) => pod(name)),
      performance.now(),
    );
    await server.kill();
    one.applier.set([pod("6"), pod("1", { options: { "iface-id-ver": "another" } })], performance.now());
    await server.restart();
    await settled(one);
    expect([...new Set(one.committed)]).toEqual([...names, "6"].map((name) => `Pod/default/${name}`));
    expect(one.problems).toEqual([]);
  });

  it("lets a set go as a whole, and clears it of what went meanwhile when it is wanted again", async () => {
    const group = row("Port_Group", tenant, { name: "group" });
    const addresses = row("Address_Set", tenant, { name: "addresses" });
    const sets = change(tenant, { rows: [group, addresses], memberships: [] });
    const member = (name: string): BundleChange => {
      const { owner, bundle } = inGroup(pod(name), group);
      const inSet = {
        table: "Address_Set",
        row: addresses.uuid,
        column: "addresses",
        member: `10.0.0.${name}`,
      } as const;
      return { owner, bundle: bundle && { ...bundle, memberships: [...bundle.memberships, inSet] } };
    };
    const withAddress = (name: string): BundleChange => {
      const { owner, bundle } = pod(name);
      return { owner, bundle: bundle && { ...bundle, mayStayIn: () => true } };
    };
    const one = await start([...base(), sets, member("1"), member("2"), member("3")]);
    await settled(one);
    // Keeps the applier waiting, so that what follows is planned together.
    one.applier.set([pod("9")], performance.now());
    // Nobody asks for the sets; pod 3 goes, and pod 2 is none of theirs when somebody asks again.
    const gone = [change(podOwner("3"), undefined), withAddress("1"), withAddress("2"), change(tenant, undefined)];
    one.applier.set(gone, performance.now());
    one.applier.set([sets, member("1")], performance.now());
    await settled(one);
    expect(members(one, "Port_Group", group.uuid, "ports")).toEqual([port("1").uuid]);
    expect(members(one, "Address_Set", addresses.uuid, "addresses")).toEqual(["10.0.0.1"]);
    one.operations.length = 0;
    one.applier.set([withAddress("1"), change(tenant, undefined)], performance.now());
    await settled(one);
    expect(one.operations).toEqual(["delete Port_Group", "delete Address_Set"]);
  });

  it("writes nothing for a pod that comes and goes while a transaction is under way", async () => {
    const one = await start(base());
    await settled(one);
    one.operations.length = 0;
    one.applier.set([pod("1")], performance.now());
    one.applier.set([pod("2")], performance.now());
    one.applier.set([change(podOwner("2"), undefined)], performance.now());
    await settled(one);
    expect(one.operations.filter((text) => text.startsWith("insert"))).toEqual(["insert Logical_Switch_Port"]);
    expect(one.committed).toContain("Pod/default/2");
  });

  it("spaces repairs out when somebody else keeps changing the same row", async () => {
    const one = await start(base("1"));
    await settled(one);
    one.operations.length = 0;
    const other = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
    await other.ready();
    let changes = 0;
    const until = performance.now() + 400;
    while (performance.now() < until) {
      await other
        .transaction()
        .update("Logical_Switch_Port", port("1").uuid, { type: `fight-${changes}` })
        .commit();
      changes += 1;
      await other
        .transaction()
        .update("Logical_Switch_Port", port("1").uuid, { addresses: ["unknown"] })
        .commit();
    }
    await other.close();
    expect(changes).toBeGreaterThan(20);
    expect(one.operations.length).toBeLessThan(20);
    await expect
      .poll(() => members(one, "Logical_Switch_Port", port("1").uuid, "addresses"), { timeout: 10_000 })
      .toEqual(["0a:00:00:00:00:01 10.0.0.1"]);
  });

  it("sets a bad owner aside, commits all others, and tries it again when its cause is gone", async () => {
    const one = await start(base());
    await settled(one);
    const foreign = "11111111-2222-4333-8444-555555555555";
    await one.client
      .transaction()
      .insert("Logical_Switch_Port", { name: "default_57" }, foreign)
      .insert("Logical_Switch", { name: "theirs", ports: [foreign] })
      .commit();
    const names = Array.from({ length: 150 }, (_, index) => String(index));
    one.applier.set(
      names.map((name) => pod(name)),
      performance.now(),
    );
    await settled(one);
    expect(one.problems.map(({ owner, code }) => `${owner} ${code}`)).toContain("Pod/default/57 REJECTED");
    expect(new Set(one.problems.map(({ owner }) => owner)).size).toBe(1);
    expect(one.replica.table("Logical_Switch_Port").size).toBe(150);
    expect(one.applier.isCommitted("Pod/default/57")).toBe(false);
    expect(one.applier.isCommitted("Pod/default/58")).toBe(true);
    await one.client.transaction().update("Logical_Switch_Port", foreign, { name: "renamed" }).commit();
    await expect.poll(() => one.applier.isCommitted("Pod/default/57"), { timeout: 5000, interval: 20 }).toBe(true);
  });

  it("sets a row aside that the schema can't hold, and holds up nobody else", async () => {
    const one = await start(base("1"));
    one.applier.set([pod("2", { no_such_column: "x" }), pod("3")], performance.now());
    await settled(one);
    expect(one.problems.map(({ owner, code }) => `${owner} ${code}`)).toEqual(["Pod/default/2 UNKNOWN_COLUMN"]);
    expect(one.applier.isCommitted("Pod/default/3")).toBe(true);
  });

  it("lets an owner wait for a parent row that is not there, and writes it as soon as it is", async () => {
    const one = await start([pod("1")]);
    await settled(one);
    expect(one.applier.waitingOwners).toBe(1);
    expect(one.operations).toEqual([]);
    one.applier.set([change(node, nodeBundle)], performance.now());
    await expect.poll(() => one.applier.isCommitted("Pod/default/1")).toBe(true);
    expect(one.replica.table("Logical_Switch_Port").size).toBe(1);
  });

  it("lets an owner wait for a row that its rows name, also while that is set aside", async () => {
    const named = row("Address_Set", node, { name: "named" });
    const group = row("Port_Group", policy, { name: "g" });
    const naming: Bundle = { rows: [group], memberships: [], needs: [{ table: "Address_Set", uuid: named.uuid }] };
    const foreign = "11111111-2222-4333-8444-555555555556";
    const one = await start();
    await one.client.transaction().insert("Address_Set", { name: "named" }, foreign).commit();
    one.applier.set([change(node, { rows: [named], memberships: [] }), change(policy, naming)], performance.now());
    await settled(one);
    await expect.poll(() => one.applier.setAsideOwners + one.applier.waitingOwners).toBe(2);
    expect(one.replica.table("Port_Group").size).toBe(0);
    await one.client.transaction().update("Address_Set", foreign, { name: "renamed" }).commit();
    await expect.poll(() => one.applier.isCommitted("NetworkPolicy/shop/web"), { timeout: 5000 }).toBe(true);
  });

  it("cuts what belongs into one transaction only beyond what the server can bear, and goes on in its order", async () => {
    const names = Array.from({ length: 60 }, (_, index) => String(index));
    const one = await start(base(), Number.POSITIVE_INFINITY, 40);
    await settled(one);
    one.groups.length = 0;
    one.applier.set(
      names.map((name) => ({ ...pod(name), together: true })),
      performance.now(),
    );
    await settled(one);
    expect(one.replica.table("Logical_Switch_Port").size).toBe(60);
    expect(one.groups).toHaveLength(2);
    expect(one.committed.filter((owner) => owner.startsWith("Pod/"))).toEqual(
      names.map((name) => `Pod/default/${name}`),
    );
  });

  it("writes nothing without the lock, and takes over when the holder is gone", async () => {
    const first = await start(base("1"));
    await settled(first);
    const second = await start(base("1", "2"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(second.operations).toEqual([]);
    await first.stop();
    await second.lock.acquired();
    await settled(second);
    expect(second.replica.table("Logical_Switch_Port").size).toBe(2);
    // Only the second pod was missing.
    expect(second.operations.filter((text) => text.startsWith("insert"))).toEqual(["insert Logical_Switch_Port"]);
  });

  it("goes on after kill -9 of the server in the middle, without a twin or a gap", async () => {
    const one = await start(base());
    await settled(one);
    for (let index = 0; index < 2000; index++) {
      one.applier.set([pod(String(index))], performance.now());
      if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (index === 1000) {
        await server.kill();
        await server.restart();
      }
    }
    await expect.poll(() => one.applier.dirtyOwners, { timeout: 30_000 }).toBe(0);
    await settled(one);
    expect(one.replica.table("Logical_Switch_Port").size).toBe(2000);
    expect(members(one, "Logical_Switch", nodeSwitch.uuid, "ports").length).toBe(2000);
  });
});
