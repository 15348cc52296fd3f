import fc from "fast-check";
import { expect, it } from "vitest";
import { formatAddress } from "../ipam/address.ts";
import { blockCidr } from "../ipam/block.ts";
import { createIpam, type Ipam } from "../ipam/ipam.ts";
import { type NetworkConfig, parseNetworkConfig } from "../ipam/network-config.ts";
import type { ReservedRow } from "../ipam/restore.ts";
import { projectNamespace } from "../state/namespace.ts";
import { type NodeRecord, projectNode } from "../state/node.ts";
import { type PodRecord, projectPod } from "../state/pod.ts";
import type { StateEvent } from "../state/state-event.ts";
import type { Bundle, DesiredRow } from "../translate/desired.ts";
import { ownerText } from "../translate/owner.ts";
import { createGraph, type Graph } from "./graph.ts";

/**
 * A small world: four nodes whose IPv4 blocks hold four pods each, and ten pods that come, get scheduled, finish, go and
 * come back under the same name. The controller sees it through a watch that may delay, merge and repeat, and restarts.
 */

const nodeNames = ["a", "b", "c", "d", "e"];
const podKeys = ["x/1", "x/2", "x/3", "x/4", "x/5", "x/6", "y/1", "y/2", "y/3", "y/4"];

interface WorldPod {
  readonly uid: string;
  nodeName?: string;
  hostNetwork: boolean;
  phase: string;
  annotation?: string;
}

interface WorldNode {
  readonly uid: string;
  gateway: boolean;
  annotation?: string;
}

function networkOf(clusterCidr: string, nodePrefix: string): NetworkConfig {
  const result = parseNetworkConfig({ clusterCidr, nodePrefix });
  if (result.kind === "invalid") throw new Error(JSON.stringify(result.problems));
  return result.network;
}

const networks = {
  "dual stack": networkOf("10.1.0.0/27,fd01::/118", "29,120"),
  "IPv4 only": networkOf("10.1.0.0/27", "29"),
  "IPv6 only": networkOf("fd01::/118", "120"),
};

const kinds = ["node", "namespace", "pod"] as const;

class World {
  readonly nodes = new Map<string, WorldNode>();
  readonly pods = new Map<string, WorldPod>();
  readonly namespaces = new Set<string>();
  /** Events that the watch of each kind has yet to deliver, in order. */
  pending: { node: StateEvent[]; namespace: StateEvent[]; pod: StateEvent[] } = { node: [], namespace: [], pod: [] };
  uids = 0;

  node(name: string): NodeRecord {
    const node = this.nodes.get(name);
    const chassis = {
      systemId: `chassis-${name}`,
      ...(node?.gateway
        ? {
            gateway: {
              mac: "02:00:00:00:00:01",
              addresses: [`192.168.0.${name.charCodeAt(0)}/24`, `fc00::${name}/64`],
              nextHops: ["192.168.0.1", "fc00::1"],
              physicalNetwork: "physnet",
            },
          }
        : {}),
    };
    return projectNode({
      metadata: {
        name,
        uid: node?.uid,
        annotations: {
          ...(node?.gateway ? { "ovenbird.io/chassis": JSON.stringify(chassis) } : {}),
          ...(node?.annotation === undefined ? {} : { "ovenbird.io/node-network": node.annotation }),
        },
      },
      status: { addresses: [{ type: "InternalIP", address: `192.168.0.${name.charCodeAt(0)}` }] },
    });
  }

  pod(key: string): PodRecord {
    const pod = this.pods.get(key);
    const [namespace, name] = key.split("/");
    return projectPod({
      metadata: {
        namespace,
        name,
        uid: pod?.uid,
        annotations: pod?.annotation === undefined ? {} : { "ovenbird.io/network": pod.annotation },
      },
      spec: { nodeName: pod?.nodeName, hostNetwork: pod?.hostNetwork },
      status: { phase: pod?.phase },
    });
  }

  event(kind: "node" | "namespace" | "pod", key: string): StateEvent {
    if (kind === "node") {
      return this.nodes.has(key)
        ? { kind, change: "upsert", key, object: this.node(key) }
        : { kind, change: "delete", key };
    }
    if (kind === "pod") {
      return this.pods.has(key)
        ? { kind, change: "upsert", key, object: this.pod(key) }
        : { kind, change: "delete", key };
    }
    return this.namespaces.has(key)
      ? { kind, change: "upsert", key, object: projectNamespace({ metadata: { name: key } }) }
      : { kind, change: "delete", key };
  }

  touch(kind: "node" | "namespace" | "pod", key: string): void {
    this.pending[kind].push(this.event(kind, key));
  }

  everything(): StateEvent[] {
    return [
      ...[...this.pods.keys()].map((key) => this.event("pod", key)),
      ...[...this.namespaces].map((key) => this.event("namespace", key)),
      ...[...this.nodes.keys()].map((key) => this.event("node", key)),
    ];
  }
}

/** The controller with a database that takes whatever it is given. */
class Controller {
  readonly world: World;
  readonly network: NetworkConfig;
  readonly database: Map<string, Bundle>;
  ipam: Ipam;
  graph: Graph;

  constructor(
    world: World,
    network: NetworkConfig,
    database: ReadonlyMap<string, Bundle>,
    order: readonly number[],
    alsoReserved: readonly ReservedRow[] = [],
  ) {
    this.world = world;
    this.network = network;
    this.database = new Map(database);
    this.ipam = createIpam(network);
    this.graph = createGraph({ network, ipam: this.ipam, report: () => undefined });
    const events = world.everything();
    for (const [position, rank] of order.entries()) {
      const other = events.length === 0 ? 0 : rank % events.length;
      const [one, two] = [events[position], events[other]];
      if (one !== undefined && two !== undefined) [events[position], events[other]] = [two, one];
    }
    const pods = events.flatMap(({ kind, object }) =>
      kind === "pod" && object !== undefined ? [object as PodRecord] : [],
    );
    const nodes = events.flatMap(({ kind, object }) =>
      kind === "node" && object !== undefined ? [object as NodeRecord] : [],
    );
    this.ipam.restore({ rows: [...reservedRows(this.database), ...alsoReserved], pods, nodes });
    for (const event of events) this.graph.apply(event);
    this.flush();
    // After the first sync what nobody owns any more is pruned.
    for (const owner of this.database.keys()) if (this.graph.bundleOf(owner) === undefined) this.database.delete(owner);
  }

  flush(): void {
    for (const { owner, bundle } of this.graph.flush()) {
      if (bundle === undefined) this.database.delete(ownerText(owner));
      else this.database.set(ownerText(owner), structuredCloneOf(bundle));
    }
    expectNoAddressTwice(this.database);
  }
}

const structuredCloneOf = (bundle: Bundle): Bundle => JSON.parse(JSON.stringify(bundle)) as Bundle;
const podPorts = (database: ReadonlyMap<string, Bundle>): DesiredRow[] =>
  [...database.values()].flatMap(({ rows }) =>
    rows.filter(({ table, owner }) => table === "Logical_Switch_Port" && /^(Pod|Node)\/.*/.test(owner)),
  );
const addressesOf = ({ columns }: DesiredRow): string[] =>
  Array.isArray(columns.addresses) ? columns.addresses.map(String) : [];

function reservedRows(database: ReadonlyMap<string, Bundle>): ReservedRow[] {
  return podPorts(database).map((row) => {
    const options = row.columns.options as Readonly<Record<string, string>> | undefined;
    return { owner: row.owner, addresses: addressesOf(row), uid: options?.["iface-id-ver"] };
  });
}

/** What pods hold whose node is away: they have no rows, and perhaps no annotation yet. */
function reservedWithoutRows({ ipam, network, database }: Controller): ReservedRow[] {
  return [...ipam.podReservations()].flatMap(([key, { uid, block, ipv4Offset, ipv6Offset }]) => {
    const owner = `Pod/${key}`;
    if (database.has(owner)) return [];
    const addresses = network.families.flatMap((family) => {
      const offset = family.family === 4 ? ipv4Offset : ipv6Offset;
      if (offset === undefined) return [];
      return formatAddress({ family: family.family, value: blockCidr(family, block).base + BigInt(offset) });
    });
    return { owner, addresses, uid };
  });
}

function expectNoAddressTwice(database: ReadonlyMap<string, Bundle>): void {
  const given = podPorts(database)
    .flatMap((row) => addressesOf(row).flatMap((text) => text.split(" ")))
    .filter((word) => word !== "router" && word !== "unknown");
  expect(given.length).toBe(new Set(given).size);
}

interface Step {
  readonly act: (controller: Controller) => void;
  [fc.toStringMethod](): string;
}

/** A counterexample is printed as the story of its names. */
const step = (name: string, act: Step["act"]): Step => ({ act, [fc.toStringMethod]: () => name });

/** Most go to the same node, so that its block is often full. */
const nodeName = fc.constantFrom("a", "a", "a", "a", ...nodeNames);
const podKey = fc.constantFrom(...podKeys);

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(nodeName, fc.boolean()).map(([name, gateway]) =>
      step(`node ${name} comes${gateway ? " with a gateway" : ""}`, ({ world }) => {
        const node = world.nodes.get(name);
        if (node === undefined) world.nodes.set(name, { uid: `n${world.uids++}`, gateway });
        else node.gateway = gateway;
        world.touch("node", name);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: nodeName.map((name) =>
      step(`node ${name} goes`, ({ world }) => {
        if (world.nodes.delete(name)) world.touch("node", name);
      }),
    ),
  },
  {
    weight: 10,
    arbitrary: fc.tuple(podKey, fc.option(nodeName, { nil: undefined }), fc.nat(9)).map(([key, on, dice]) =>
      step(`pod ${key} comes or is scheduled on ${on}${dice === 0 ? ", in the host's network" : ""}`, ({ world }) => {
        const pod = world.pods.get(key);
        const fresh = { uid: `p${world.uids++}`, hostNetwork: dice === 0, phase: "Pending" };
        if (pod === undefined) world.pods.set(key, { ...fresh, ...(on === undefined ? {} : { nodeName: on }) });
        else if (pod.nodeName === undefined && on !== undefined) pod.nodeName = on;
        world.touch("pod", key);
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: podKey.map((key) =>
      step(`pod ${key} goes`, ({ world }) => {
        if (world.pods.delete(key)) world.touch("pod", key);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(podKey, nodeName).map(([key, on]) =>
      step(`pod ${key} is replaced by another of that name on ${on}`, ({ world }) => {
        if (!world.pods.has(key)) return;
        world.pods.set(key, { uid: `p${world.uids++}`, hostNetwork: false, phase: "Pending", nodeName: on });
        world.touch("pod", key);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: podKey.map((key) =>
      step(`pod ${key} finishes`, ({ world }) => {
        const pod = world.pods.get(key);
        if (pod === undefined) return;
        pod.phase = "Succeeded";
        world.touch("pod", key);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("x", "y").map((name) =>
      step(`namespace ${name} comes or goes`, ({ world }) => {
        if (!world.namespaces.delete(name)) world.namespaces.add(name);
        world.touch("namespace", name);
      }),
    ),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom(...kinds), fc.integer({ min: 1, max: 5 })).map(([kind, count]) =>
      step(`the watch delivers ${count} ${kind} events`, ({ world, graph }) => {
        for (const event of world.pending[kind].splice(0, count)) graph.apply(event);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: podKey.map((key) => step(`the watch repeats pod ${key}`, ({ world }) => world.touch("pod", key))),
  },
  { weight: 3, arbitrary: fc.constant(step("all is delivered and checked", (controller) => check(controller, []))) },
  { weight: 6, arbitrary: fc.constant(step("flush", (controller) => controller.flush())) },
  { weight: 4, arbitrary: fc.constant(step("announce", announce)) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.nat(20), { maxLength: 15 })
      .map((order) => step(`restart (${order})`, (controller) => restart(controller, order))),
  },
);

/** Writes the annotations that the committed rows stand for. */
function announce({ world, graph }: Controller): void {
  for (const [key, pod] of world.pods) {
    const network = graph.podNetwork(key);
    if (network === undefined || network.uid !== pod.uid) continue;
    pod.annotation = JSON.stringify(network);
    world.touch("pod", key);
  }
  for (const [name, node] of world.nodes) {
    const network = graph.nodeNetwork(name);
    if (network === undefined) continue;
    node.annotation = JSON.stringify(network);
    world.touch("node", name);
  }
}

function restart(controller: Controller, order: readonly number[]): void {
  const { world, network, database } = controller;
  world.pending = { node: [], namespace: [], pod: [] };
  const next = new Controller(world, network, database, order);
  controller.ipam = next.ipam;
  controller.graph = next.graph;
  controller.database.clear();
  for (const [owner, bundle] of next.database) controller.database.set(owner, bundle);
}

function settle(controller: Controller): void {
  const { world, graph } = controller;
  for (const kind of kinds) {
    for (const event of world.pending[kind].splice(0)) graph.apply(event);
  }
  controller.flush();
}

const wants = (pod: WorldPod | undefined): boolean =>
  pod?.nodeName !== undefined && !pod.hostNetwork && pod.phase !== "Succeeded";

function expectNothingLeaked({ world, ipam, network }: Controller): void {
  const perBlock = new Map<number, number>();
  for (const [key, { block }] of ipam.podReservations()) {
    expect(wants(world.pods.get(key)), `the reservation of ${key} has a pod`).toBe(true);
    perBlock.set(block, (perBlock.get(block) ?? 0) + 1);
  }
  for (const [name, block] of ipam.nodeBlocks()) {
    expect(world.nodes.has(name) || perBlock.has(block), `the block of ${name} is in use`).toBe(true);
  }
  const room = network.families[0]?.family === 4 ? 4 : 253;
  for (const [key, pod] of world.pods) {
    const block = pod.nodeName !== undefined && world.nodes.has(pod.nodeName) ? ipam.blockOf(pod.nodeName) : undefined;
    if (!wants(pod) || block === undefined || ipam.podReservation(key) !== undefined) continue;
    expect(perBlock.get(block), `${key} has no address although its block has room`).toBe(room);
  }
}

/** Also of what is held without a row. */
function expectNothingTwice({ ipam }: Controller): void {
  const places = [...ipam.podReservations()].flatMap(([, { block, ipv4Offset, ipv6Offset }]) => [
    ...(ipv4Offset === undefined ? [] : [`IPv4 ${block} ${ipv4Offset}`]),
    ...(ipv6Offset === undefined ? [] : [`IPv6 ${block} ${ipv6Offset}`]),
  ]);
  expect(places.length).toBe(new Set(places).size);
}

function expectAnnouncementsKept({ world, graph }: Controller): void {
  for (const [key, pod] of world.pods) {
    const network = graph.podNetwork(key);
    if (network !== undefined) expect(network.uid, `the uid that ${key} is announced with`).toBe(pod.uid);
    if (pod.annotation === undefined || network === undefined) continue;
    expect(JSON.stringify(network), `what was announced to ${key}`).toBe(pod.annotation);
  }
}

/** Lets everything arrive, and compares with a controller that starts anew in the same world. */
function check(controller: Controller, order: readonly number[]): void {
  settle(controller);
  expectNothingLeaked(controller);
  expectNothingTwice(controller);
  expectAnnouncementsKept(controller);
  const { world, network, database } = controller;
  const scratch = new Controller(world, network, database, order, reservedWithoutRows(controller));
  expect(Object.fromEntries(scratch.database)).toEqual(Object.fromEntries(database));
  expect([...scratch.graph.flush()]).toEqual([]);
}

it("rows depend on the current state, no address has two owners, and nothing leaks, whatever the history", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("dual stack" as const, "IPv4 only" as const, "IPv6 only" as const),
      fc.array(steps, { minLength: 10, maxLength: 80, size: "max" }),
      fc.array(fc.nat(20), { maxLength: 15 }),
      (families, history, order) => {
        const network = networks[families];
        const controller = new Controller(new World(), network, new Map(), []);
        for (const { act } of history) act(controller);
        check(controller, order);
      },
    ),
    { numRuns: 500 },
  );
});
