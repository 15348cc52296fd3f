import {
  type Bundle,
  createGraph,
  createIpam,
  type DesiredRow,
  type Graph,
  type NetworkConfig,
  ownerText,
  parseNetworkConfig,
  type StateEvent,
} from "@ovenbird/controller";
import fc from "fast-check";
import { expect, it } from "vitest";
import { anyStep, type Step as SceneStep } from "../policies/generate.ts";
import { sceneNamespaces, scenePods } from "../policies/scene.ts";
import { ChangingTown, type Kind, kinds } from "./changing-town.ts";

/**
 * A small town whose pods, labels, namespaces, nodes, domain names and policies come, change and go. The graph hears of it in any
 * order, in batches of any size, and what it ends in is what it makes of the end alone.
 */

type Database = Map<string, Bundle>;

const portRows = (database: Database): DesiredRow[] =>
  [...database.values()].flatMap(({ rows }) => rows.filter(({ table }) => table === "Logical_Switch_Port"));

function newGraph(network: NetworkConfig, database: Database, events: readonly StateEvent[] = []): Graph {
  const ipam = createIpam(network);
  const rows = portRows(database).map(({ owner, columns }) => ({
    owner,
    addresses: columns.addresses as readonly string[],
    uid: (columns.options as Readonly<Record<string, string>> | undefined)?.["iface-id-ver"],
  }));
  const pods = events.flatMap((event) => (event.kind === "pod" && event.object !== undefined ? [event.object] : []));
  const nodes = events.flatMap((event) => (event.kind === "node" && event.object !== undefined ? [event.object] : []));
  ipam.restore({ rows, pods, nodes });
  return createGraph({ network, ipam, report: () => undefined });
}

function flushInto(graph: Graph, database: Database): string[] {
  return graph.flush().map(({ owner, bundle }) => {
    if (bundle === undefined) database.delete(ownerText(owner));
    else database.set(ownerText(owner), bundle);
    return ownerText(owner);
  });
}

/** All rows with their members, whoever brings them. */
function contentOf(database: Database): unknown {
  const rows = new Map<string, { row: DesiredRow; members: Set<string> }>();
  for (const { rows: own } of database.values()) {
    for (const row of own) {
      expect(rows.has(row.uuid), `${row.owner} has one owner`).toBe(false);
      rows.set(row.uuid, { row, members: new Set() });
    }
  }
  for (const [owner, { memberships }] of database) {
    for (const { table, row, column, member } of memberships) {
      const holder = rows.get(row);
      expect(holder?.row.table, `${owner} is a member of a row that there is`).toBe(table);
      holder?.members.add(`${column} ${member}`);
    }
  }
  return [...rows.values()]
    .map(({ row, members }) => JSON.stringify([row.table, row.owner, row.columns, [...members].sort()], undefined, 1))
    .sort();
}

function shuffled<T>(list: readonly T[], ranks: readonly number[]): T[] {
  const events = [...list];
  for (const [position, rank] of ranks.entries()) {
    const other = events.length === 0 ? 0 : rank % events.length;
    const [one, two] = [events[position], events[other]];
    if (one !== undefined && two !== undefined) [events[position], events[other]] = [two, one];
  }
  return events;
}

interface Step {
  readonly act: (town: ChangingTown) => void;
  readonly hear?: { readonly kind: Kind; readonly count: number } | "all" | "flush";
  [fc.toStringMethod](): string;
}

const step = (text: string, act: Step["act"], hear?: Step["hear"]): Step => ({
  act,
  ...(hear === undefined ? {} : { hear }),
  [fc.toStringMethod]: () => text,
});

const nodeName = fc.constantFrom("node1", "node2", "node3");
const podKey = fc.constantFrom(...scenePods.map(({ key }) => key));

function sceneStep(of: SceneStep): Step {
  const text = JSON.stringify(of);
  switch (of.kind) {
    case "policy":
      return step(text, (town) => {
        town.setPolicy(of.policy);
      });
    case "remove":
      return step(text, (town) => {
        const id = [...town.policies.keys()][of.place % Math.max(1, town.policies.size)];
        if (id === undefined) return;
        town.policies.delete(id);
        town.touch("policy", id);
      });
    case "pod":
      return step(text, (town) => {
        const pod = town.pods.get(of.key);
        if (pod === undefined) return;
        town.pods.set(of.key, { ...pod, labels: of.labels });
        town.touch("pod", of.key);
      });
    case "namespace":
      return step(text, (town) => {
        town.namespaces.set(of.name, { logged: town.namespaces.get(of.name)?.logged, labels: of.labels });
        town.touch("namespace", of.name);
      });
    case "log":
      return step(text, (town) => {
        const labels = town.namespaces.get(of.name)?.labels ?? {};
        town.namespaces.set(of.name, { labels, logged: of.of });
        town.touch("namespace", of.name);
      });
    case "presence":
      return step(text, (town) => {
        const pod = town.pods.get(of.key);
        if (pod === undefined) return;
        if (of.is === "absent") town.pods.delete(of.key);
        else town.pods.set(of.key, { ...pod, phase: of.is === "finished" ? "Succeeded" : "Running" });
        town.touch("pod", of.key);
      });
  }
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: anyStep.map(sceneStep) },
  {
    weight: 8,
    arbitrary: fc
      .tuple(podKey, nodeName, fc.constantFrom("Pending", "Running", "Running", "Succeeded"), fc.nat(9), fc.boolean())
      .map(([key, node, phase, dice, isNew]) =>
        step(`pod ${key} on ${node} ${phase}${dice === 0 ? " host" : ""}${isNew ? " new" : ""}`, (town) => {
          const former = town.pods.get(key);
          const uid = former === undefined || isNew ? town.uids++ : former.uid;
          const stays = former !== undefined && uid === former.uid;
          const place = stays
            ? { node: former.node, hostNetwork: former.hostNetwork }
            : { node, hostNetwork: dice === 0 };
          town.pods.set(key, { uid, phase, labels: former?.labels, ...place });
          town.touch("pod", key);
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: podKey.map((key) =>
      step(`pod ${key} goes`, (town) => {
        if (town.pods.delete(key)) town.touch("pod", key);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...Object.keys(sceneNamespaces)).map((name) =>
      step(`namespace ${name} goes`, (town) => {
        if (town.namespaces.delete(name)) town.touch("namespace", name);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(nodeName, fc.constantFrom("a", "b", undefined), fc.constantFrom(11, 12, 13))
      .map(([name, rack, last]) =>
        step(`node ${name} in ${rack} at ${last}`, (town) => {
          const addresses = [`172.18.0.${last}`, `fd00:172:18::${(last ?? 0).toString(16)}`];
          town.nodes.set(name, { labels: rack === undefined ? {} : { rack }, addresses });
          town.touch("node", name);
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom("example.com", "a.example.org", "b.a.example.org"),
        fc.subarray(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
      )
      .map(([name, addresses]) =>
        step(`${name} leads to ${addresses}`, (town) => {
          if (addresses.length === 0) town.domains.delete(name);
          else town.domains.set(name, addresses);
          town.touch("domain", name);
        }),
      ),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...kinds), fc.integer({ min: 1, max: 4 }))
      .map(([kind, count]) => step(`${count} ${kind} events arrive`, () => undefined, { kind, count })),
  },
  { weight: 4, arbitrary: fc.constant(step("all arrives", () => undefined, "all")) },
  { weight: 6, arbitrary: fc.constant(step("flush", () => undefined, "flush")) },
);

function networkOf(input: object): NetworkConfig {
  const parsed = parseNetworkConfig(input);
  if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed));
  return parsed.network;
}

const networks = {
  "dual stack": networkOf({ clusterCidr: "10.244.0.0/16,fd00:10:244::/48", nodePrefix: "24,64" }),
  "IPv4 only": networkOf({
    clusterCidr: "10.244.0.0/16",
    nodePrefix: "24",
    serviceCidr: "10.96.0.0/16",
    joinCidr: "100.64.0.0/16",
  }),
};

it("rows of policies depend on the current state, whatever came before it and in whatever order", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("dual stack" as const, "IPv4 only" as const),
      fc.array(steps, { minLength: 10, maxLength: 60, size: "max" }),
      fc.array(fc.nat(40), { maxLength: 30 }),
      (families, history, order) => {
        const network = networks[families];
        const town = new ChangingTown();
        const database: Database = new Map();
        const graph = newGraph(network, database);
        const hear = (count: number, kind: Kind): void => {
          for (const event of town.pending[kind].splice(0, count)) graph.apply(event);
        };
        for (const { act, hear: heard } of history) {
          act(town);
          if (heard === "all") for (const kind of kinds) hear(Number.POSITIVE_INFINITY, kind);
          else if (heard === "flush") flushInto(graph, database);
          else if (heard !== undefined) hear(heard.count, heard.kind);
        }
        for (const kind of kinds) hear(Number.POSITIVE_INFINITY, kind);
        flushInto(graph, database);
        expect(flushInto(graph, database)).toEqual([]);

        const events = shuffled(town.everything(), order);
        const scratch = newGraph(network, database, events);
        for (const event of events) scratch.apply(event);
        const anew: Database = new Map();
        flushInto(scratch, anew);
        expect(contentOf(database)).toEqual(contentOf(anew));
        for (const [owner, bundle] of anew) expect(graph.bundleOf(owner)?.rows, owner).toEqual(bundle.rows);
      },
    ),
    { numRuns: 300 },
  );
});
