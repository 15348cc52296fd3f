import { setImmediate as nextTurn } from "node:timers/promises";
import type { ReflectorEvent } from "@ovenbird/kube";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { Subject } from "rxjs";
import { type BenchEngine, startBenchEngine } from "./bench-engine.ts";
import { collectGarbage, percentile, rawNode, upsert } from "./bench-tools.ts";
import { type NamespaceRecord, projectNamespace } from "./state/namespace.ts";
import { projectNetworkPolicy } from "./state/network-policy.ts";
import { type NodeRecord, projectNode } from "./state/node.ts";
import { type PodRecord, projectPod } from "./state/pod.ts";
import { type PolicyRecord, policyId } from "./state/policy.ts";

export interface PolicyBenchOptions {
  readonly pods?: number;
  readonly namespaces?: number;
  readonly nodes?: number;
  readonly schemaFile?: string;
}

export interface PolicyFigures {
  readonly pods: number;
  readonly namespaces: number;
  readonly policies: number;
  readonly nodes: number;
  /** From the first watch event of policies and pods to the last commit. */
  readonly load: {
    readonly wallMs: number;
    readonly cpuMs: number;
    readonly transactions: number;
    readonly rows: Readonly<Record<string, number>>;
  };
  /** Of the controller, for each pod more, with all its memberships. */
  readonly heapBytesPerPod: number;
  readonly heapBytesPerPolicy: number;
  /** A pod more, from watch event to commit. */
  readonly podAdded: {
    readonly p50Ms: number;
    readonly p99Ms: number;
    /** By kind and table, for each pod. */
    readonly operations: Readonly<Record<string, number>>;
    /** The most members that any set of the database won or lost with one pod. */
    readonly mostMembersChanged: number;
  };
  readonly podRelabelled: PolicyFigures["podAdded"];
  /** One more over selectors that others use. */
  readonly policyAdded: {
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly operations: Readonly<Record<string, number>>;
  };
  readonly restart: { readonly readyMs: number; readonly operations: number };
}

const perTurn = 100;
const apps = ["web", "api", "db", "queue"] as const;

const namespaceName = (index: number): string => `team-${index}`;

function namespace(index: number): NamespaceRecord {
  return projectNamespace({
    metadata: { name: namespaceName(index), uid: `ns-${index}`, labels: { team: `t${index % 50}`, env: "prod" } },
  });
}

/** Pods of a namespace are of four workloads; each names its port. */
function pod(index: number, { namespaces, nodes }: Required<PolicyBenchOptions>, tier = "front"): PodRecord {
  const app = apps[Math.floor(index / namespaces) % apps.length] ?? "web";
  return projectPod({
    metadata: {
      namespace: namespaceName(index % namespaces),
      name: `${app}-5d4f8c7b9-${index.toString(36).padStart(5, "0")}`,
      uid: `${index.toString(16).padStart(8, "0")}-1111-4222-8333-444444444444`,
      labels: { app, tier, "pod-template-hash": "5d4f8c7b9" },
      annotations: {},
    },
    spec: {
      nodeName: `node-${index % nodes}`,
      containers: [{ name: "main", image: "main", ports: [{ name: "http", containerPort: 8080 }] }],
    },
    status: { phase: "Pending" },
  });
}

const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });
const tcp = (port: number | string) => ({ protocol: "TCP", port });
const resolvers = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "team-0" } },
  podSelector: { matchLabels: { app: "queue" } },
};

/** What a team writes: nothing but what is needed. */
const specs: readonly (readonly [name: string, spec: (team: string) => object])[] = [
  ["deny", () => ({ podSelector: {}, policyTypes: ["Ingress", "Egress"] })],
  [
    "resolve",
    () => ({
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{ to: [resolvers], ports: [{ protocol: "UDP", port: 53 }, tcp(53)] }],
    }),
  ],
  ["web", () => ({ ...app("web"), ingress: [{ from: [{ namespaceSelector: {} }], ports: [tcp("http")] }] })],
  ["api", () => ({ ...app("api"), ingress: [{ from: [app("web")], ports: [tcp(8080)] }] })],
  ["db", () => ({ ...app("db"), ingress: [{ from: [app("api"), app("queue")], ports: [tcp(5432)] }] })],
  ["queue", () => ({ ...app("queue"), ingress: [{ from: [app("api")], ports: [{ ...tcp(9000), endPort: 9010 }] }] })],
  ["web-out", () => ({ ...app("web"), policyTypes: ["Egress"], egress: [{ to: [app("api")], ports: [tcp(8080)] }] })],
  [
    "api-out",
    () => ({
      ...app("api"),
      policyTypes: ["Egress"],
      egress: [{ to: [app("db")], ports: [tcp(5432)] }, { to: [app("queue")] }],
    }),
  ],
  [
    "outside",
    (team) => ({
      podSelector: { matchLabels: { tier: "front" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8", `192.168.${team}.0/24`] } }] }],
    }),
  ],
  [
    "neighbours",
    (team) => ({
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: `t${Number(team) % 50}` } } }] }],
    }),
  ],
];

function policy(namespaceIndex: number, position: number, name?: string): PolicyRecord {
  const [ownName, spec] = specs[position] ?? ["none", () => ({})];
  const team = namespaceName(namespaceIndex);
  return projectNetworkPolicy({
    metadata: {
      namespace: team,
      name: name ?? ownName,
      uid: `policy-${namespaceIndex}-${name ?? ownName}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: spec(String(namespaceIndex % 250)),
  });
}

const policyEvent = (object: PolicyRecord): ReflectorEvent<PolicyRecord> => ({
  kind: "upsert",
  key: policyId(object),
  object,
});

interface Sources {
  readonly nodes: Subject<ReflectorEvent<NodeRecord>>;
  readonly namespaces: Subject<ReflectorEvent<NamespaceRecord>>;
  readonly pods: Subject<ReflectorEvent<PodRecord>>;
  readonly policies: Subject<ReflectorEvent<PolicyRecord>>;
}

type Running = BenchEngine<Sources>;

function start(server: OvsdbServer): Promise<Running> {
  return startBenchEngine(server, {
    nodes: new Subject(),
    namespaces: new Subject(),
    pods: new Subject(),
    policies: new Subject(),
  });
}

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

interface Measured {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly operations: Readonly<Record<string, number>>;
  readonly mostMembersChanged: number;
}

/** From event to commit, one after another; and what it took. */
async function measureChanges(
  running: Running,
  count: number,
  change: (number: number) => { readonly owner: string; readonly emit: () => void },
): Promise<Measured> {
  const latencies: number[] = [];
  const warmUp = 20;
  let mostMembersChanged = 0;
  const stop = running.replica.subscribe((changes) => {
    for (const each of changes) {
      if (each.kind !== "modify") continue;
      for (const column of Object.values(each.changed)) {
        const { added = [], removed = [] } = column as { added?: readonly unknown[]; removed?: readonly unknown[] };
        mostMembersChanged = Math.max(mostMembersChanged, added.length, removed.length);
      }
    }
  });
  for (let number = -warmUp; number < count; number++) {
    if (number === 0) {
      running.operations.clear();
      mostMembersChanged = 0;
    }
    const { owner, emit } = change(number + warmUp);
    const committed = new Promise<void>((resolve) => {
      running.onCommitted = (who) => {
        if (who === owner) resolve();
      };
    });
    const startedAt = performance.now();
    emit();
    await committed;
    if (number >= 0) latencies.push(performance.now() - startedAt);
    await running.engine.idle();
  }
  stop();
  running.onCommitted = undefined;
  latencies.sort((a, b) => a - b);
  return {
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    operations: Object.fromEntries([...running.operations].map(([name, times]) => [name, times / count])),
    mostMembersChanged,
  };
}

/** Measures policies from watch events to northbound commits on a real standalone server. */
export async function benchPolicies(options: PolicyBenchOptions = {}): Promise<PolicyFigures> {
  const { pods = 10_000, namespaces = 500, nodes = 100, schemaFile = "/usr/share/ovn/ovn-nb.ovsschema" } = options;
  const size = { pods, namespaces, nodes, schemaFile };
  const server = await startOvsdbServer({ schemaFile });
  try {
    const first = await start(server);
    for (let index = 0; index < nodes; index++) first.sources.nodes.next(upsert(projectNode(rawNode(index))));
    for (let index = 0; index < namespaces; index++) first.sources.namespaces.next(upsert(namespace(index)));
    for (const source of Object.values(first.sources)) source.next({ kind: "synced" });
    await first.engine.idle();

    first.transactions = 0;
    first.operations.clear();
    const heapEmpty = heapBytes();
    const cpuBefore = process.cpuUsage();
    const began = performance.now();
    for (let index = 0; index < namespaces; index++) {
      for (let position = 0; position < specs.length; position++) {
        first.sources.policies.next(policyEvent(policy(index, position)));
      }
      if (index % 10 === 9) await nextTurn();
    }
    await first.engine.idle();
    const policiesMs = performance.now() - began;
    const heapWithPolicies = heapBytes();
    const emitPods = async (from: number, to: number): Promise<number> => {
      const begin = performance.now();
      for (let index = from; index < to; index++) {
        first.sources.pods.next(upsert(pod(index, size)));
        if (index % perTurn === perTurn - 1) await nextTurn();
      }
      await first.engine.idle();
      return performance.now() - begin;
    };
    // The first of each workload make named ports known, and with them rows of policies.
    const workloads = Math.min(pods / 2, namespaces * apps.length);
    const workloadsMs = await emitPods(0, workloads);
    const heapWithWorkloads = heapBytes();
    const wallMs = policiesMs + workloadsMs + (await emitPods(workloads, pods));
    const { user, system } = process.cpuUsage(cpuBefore);
    const heapWithPods = heapBytes();
    const load = {
      wallMs,
      cpuMs: (user + system) / 1000,
      transactions: first.transactions,
      rows: Object.fromEntries(
        ["Logical_Switch_Port", "Port_Group", "Address_Set", "ACL"].map((table) => [
          table,
          first.replica.table(table).size,
        ]),
      ),
    };

    const changes = 200;
    const podAdded = await measureChanges(first, changes, (number) => {
      const record = pod(pods + number, size);
      return { owner: `Pod/${record.key}`, emit: () => first.sources.pods.next(upsert(record)) };
    });
    const podRelabelled = await measureChanges(first, changes, (number) => {
      const record = pod(number * 37, size, "back");
      return { owner: `Pod/${record.key}`, emit: () => first.sources.pods.next(upsert(record)) };
    });
    const policyAdded = await measureChanges(first, changes, (number) => {
      const record = policy(number % namespaces, 3, "another");
      return { owner: policyId(record), emit: () => first.sources.policies.next(policyEvent(record)) };
    });
    await first.stop();

    const restartedAt = performance.now();
    const second = await start(server);
    for (let index = 0; index < nodes; index++) second.sources.nodes.next(upsert(projectNode(rawNode(index))));
    for (let index = 0; index < namespaces; index++) second.sources.namespaces.next(upsert(namespace(index)));
    const more = 220;
    for (let index = 0; index < namespaces; index++) {
      for (let position = 0; position < specs.length; position++) {
        second.sources.policies.next(policyEvent(policy(index, position)));
      }
    }
    for (let number = 0; number < more; number++) {
      second.sources.policies.next(policyEvent(policy(number % namespaces, 3, "another")));
    }
    const relabelled = new Set(Array.from({ length: more }, (_, number) => number * 37));
    for (let index = 0; index < pods + more; index++) {
      second.sources.pods.next(upsert(pod(index, size, relabelled.has(index) ? "back" : "front")));
    }
    for (const source of Object.values(second.sources)) source.next({ kind: "synced" });
    await second.engine.idle();
    const readyMs = performance.now() - restartedAt;
    const operations = [...second.operations.values()].reduce((sum, count) => sum + count, 0);
    await second.stop();
    return {
      ...{ pods, namespaces, nodes },
      policies: namespaces * specs.length,
      load,
      heapBytesPerPod: (heapWithPods - heapWithWorkloads) / (pods - workloads),
      heapBytesPerPolicy: (heapWithPolicies - heapEmpty) / (namespaces * specs.length),
      podAdded,
      podRelabelled,
      policyAdded,
      restart: { readyMs, operations },
    };
  } finally {
    await server.stop();
  }
}
