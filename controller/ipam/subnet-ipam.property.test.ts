import fc from "fast-check";
import { expect, it } from "vitest";
import { projectIpAddress } from "../state/ip-address.ts";
import { projectIpPool } from "../state/ip-pool.ts";
import { projectSubnet } from "../state/subnet.ts";
import { sliceOf } from "./infrastructure.ts";
import { parseNetworkConfig } from "./network-config.ts";
import { createSubnetIpam, type SubnetIpam, switchKeyOf } from "./subnet-ipam.ts";
import type { SubnetReservation } from "./subnet-reservation.ts";

/**
 * A small world: three subnets, two of them of one network in different tenants, on three nodes; pods that come, ask for
 * addresses, share keys and go; IPAddress objects that are written late, removed, or a person's; pools that come and go; and a
 * controller that restarts at any time, with what it had written and no more.
 */

const config = parseNetworkConfig({});
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

const subnetSpecs = {
  blue: { tenant: "blue", mode: "Cluster", cidrs: ["10.1.0.0/28", "fd01::/120"] },
  green: { tenant: "green", mode: "Cluster", cidrs: ["10.1.0.0/28"] },
  blocks: { tenant: "default", mode: "PerNode", cidrs: ["10.2.0.0/26"], nodePrefixLengths: [28] },
} as const;
type SubnetName = keyof typeof subnetSpecs;
const subnetNames = Object.keys(subnetSpecs) as SubnetName[];
const nodes = ["n0", "n1", "n2"];
const podKeys = ["a/1", "a/2", "a/db-0", "b/1", "b/2", "b/3"];

const subnetRecord = (name: SubnetName, excluded: readonly string[] = []) =>
  projectSubnet({ metadata: { name, uid: name }, spec: { ...subnetSpecs[name], excluded } });
const poolRecord = (addresses: string) =>
  projectIpPool({
    metadata: { name: "pool", uid: "pool" },
    spec: { subnet: "blue", addresses: [addresses], namespaces: { names: ["a"] } },
  });

class World {
  ipam: SubnetIpam = this.start();
  readonly written = new Map<string, ReturnType<typeof projectIpAddress>>();
  pool: ReturnType<typeof poolRecord> | undefined;
  readonly excluded = new Map<SubnetName, readonly string[]>();
  uids = 0;
  readonly uidOf = new Map<string, string>();

  start(): SubnetIpam {
    const ipam = createSubnetIpam(network);
    for (const name of subnetNames) ipam.setSubnet(name, subnetRecord(name, this.excluded?.get(name)));
    if (this.pool !== undefined) ipam.setPool("pool", this.pool);
    for (const [name, record] of this.written ?? []) ipam.setKept(name, record);
    return ipam;
  }

  /** As rows and annotations say it: each pod's port is there. */
  restart(strengths: readonly (0 | 1 | 2)[]): void {
    const holdings = [...this.ipam.reservations()].map(([key, reservation], index) => ({
      key,
      strength: strengths[index % strengths.length] ?? 0,
      reservation: { ...reservation, keptBy: undefined },
    }));
    const slices = new Map(this.switches().map((key) => [key, this.ipam.slicesOf(key)]));
    this.ipam = this.start();
    this.ipam.restore(holdings, new Map(), slices);
  }

  switches(): string[] {
    return ["blue", "green", ...nodes.map((node) => switchKeyOf("blocks", true, node))];
  }

  /** The API has what is to be written, of one IPAddress or of all. */
  write(pick: number | undefined): void {
    const kept = [...this.ipam.kept()];
    for (const [index, each] of kept.entries()) {
      if (pick !== undefined && index !== pick % kept.length) continue;
      const { name, subnet, namespace, holder, addresses, mac } = each;
      if (each.record === undefined && this.ipam.podOfKept(name) === undefined) {
        this.ipam.forgetKept(name);
        continue;
      }
      const metadata = { name, uid: name, creationTimestamp: "2026-01-01T00:00:00Z" };
      const record = projectIpAddress({ metadata, spec: { subnet, namespace, holder, addresses, mac } });
      this.written.set(name, record);
      this.ipam.setKept(name, record);
    }
  }
}

type Step =
  | {
      readonly do: "reserve";
      readonly pod: number;
      readonly subnet: number;
      readonly node: number;
      readonly ask: number;
    }
  | { readonly do: "release"; readonly pod: number }
  | { readonly do: "write"; readonly pick: number | undefined }
  | { readonly do: "unkeep"; readonly pick: number }
  | { readonly do: "person"; readonly host: number; readonly holder: number }
  | { readonly do: "pool"; readonly last: number | undefined }
  | { readonly do: "exclude"; readonly subnet: number; readonly host: number | undefined }
  | { readonly do: "restart"; readonly strengths: readonly (0 | 1 | 2)[] };

const small = (max: number) => fc.integer({ min: 0, max });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("reserve" as const),
      pod: small(5),
      subnet: small(2),
      node: small(2),
      ask: small(9),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("release" as const), pod: small(5) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("write" as const), pick: fc.option(small(5), { nil: undefined }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("unkeep" as const), pick: small(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("person" as const), host: small(15), holder: small(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("pool" as const), last: fc.option(small(6), { nil: undefined }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("exclude" as const),
      subnet: small(2),
      host: fc.option(small(15), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("restart" as const),
      strengths: fc.array(fc.constantFrom(0 as const, 1 as const, 2 as const), { minLength: 1, maxLength: 4 }),
    }),
  },
);

function reserve(world: World, { pod, subnet, node, ask }: Step & { readonly do: "reserve" }): void {
  const key = podKeys[pod] ?? "";
  const held = world.ipam.reservation(key);
  const name = subnetNames[subnet] ?? "blue";
  const wish = {
    ...{ subnet: undefined, mac: ask === 4 ? "02:00:00:00:00:01" : undefined, pools: [], qos: undefined, problems: [] },
    addresses: ask <= 2 ? [name === "blocks" ? `10.2.0.${ask * 16 + 5}` : `10.1.0.${ask + 4}`] : [],
    sticky: ask === 5 ? "key" : undefined,
    stickySeconds: undefined,
  };
  const uid = held?.uid ?? `${key} ${world.uids++}`;
  const outcome = world.ipam.reserve({
    ...{ key, uid, subnet: name, wish, pools: key.startsWith("a/") && world.pool !== undefined ? ["pool"] : [] },
    ...{ node: held?.node ?? nodes[node] ?? "", nodeNumber: held === undefined ? node : nodes.indexOf(held.node) },
    ...{ workload: key === "a/db-0" ? "StatefulSet/db" : undefined, ordinal: key === "a/db-0" ? 0 : undefined },
  });
  // What a pod has it keeps, whatever it is asked.
  if (held !== undefined) expect(outcome).toMatchObject({ kind: "reserved", value: { addresses: held.addresses } });
  if (outcome.kind === "reserved" && ask <= 2 && held === undefined) {
    expect(outcome.value.addresses).toContain(wish.addresses[0]);
  }
}

function apply(world: World, step: Step): void {
  const { ipam } = world;
  if (step.do === "reserve") reserve(world, step);
  else if (step.do === "release") ipam.release(podKeys[step.pod] ?? "");
  else if (step.do === "write") world.write(step.pick);
  else if (step.do === "unkeep") {
    const name = [...world.written.keys()][step.pick];
    if (name !== undefined) {
      world.written.delete(name);
      ipam.setKept(name, undefined);
    }
  } else if (step.do === "person") {
    const name = `person-${step.holder}`;
    const spec = {
      subnet: "blue",
      namespace: "b",
      holder: String(step.holder + 1),
      addresses: [`10.1.0.${step.host}`],
    };
    const record = projectIpAddress({ metadata: { name, uid: name, creationTimestamp: "2025-01-01T00:00:00Z" }, spec });
    world.written.set(name, record);
    ipam.setKept(name, record);
  } else if (step.do === "pool") {
    world.pool = step.last === undefined ? undefined : poolRecord(`10.1.0.4-10.1.0.${step.last + 4}`);
    ipam.setPool("pool", world.pool);
  } else if (step.do === "exclude") {
    const name = subnetNames[step.subnet] ?? "blue";
    const [prefix] = /^10\.\d\.0\./.exec(subnetSpecs[name].cidrs[0]) ?? [];
    world.excluded.set(name, step.host === undefined ? [] : [`${prefix}${step.host}`]);
    ipam.setSubnet(name, subnetRecord(name, world.excluded.get(name)));
  } else {
    const before = snapshot(ipam);
    world.restart(step.strengths);
    expect(snapshot(world.ipam)).toEqual(before);
  }
}

/** Without by what it is kept: what wasn't written is found again when the pod is looked at. */
const snapshot = (ipam: SubnetIpam) =>
  [...ipam.reservations()]
    .map(([key, { keptBy: _, ...held }]) => [key, held] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));

function expectSound({ ipam, switches }: World): void {
  const all: readonly (readonly [string, SubnetReservation])[] = [...ipam.reservations()];
  const unique = (what: readonly unknown[]) => expect(new Set(what).size).toBe(what.length);
  unique(all.flatMap(([, { subnet, addresses }]) => addresses.map((address) => `${subnet} ${address}`)));
  unique(all.map(([, { subnet, mac }]) => `${subnet} ${mac}`));
  const numbered = all.filter(([, { infrastructure }]) => infrastructure !== undefined);
  unique(numbered.map(([, { infrastructure }]) => infrastructure));
  expect(numbered.length).toBe(all.filter(([, { subnet }]) => subnet !== "blocks").length);
  for (const key of switches()) {
    const slices = numbered.flatMap(([, { subnet, infrastructure }]) =>
      subnet === key ? [sliceOf(infrastructure ?? 0)] : [],
    );
    expect(ipam.slicesOf(key)).toEqual([...new Set(slices)].sort((a, b) => a - b));
  }
  for (const name of subnetNames) {
    const held = all.flatMap(([, { subnet, addresses }]) => (subnet === name ? addresses : []));
    const kept = [...ipam.kept()].flatMap(({ subnet, addresses }) => (subnet === name ? addresses : []));
    const { used } = ipam.usageOf(name);
    expect(used[4] + used[6]).toBe(new Set([...held, ...kept]).size);
  }
  for (const [key, { subnet, addresses, keptBy }] of all) {
    for (const address of addresses) expect(ipam.holderOf(subnet, address)).toBe(`pod ${key}`);
    if (keptBy !== undefined) expect(ipam.podOfKept(keptBy)).toBe(key);
  }
}

it("nobody has what another one has, nothing leaks, and a restart changes nothing", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 80, size: "max" }), (all) => {
      const world = new World();
      world.ipam.restore([], new Map(), new Map());
      for (const step of all) {
        apply(world, step);
        expectSound(world);
      }
      for (const key of podKeys) world.ipam.release(key);
      for (const { name, record } of [...world.ipam.kept()]) {
        if (record === undefined) world.ipam.forgetKept(name);
        else world.ipam.setKept(name, undefined);
      }
      expect(subnetNames.map((name) => world.ipam.isInUse(name))).toEqual([false, false, false]);
      expect(world.switches().flatMap((key) => world.ipam.slicesOf(key))).toEqual([]);
    }),
    { numRuns: 100 },
  );
});
