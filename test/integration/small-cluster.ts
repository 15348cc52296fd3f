import {
  createEngine,
  createGraph,
  createIpam,
  type Engine,
  type EngineListener,
  managedTables,
  type NamespaceRecord,
  type NodeRecord,
  type ObjectProblem,
  ownerKey,
  type PodRecord,
  parseNetworkConfig,
  projectNamespace,
  projectNode,
  projectPod,
  replicaSpec,
} from "@ovenbird/controller";
import type { ReflectorEvent } from "@ovenbird/kube";
import {
  type Client,
  createClient,
  type Lock,
  type Replica,
  type UntypedModel,
  type UntypedRow,
} from "ovsdb-client-ts";
import { Subject } from "rxjs";

export const northboundSchema = "/usr/share/ovn/ovn-nb.ovsschema";

/** Blocks of eight addresses, so that they run out. */
const parsed = parseNetworkConfig({ clusterCidr: "10.1.0.0/24,fd01::/112", nodePrefix: "29,120" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
export const network = parsed.network;

export type Kind = "node" | "namespace" | "pod";
type AnyRecord = NodeRecord | NamespaceRecord | PodRecord;
type AnyEvent = ReflectorEvent<AnyRecord>;

interface SmallPod {
  readonly uid: string;
  readonly nodeName: string | undefined;
  readonly phase: string;
  readonly hostNetwork: boolean;
  annotation: string | undefined;
}

interface SmallNode {
  readonly uid: string;
  readonly gateway: boolean;
  annotation: string | undefined;
}

/** The cluster as the API server would have it, and the events that the watch has yet to deliver, per kind in order. */
export interface SmallCluster {
  readonly pending: Readonly<Record<Kind, AnyEvent[]>>;
  setNode(name: string, gateway: boolean): void;
  deleteNode(name: string): void;
  setNamespace(name: string): void;
  deleteNamespace(name: string): void;
  /** Creates the pod, or changes the one that is there when `sameUid`. */
  setPod(
    key: string,
    pod: { nodeName: string | undefined; phase?: string; hostNetwork?: boolean },
    sameUid?: boolean,
  ): void;
  deletePod(key: string): void;
  annotate(kind: "pod" | "node", key: string, uid: string, text: string): void;
  /** Everything as it is now. */
  records(): { nodes: NodeRecord[]; namespaces: NamespaceRecord[]; pods: PodRecord[] };
  /** Tells the watch about an object again, though nothing changed. */
  repeat(kind: Kind, key: string): void;
}

export function createSmallCluster(): SmallCluster {
  const nodes = new Map<string, SmallNode>();
  const namespaces = new Set<string>();
  const pods = new Map<string, SmallPod>();
  const pending: Record<Kind, AnyEvent[]> = { node: [], namespace: [], pod: [] };
  let uids = 0;
  const nextUid = (): string => {
    uids += 1;
    return `uid-${uids}`;
  };

  function nodeRecord(name: string, { uid, gateway, annotation }: SmallNode): NodeRecord {
    const last = name.charCodeAt(0);
    const chassis = {
      systemId: `chassis-${name}`,
      gateway: {
        mac: "02:00:00:00:00:01",
        addresses: [`192.168.0.${last}/24`, `fc00::${last}/64`],
        nextHops: ["192.168.0.1", "fc00::1"],
        physicalNetwork: "physnet",
      },
    };
    const annotations = {
      ...(gateway ? { "ovenbird.io/chassis": JSON.stringify(chassis) } : {}),
      ...(annotation === undefined ? {} : { "ovenbird.io/node-network": annotation }),
    };
    const status = { addresses: [{ type: "InternalIP", address: `192.168.0.${last}` }] };
    return projectNode({ metadata: { name, uid, annotations }, status });
  }

  function podRecord(key: string, { uid, nodeName, phase, hostNetwork, annotation }: SmallPod): PodRecord {
    const [namespace, name] = key.split("/");
    const annotations = annotation === undefined ? {} : { "ovenbird.io/network": annotation };
    return projectPod({
      metadata: { namespace, name, uid, annotations },
      spec: { nodeName, hostNetwork },
      status: { phase },
    });
  }

  const namespaceRecord = (name: string): NamespaceRecord => projectNamespace({ metadata: { name, uid: name } });

  function tell(kind: Kind, key: string): void {
    const node = nodes.get(key);
    const pod = pods.get(key);
    const object =
      kind === "node"
        ? node && nodeRecord(key, node)
        : kind === "pod"
          ? pod && podRecord(key, pod)
          : namespaces.has(key)
            ? namespaceRecord(key)
            : undefined;
    if (object !== undefined) pending[kind].push({ kind: "upsert", key, object });
    else pending[kind].push({ kind: "delete", key, object: { key } as AnyRecord });
  }

  return {
    pending,
    setNode(name, gateway) {
      const before = nodes.get(name);
      nodes.set(name, { uid: before?.uid ?? nextUid(), gateway, annotation: before?.annotation });
      tell("node", name);
    },
    deleteNode(name) {
      if (nodes.delete(name)) tell("node", name);
    },
    setNamespace(name) {
      namespaces.add(name);
      tell("namespace", name);
    },
    deleteNamespace(name) {
      if (namespaces.delete(name)) tell("namespace", name);
    },
    setPod(key, { nodeName, phase = "Pending", hostNetwork = false }, sameUid = false) {
      const before = pods.get(key);
      const kept = sameUid && before !== undefined ? before : undefined;
      pods.set(key, {
        uid: kept?.uid ?? nextUid(),
        // A pod that was scheduled stays where it is.
        nodeName: kept?.nodeName ?? nodeName,
        phase,
        hostNetwork: kept?.hostNetwork ?? hostNetwork,
        annotation: kept?.annotation,
      });
      tell("pod", key);
    },
    deletePod(key) {
      if (pods.delete(key)) tell("pod", key);
    },
    annotate(kind, key, uid, text) {
      const object = (kind === "pod" ? pods : nodes).get(key);
      if (object === undefined || object.uid !== uid) return;
      object.annotation = text;
      tell(kind, key);
    },
    records: () => ({
      nodes: [...nodes].map(([name, node]) => nodeRecord(name, node)),
      namespaces: [...namespaces].map(namespaceRecord),
      pods: [...pods].map(([key, pod]) => podRecord(key, pod)),
    }),
    repeat: tell,
  };
}

/** Where the northbound database is. */
export interface Database {
  readonly endpoint: string;
}

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
  stop(): Promise<void>;
}

export async function startSmallEngine(
  server: Database,
  cluster: SmallCluster,
  options: {
    readonly listener?: EngineListener;
    /** Kinds whose first list is not complete yet. */
    readonly unsynced?: readonly Kind[];
  } = {},
): Promise<RunningEngine> {
  const client = createClient<UntypedModel>({
    endpoints: server.endpoint,
    database: "OVN_Northbound",
    backoff: { minMs: 10, maxMs: 200 },
  });
  await client.ready();
  const replica = await client.replicate(replicaSpec(managedTables(client.schema)));
  const lock = client.lock("ovenbird", { steal: true });
  const subjects: Record<Kind, Subject<AnyEvent>> = {
    node: new Subject(),
    namespace: new Subject(),
    pod: new Subject(),
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
    sources: {
      nodes: subjects.node as unknown as Subject<ReflectorEvent<NodeRecord>>,
      namespaces: subjects.namespace as unknown as Subject<ReflectorEvent<NamespaceRecord>>,
      pods: subjects.pod as unknown as Subject<ReflectorEvent<PodRecord>>,
    },
    listener: {
      operation: (table, kind) => operations.push(`${kind} ${table}`),
      drift: (owner, found) => drifts.push(...found.map(({ table, what }) => `${owner}: ${table} ${what}`)),
      objectProblem: (problem) => problems.push(problem),
      chassis: (systemId, state) => chassis.push(`${systemId} ${state}`),
      announce(kind, key) {
        const wanted = kind === "pod" ? engine.podAnnouncement(key) : engine.nodeAnnouncement(key);
        if (wanted !== undefined) cluster.annotate(kind, key, wanted.uid, wanted.text);
      },
      ...options.listener,
    },
  });
  // A fresh list: what was pending is in it.
  const { nodes, namespaces, pods } = cluster.records();
  for (const kind of ["node", "namespace", "pod"] as const) cluster.pending[kind].length = 0;
  for (const object of nodes) subjects.node.next({ kind: "upsert", key: object.key, object });
  for (const object of namespaces) subjects.namespace.next({ kind: "upsert", key: object.key, object });
  for (const object of pods) subjects.pod.next({ kind: "upsert", key: object.key, object });
  for (const kind of ["pod", "namespace", "node"] as const) {
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
      for (const kind of ["node", "namespace", "pod"] as const) {
        for (const event of from.pending[kind].splice(0, count)) subjects[kind].next(event);
      }
    },
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

/** A row as text-like values that compare: sets sorted, maps as objects; without the server's own columns. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const iterable = [...(value as Iterable<unknown>)];
  const isMap = typeof (value as { get?: unknown }).get === "function";
  return isMap ? Object.fromEntries([...(value as Map<string, unknown>)].sort()) : iterable.sort();
}

export type PlainRow = Readonly<Record<string, unknown>>;

function plainRow(row: UntypedRow, columns: Iterable<string>): PlainRow {
  return Object.fromEntries([...columns].map((column) => [column, plain(row[column])]));
}

const isOurs = (row: UntypedRow): boolean =>
  (row.external_ids as ReadonlyMap<string, string> | undefined)?.has?.(ownerKey) ?? false;

/** Every row as the server has it, by table and uuid, read anew over a connection of its own. */
export async function readNorthbound(
  server: Database,
): Promise<{ ours: Record<string, PlainRow>; foreign: Record<string, PlainRow> }> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const tables = managedTables(client.schema);
  const replica = await client.replicate(replicaSpec(tables));
  const ours: Record<string, PlainRow> = {};
  const foreign: Record<string, PlainRow> = {};
  for (const table of tables.values()) {
    for (const row of replica.table(table.name).values()) {
      (isOurs(row) ? ours : foreign)[`${table.name} ${row._uuid}`] = plainRow(row, table.columns.keys());
    }
  }
  await client.close();
  return { ours, foreign };
}

/**
 * What a controller that has never run before would have in the database, given the cluster and the addresses that the
 * database and the annotations say are held: every row from scratch, without applier or replica.
 */
export async function fromScratch(server: Database, cluster: SmallCluster): Promise<Record<string, PlainRow>> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const tables = managedTables(client.schema);
  const replica = await client.replicate(replicaSpec(tables));
  const { nodes, namespaces, pods } = cluster.records();
  const ipam = createIpam(network);
  ipam.restore({
    rows: [...replica.table("Logical_Switch_Port").values()].filter(isOurs).map((row) => ({
      owner: (row.external_ids as ReadonlyMap<string, string>).get(ownerKey) ?? "",
      addresses: [...(row.addresses as ReadonlySet<string>)],
      uid: (row.options as ReadonlyMap<string, string>).get("iface-id-ver"),
    })),
    nodes,
    pods,
  });
  const graph = createGraph({ network, ipam, report: () => {} });
  for (const object of pods) graph.apply({ kind: "pod", change: "upsert", key: object.key, object });
  for (const object of namespaces) graph.apply({ kind: "namespace", change: "upsert", key: object.key, object });
  for (const object of nodes) graph.apply({ kind: "node", change: "upsert", key: object.key, object });
  const bundles = graph.flush().flatMap(({ bundle }) => bundle ?? []);
  const rows: Record<string, Record<string, unknown>> = {};
  for (const { table, uuid, owner, columns } of bundles.flatMap((bundle) => bundle.rows)) {
    const row: Record<string, unknown> = {};
    for (const [column, kind] of tables.get(table)?.columns ?? []) {
      const wanted = columns[column];
      const empty = kind === "set" ? [] : kind === "map" ? {} : defaults(client, table, column);
      row[column] = kind === "set" ? [...((wanted as readonly unknown[] | undefined) ?? [])].sort() : (wanted ?? empty);
    }
    row.external_ids = { ...(row.external_ids as object), [ownerKey]: owner };
    rows[`${table} ${uuid}`] = row;
  }
  for (const { table, row, column, member } of bundles.flatMap((bundle) => bundle.memberships)) {
    const members = rows[`${table} ${row}`]?.[column] as string[] | undefined;
    members?.push(member);
    members?.sort();
  }
  await client.close();
  return rows;
}

/** What the server gives a scalar or optional column that nobody wrote (RFC 7047 section 5.2.1). */
function defaults(client: Client<UntypedModel>, table: string, column: string): unknown {
  const type = client.schema.tables[table]?.columns[column];
  if (type === undefined || type.min === 0) return undefined;
  return { integer: 0, real: 0, boolean: false, string: "", uuid: "00000000-0000-0000-0000-000000000000" }[
    type.key.type
  ];
}

/** Rows of somebody else, of the kinds that ours are of. */
export async function addForeignRows(server: Database): Promise<void> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const port = "11111111-1111-4111-8111-111111111111";
  const routerPort = "22222222-2222-4222-8222-222222222222";
  await client
    .transaction()
    .insert("Logical_Switch_Port", { name: "their-port", external_ids: { owner: "them" } }, port)
    .insert("Logical_Switch", { name: "a", ports: [port], other_config: { subnet: "10.9.0.0/24" } })
    .insert(
      "Logical_Router_Port",
      { name: "their-router-port", mac: "02:00:00:00:00:09", networks: ["10.9.0.1/24"] },
      routerPort,
    )
    .insert("Logical_Router", { name: "default", ports: [routerPort], options: { chassis: "theirs" } })
    .insert("Address_Set", { name: "theirs", addresses: ["10.9.0.9"], external_ids: { owner: "them" } })
    .insert("Port_Group", { name: "theirs", ports: [port] })
    .commit();
  await client.close();
}
