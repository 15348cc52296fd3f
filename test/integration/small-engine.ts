import {
  createEngine,
  type EndpointSliceRecord,
  type Engine,
  type EngineListener,
  managedTables,
  type NamespaceRecord,
  type NodeRecord,
  type ObjectProblem,
  type PodRecord,
  replicaSpec,
  type ServiceRecord,
} from "@ovenbird/controller";
import type { ReflectorEvent } from "@ovenbird/kube";
import { type Client, createClient, type Lock, type Replica, type UntypedModel } from "ovsdb-client-ts";
import { Subject } from "rxjs";
import type { IpPoolRecord } from "../../controller/state/ip-pool.ts";
import type { SubnetRecord } from "../../controller/state/subnet.ts";
import type { TenantRecord } from "../../controller/state/tenant.ts";
import type { Database } from "./northbound-rows.ts";
import { type AnyEvent, type Kind, kinds, network, type SmallCluster } from "./small-cluster.ts";

/** A controller's engine on a real northbound server, fed from a {@link SmallCluster}. */
export interface RunningEngine {
  readonly engine: Engine;
  readonly client: Client<UntypedModel>;
  readonly replica: Replica<UntypedModel>;
  readonly lock: Lock;
  readonly operations: string[];
  readonly drifts: string[];
  readonly problems: ObjectProblem[];
  readonly chassis: string[];
  /** Delivers so many of the pending events of each kind. */
  deliver(cluster: SmallCluster, count?: number): void;
  /** The first list of a kind that was `unsynced` is complete. */
  sync(kind: Kind): void;
  stop(): Promise<void>;
}

export async function startSmallEngine(
  server: Database,
  cluster: SmallCluster,
  options: {
    readonly listener?: EngineListener;
    /** Kinds whose first list is not complete yet. */
    readonly unsynced?: readonly Kind[];
    /** Whether the lock is taken from whoever has it, as a new leader does; default true. */
    readonly stealsLock?: boolean;
    readonly maxGroupOwners?: number;
  } = {},
): Promise<RunningEngine> {
  const client = createClient<UntypedModel>({
    endpoints: server.endpoint,
    database: "OVN_Northbound",
    backoff: { minMs: 10, maxMs: 200 },
  });
  await client.ready();
  const replica = await client.replicate(replicaSpec(managedTables(client.schema)));
  const lock = client.lock("ovenbird", { steal: options.stealsLock ?? true });
  const subjects: Record<Kind, Subject<AnyEvent>> = {
    node: new Subject(),
    namespace: new Subject(),
    pod: new Subject(),
    service: new Subject(),
    endpointSlice: new Subject(),
    tenant: new Subject(),
    subnet: new Subject(),
    ipPool: new Subject(),
  };
  const operations: string[] = [];
  const drifts: string[] = [];
  const problems: ObjectProblem[] = [];
  const chassis: string[] = [];
  const engine: Engine = createEngine({
    network,
    client,
    replica,
    lock,
    ...(options.maxGroupOwners === undefined ? {} : { applier: { maxGroupOwners: options.maxGroupOwners } }),
    sources: {
      nodes: subjects.node as unknown as Subject<ReflectorEvent<NodeRecord>>,
      namespaces: subjects.namespace as unknown as Subject<ReflectorEvent<NamespaceRecord>>,
      pods: subjects.pod as unknown as Subject<ReflectorEvent<PodRecord>>,
      services: subjects.service as unknown as Subject<ReflectorEvent<ServiceRecord>>,
      endpointSlices: subjects.endpointSlice as unknown as Subject<ReflectorEvent<EndpointSliceRecord>>,
      tenants: subjects.tenant as unknown as Subject<ReflectorEvent<TenantRecord>>,
      subnets: subjects.subnet as unknown as Subject<ReflectorEvent<SubnetRecord>>,
      ipPools: subjects.ipPool as unknown as Subject<ReflectorEvent<IpPoolRecord>>,
    },
    listener: {
      operation: (table, kind) => operations.push(`${kind} ${table}`),
      drift: (owner, found) => drifts.push(...found.map(({ table, what }) => `${owner}: ${table} ${what}`)),
      objectProblem: (problem) => problems.push(problem),
      chassis: (systemId, state) => chassis.push(`${systemId} ${state}`),
      announce(kind, key) {
        if (kind === "refusal") return;
        const wanted = kind === "pod" ? engine.podAnnouncement(key) : engine.nodeAnnouncement(key);
        if (wanted?.text !== undefined) cluster.annotate(kind, key, wanted.uid, wanted.text);
      },
      ...options.listener,
    },
  });
  // A fresh list: what was pending is in it.
  const { nodes, namespaces, pods, services, endpointSlices, own } = cluster.records();
  for (const kind of kinds) cluster.pending[kind].length = 0;
  for (const object of nodes) subjects.node.next({ kind: "upsert", key: object.key, object });
  for (const object of namespaces) subjects.namespace.next({ kind: "upsert", key: object.key, object });
  for (const { kind, object } of own) subjects[kind].next({ kind: "upsert", key: object.key, object });
  for (const object of pods) subjects.pod.next({ kind: "upsert", key: object.key, object });
  for (const object of services) subjects.service.next({ kind: "upsert", key: object.key, object });
  for (const object of endpointSlices) subjects.endpointSlice.next({ kind: "upsert", key: object.key, object });
  for (const kind of kinds.toReversed()) {
    if (options.unsynced?.includes(kind) !== true) subjects[kind].next({ kind: "synced" });
  }
  return {
    engine,
    client,
    replica,
    lock,
    operations,
    drifts,
    problems,
    chassis,
    deliver(from, count = Number.POSITIVE_INFINITY) {
      for (const kind of kinds) {
        for (const event of from.pending[kind].splice(0, count)) subjects[kind].next(event);
      }
    },
    sync: (kind) => subjects[kind].next({ kind: "synced" }),
    async stop() {
      await engine.close();
      await client.close();
    },
  };
}

/** Delivers everything, and what comes back as annotations, until nothing moves any more. */
export async function settle(running: RunningEngine, cluster: SmallCluster): Promise<void> {
  do {
    running.deliver(cluster);
    await running.engine.idle();
  } while (Object.values(cluster.pending).some((events) => events.length > 0));
}
