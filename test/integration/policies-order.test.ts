import {
  createEngine,
  type Engine,
  managedTables,
  type NamespaceRecord,
  type NodeRecord,
  type PodRecord,
  type PolicyRecord,
  parseNetworkConfig,
  replicaSpec,
  type StateEvent,
} from "@ovenbird/controller";
import type { ReflectorEvent } from "@ovenbird/kube";
import fc from "fast-check";
import { createClient, type Replica, type UntypedModel } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { Subject } from "rxjs";
import { expect, it } from "vitest";
import { createAclEvaluator, type Row } from "../policies/acl-evaluator.ts";
import { anyStep } from "../policies/generate.ts";
import { sceneNamespaces, scenePods } from "../policies/scene.ts";
import { ChangingTown, type Kind, kinds } from "./changing-town.ts";
import { northboundSchema } from "./northbound-rows.ts";

/**
 * No moment unprotected: what policies forbid before a change and after it, they forbid after each transaction of it. Transactions are
 * as small as can be here, so that what usually comes at once comes one by one.
 */

const parsed = parseNetworkConfig({ clusterCidr: "10.244.0.0/16,fd00:10:244::/48", nodePrefix: "24,64" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed));
const { network } = parsed;

interface Running {
  readonly engine: Engine;
  readonly replica: Replica<UntypedModel>;
  /** Delivers what is pending. */
  deliver(town: ChangingTown): void;
  stop(): Promise<void>;
}

type AnyEvent = ReflectorEvent<NonNullable<StateEvent["object"]>>;

async function start(server: OvsdbServer, town: ChangingTown): Promise<Running> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const replica = await client.replicate(replicaSpec(managedTables(client.schema)));
  const lock = client.lock("ovenbird", { steal: true });
  await lock.acquired();
  const subjects = Object.fromEntries(kinds.map((kind) => [kind, new Subject<AnyEvent>()])) as Record<
    Kind,
    Subject<AnyEvent>
  >;
  const engine = createEngine({
    network,
    client,
    replica,
    lock,
    applier: { maxGroupOwners: 1 },
    sources: {
      nodes: subjects.node as unknown as Subject<ReflectorEvent<NodeRecord>>,
      namespaces: subjects.namespace as unknown as Subject<ReflectorEvent<NamespaceRecord>>,
      pods: subjects.pod as unknown as Subject<ReflectorEvent<PodRecord>>,
      policies: subjects.policy as unknown as Subject<ReflectorEvent<PolicyRecord>>,
    },
  });
  const send = (event: StateEvent): void => {
    const { kind, key, object } = event;
    const subject = subjects[kind as Kind];
    subject.next((object === undefined ? { kind: "delete", key } : { kind: "upsert", key, object }) as AnyEvent);
  };
  for (const kind of kinds) town.pending[kind].length = 0;
  for (const event of town.everything()) send(event);
  for (const kind of kinds) subjects[kind].next({ kind: "synced" });
  return {
    engine,
    replica,
    deliver({ pending }) {
      for (const kind of kinds) for (const event of pending[kind].splice(0)) send(event);
    },
    async stop() {
      await engine.close();
      await client.close();
    },
  };
}

const tables = ["Logical_Switch", "Logical_Switch_Port", "Port_Group", "Address_Set", "ACL"];

function rowsOf(replica: Replica<UntypedModel>): Row[] {
  return tables.flatMap((table) =>
    [...replica.table(table).values()].map((row) => ({
      table,
      uuid: row._uuid,
      owner: (row.external_ids as ReadonlyMap<string, string>).get("ovenbird.io/owner") ?? "",
      columns: { ...row },
    })),
  );
}

const asked = [
  { protocol: "tcp", port: 8080 },
  { protocol: "tcp", port: 9090 },
  { protocol: "udp", port: 8081 },
] as const;

/** Which connections between pods can be made; those only whose both ends are there. */
function verdicts(replica: Replica<UntypedModel>): Map<string, boolean> {
  const evaluator = createAclEvaluator(rowsOf(replica));
  const ends = [...replica.table("Logical_Switch_Port").values()].flatMap((row) => {
    const uid = (row.options as ReadonlyMap<string, string>).get("iface-id-ver");
    if (uid === undefined) return [];
    const [address = ""] = [...(row.addresses as ReadonlySet<string>)];
    return { port: String(row.name), address: address.split(" ")[1] ?? "", uid };
  });
  const found = new Map<string, boolean>();
  for (const from of ends) {
    for (const to of ends) {
      if (from === to) continue;
      for (const { protocol, port } of asked) {
        const { allowed } = evaluator.judge({ from, to, protocol, port });
        found.set(`${from.port} ${from.uid} to ${to.port} ${to.uid} ${protocol} ${port}`, allowed);
      }
    }
  }
  return found;
}

/** What is let through in between although it is forbidden before, or wasn't there, and afterwards. */
function leaks(
  before: ReadonlyMap<string, boolean>,
  between: readonly ReadonlyMap<string, boolean>[],
  after: ReadonlyMap<string, boolean>,
): string[] {
  const found: string[] = [];
  for (const [position, verdict] of between.entries()) {
    for (const [connection, allowed] of verdict) {
      if (!allowed || before.get(connection) === true || after.get(connection) !== false) continue;
      found.push(`${connection} after transaction ${position + 1} of ${between.length}`);
    }
  }
  return found;
}

interface Change {
  readonly act: (town: ChangingTown) => void;
  [fc.toStringMethod](): string;
}

const change = (text: string, act: Change["act"]): Change => ({ act, [fc.toStringMethod]: () => text });

const anyPolicy = anyStep
  .filter(({ kind }) => kind === "policy")
  .map((step) => {
    if (step.kind !== "policy") throw new Error("filtered");
    return step.policy;
  });

function removePolicy(town: ChangingTown, place: number): void {
  const id = [...town.policies.keys()][place % Math.max(1, town.policies.size)];
  if (id === undefined) return;
  town.policies.delete(id);
  town.touch("policy", id);
}

const ownPods = scenePods.filter(({ hostNetwork }) => hostNetwork !== true);

const anyChange: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: anyPolicy.map((policy) => change(`policy ${JSON.stringify(policy)}`, (town) => town.setPolicy(policy))),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.nat(9), anyPolicy).map(([place, policy]) =>
      change(`policy ${place} goes and comes as ${JSON.stringify(policy)}`, (town) => {
        removePolicy(town, place);
        town.setPolicy(policy);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(9).map((place) => change(`policy ${place} goes`, (town) => removePolicy(town, place))),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...ownPods), fc.constantFrom("web", "db", "api", "bot")).map(([{ key }, app]) =>
      change(`pod ${key} is ${app}`, (town) => {
        const pod = town.pods.get(key);
        if (pod === undefined) return;
        town.pods.set(key, { ...pod, labels: { app } });
        town.touch("pod", key);
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...Object.keys(sceneNamespaces)), fc.constantFrom("red", "blue"))
      .map(([name, team]) =>
        change(`namespace ${name} is of team ${team}`, (town) => {
          town.namespaces.set(name, { labels: { team }, logged: undefined });
          town.touch("namespace", name);
        }),
      ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...ownPods), anyPolicy).map(([{ key }, policy]) =>
      change(`pod ${key} is replaced, and ${JSON.stringify(policy)} comes before`, (town) => {
        const pod = town.pods.get(key);
        if (pod === undefined) return;
        town.setPolicy(policy);
        town.pods.set(key, { ...pod, uid: town.uids++ });
        town.touch("pod", key);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...ownPods), fc.constantFrom(...ownPods)).map(([{ key }, { key: other }]) =>
      change(`pod ${key} goes and ${other} comes anew`, (town) => {
        const pod = town.pods.get(other);
        town.pods.delete(key);
        town.touch("pod", key);
        if (pod === undefined || other === key) return;
        town.pods.set(other, { ...pod, uid: town.uids++ });
        town.touch("pod", other);
      }),
    ),
  },
);

function newTown(): ChangingTown {
  const town = new ChangingTown();
  for (const [position, name] of ["node1", "node2"].entries()) {
    town.nodes.set(name, { labels: { rack: position === 0 ? "a" : "b" }, addresses: [`172.18.0.${11 + position}`] });
  }
  for (const [name, labels] of Object.entries(sceneNamespaces))
    town.namespaces.set(name, { labels, logged: undefined });
  for (const { key, node } of ownPods) {
    town.pods.set(key, { uid: town.uids++, node, phase: "Running", hostNetwork: false, labels: undefined });
  }
  return town;
}

it("a pod is never open for a moment to what policies forbid before and after it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyPolicy, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(anyChange, fc.boolean()), { minLength: 1, maxLength: 4 }),
      async (policies, changes) => {
        const server = await startOvsdbServer({ schemaFile: northboundSchema });
        const town = newTown();
        for (const policy of policies) town.setPolicy(policy);
        let running = await start(server, town);
        try {
          await running.engine.idle();
          for (const [{ act }, restarts] of changes) {
            const before = verdicts(running.replica);
            const between: Map<string, boolean>[] = [];
            act(town);
            // What a namespace's labels change is one transaction only where it is known that they changed.
            const isRelabelled = town.pending.namespace.length > 0;
            if (restarts && !isRelabelled) {
              await running.stop();
              running = await start(server, town);
            }
            const faults: unknown[] = [];
            const stop = running.replica.subscribe(() => {
              try {
                between.push(verdicts(running.replica));
              } catch (error) {
                faults.push(error);
              }
            });
            running.deliver(town);
            await running.engine.idle();
            stop();
            expect(faults).toEqual([]);
            expect(leaks(before, between, verdicts(running.replica))).toEqual([]);
          }
        } finally {
          await running.stop();
          await server.stop();
        }
      },
    ),
    { numRuns: 30 },
  );
});
