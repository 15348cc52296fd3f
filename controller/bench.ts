import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ReflectorEvent } from "@ovenbird/kube";
import { startOvsdbServer } from "ovsdb-client-ts/testing";
import { Subject } from "rxjs";
import { type BenchEngine, startBenchEngine } from "./bench-engine.ts";
import { collectGarbage, exchange, percentile, rawNode, upsert } from "./bench-tools.ts";
import type { Engine } from "./engine.ts";
import { type NamespaceRecord, projectNamespace } from "./state/namespace.ts";
import { type NodeRecord, projectNode } from "./state/node.ts";
import { type PodRecord, projectPod } from "./state/pod.ts";

export interface BenchOptions {
  /** Pairs to measure; default 1k/10, 10k/100 and 50k/100. */
  readonly scenarios?: readonly { readonly pods: number; readonly nodes: number }[];
  /** Path of the northbound schema. */
  readonly schemaFile?: string;
  readonly onProgress?: (text: string) => void;
}

export interface ScenarioFigures {
  readonly pods: number;
  readonly nodes: number;
  /** From watch events, as fast as they can be taken, to the last commit. */
  readonly throughput: {
    readonly podsPerSecond: number;
    readonly cpuMsPerPod: number;
    readonly transactions: number;
    readonly operations: number;
  };
  /** Of pods that come one after another on top of that, each when the one before is committed. */
  readonly single: { readonly p50Ms: number; readonly p99Ms: number };
  /** The same rows as prebuilt JSON in batches of 100 on a bare socket with the same monitor. */
  readonly rawPodsPerSecond: number;
  readonly ratioToRaw: number;
  readonly heapBytesPerPod: number;
  /** A new engine on what is there already. */
  readonly restart: { readonly readyMs: number; readonly operations: number };
}

export interface BenchFigures {
  readonly scenarios: readonly ScenarioFigures[];
}

/** Nodes are /22, so that 50k pods fit 100 nodes. */
const podsPerTurn = 100;
const rawBatch = 100;

interface Cluster {
  readonly nodes: Subject<ReflectorEvent<NodeRecord>>;
  readonly namespaces: Subject<ReflectorEvent<NamespaceRecord>>;
  readonly pods: Subject<ReflectorEvent<PodRecord>>;
  /** What a reflector would hold. */
  readonly records: Map<string, PodRecord>;
}

function createCluster(): Cluster {
  return { nodes: new Subject(), namespaces: new Subject(), pods: new Subject(), records: new Map() };
}

function rawPod(index: number, nodes: number): unknown {
  const uid = `${index.toString(16).padStart(8, "0")}-1111-4222-8333-444444444444`;
  return {
    metadata: {
      namespace: "bench",
      name: `deployment-5d4f8c7b9-${index.toString(36).padStart(5, "0")}`,
      uid,
      labels: { app: `app-${index % 100}`, "pod-template-hash": "5d4f8c7b9" },
      annotations: {},
    },
    spec: { nodeName: `node-${index % nodes}` },
    status: { phase: "Pending" },
  };
}

function operationsOf({ operations }: BenchEngine<Cluster>): number {
  return [...operations.values()].reduce((total, count) => total + count, 0);
}

function sync(cluster: Cluster, nodes: number): void {
  for (let index = 0; index < nodes; index++) cluster.nodes.next(upsert(projectNode(rawNode(index))));
  cluster.nodes.next({ kind: "synced" });
  cluster.namespaces.next(upsert(projectNamespace({ metadata: { name: "bench", uid: "bench" } })));
  cluster.namespaces.next({ kind: "synced" });
  cluster.pods.next({ kind: "synced" });
}

function emitPod({ pods, records }: Cluster, index: number, nodes: number): void {
  const record = projectPod(rawPod(index, nodes));
  records.set(record.key, record);
  pods.next(upsert(record));
}

/** What the server can take at most: the pods' rows as prebuilt JSON, one batch after the other. */
async function rawLimit(rows: readonly RawPod[], schemaFile: string): Promise<number> {
  const server = await startOvsdbServer({ schemaFile });
  const socket = connect(server.endpoint.replace(/^unix:/, ""));
  try {
    await once(socket, "connect");
    let id = 0;
    const send = (method: string, params: readonly unknown[]): Promise<void> => {
      id += 1;
      return exchange(socket, id, JSON.stringify({ id, method, params }));
    };
    const columns = (...names: readonly string[]): unknown => [{ columns: names }];
    await send("monitor_cond", [
      "OVN_Northbound",
      "bench",
      {
        Logical_Switch: columns("name", "ports", "external_ids"),
        Logical_Switch_Port: columns("name", "type", "options", "addresses", "port_security", "external_ids"),
      },
    ]);
    const switches = new Set(rows.map(({ parent }) => parent));
    await send("transact", [
      "OVN_Northbound",
      ...[...switches].map((uuid) => ({ op: "insert", table: "Logical_Switch", uuid, row: { name: uuid } })),
    ]);
    const messages: { readonly id: number; readonly text: string }[] = [];
    for (let start = 0; start < rows.length; start += rawBatch) {
      const batch = rows.slice(start, start + rawBatch);
      const ports = Map.groupBy(batch, ({ parent }) => parent);
      id += 1;
      const operations = [
        ...batch.map(({ uuid, row }) => ({ op: "insert", table: "Logical_Switch_Port", uuid, row })),
        ...[...ports].map(([parent, members]) => ({
          op: "mutate",
          table: "Logical_Switch",
          where: [["_uuid", "==", ["uuid", parent]]],
          mutations: [["ports", "insert", ["set", members.map(({ uuid }) => ["uuid", uuid])]]],
        })),
      ];
      messages.push({
        id,
        text: JSON.stringify({ id, method: "transact", params: ["OVN_Northbound", ...operations] }),
      });
    }
    const began = performance.now();
    for (const message of messages) await exchange(socket, message.id, message.text);
    return (rows.length / (performance.now() - began)) * 1000;
  } finally {
    socket.destroy();
    await server.stop();
  }
}

interface RawPod {
  readonly uuid: string;
  readonly parent: string;
  readonly row: unknown;
}

function rawPods({ graph }: Engine, keys: Iterable<string>): RawPod[] {
  const pods: RawPod[] = [];
  for (const key of keys) {
    const bundle = graph.bundleOf(`Pod/${key}`);
    const [row] = bundle?.rows ?? [];
    const [membership] = bundle?.memberships ?? [];
    if (row === undefined || membership === undefined) throw new Error(`Pod ${key} has no port`);
    const { name, addresses, port_security, options } = row.columns;
    pods.push({
      uuid: row.uuid,
      parent: membership.row,
      row: {
        name,
        addresses: ["set", addresses],
        port_security: ["set", port_security],
        options: ["map", Object.entries(options as Readonly<Record<string, string>>)],
        external_ids: ["map", [["ovenbird.io/owner", row.owner]]],
      },
    });
  }
  return pods;
}

async function measure(pods: number, nodes: number, schemaFile: string): Promise<ScenarioFigures> {
  const server = await startOvsdbServer({ schemaFile });
  try {
    const first = await startBenchEngine(server, createCluster());
    sync(first.sources, nodes);
    await first.engine.idle();
    collectGarbage();
    const heapBefore = process.memoryUsage().heapUsed;
    const cpuBefore = process.cpuUsage();
    const before = { transactions: first.transactions, operations: operationsOf(first) };
    const began = performance.now();
    for (let index = 0; index < pods; index++) {
      emitPod(first.sources, index, nodes);
      if (index % podsPerTurn === podsPerTurn - 1) await nextTurn();
    }
    await first.engine.idle();
    const tookMs = performance.now() - began;
    const { user, system } = process.cpuUsage(cpuBefore);
    const throughput = {
      podsPerSecond: (pods / tookMs) * 1000,
      cpuMsPerPod: (user + system) / 1000 / pods,
      transactions: first.transactions - before.transactions,
      operations: operationsOf(first) - before.operations,
    };
    collectGarbage();
    const heapBytesPerPod = (process.memoryUsage().heapUsed - heapBefore) / pods;

    const latencies: number[] = [];
    const singles = 200;
    for (let index = pods; index < pods + singles; index++) {
      const done = new Promise<void>((resolve) => {
        first.onCommitted = () => resolve();
      });
      const start = performance.now();
      emitPod(first.sources, index, nodes);
      await done;
      latencies.push(performance.now() - start);
    }
    latencies.sort((a, b) => a - b);
    const rows = rawPods(first.engine, first.sources.records.keys());
    await first.stop();

    const startedAt = performance.now();
    const second = await startBenchEngine(server, createCluster());
    for (const record of first.sources.records.values()) second.sources.pods.next(upsert(record));
    sync(second.sources, nodes);
    await second.engine.idle();
    const restart = { readyMs: performance.now() - startedAt, operations: operationsOf(second) };
    await second.stop();

    const rawPodsPerSecond = await rawLimit(rows, schemaFile);
    return {
      pods,
      nodes,
      throughput,
      single: { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) },
      rawPodsPerSecond,
      ratioToRaw: throughput.podsPerSecond / rawPodsPerSecond,
      heapBytesPerPod,
      restart,
    };
  } finally {
    await server.stop();
  }
}

/**
 * Measures the controller from watch event to northbound commit, with a synthetic watch and a real standalone server,
 * its restart on what it wrote, and its heap; and the server's own limit on the same rows in the same run.
 */
export async function benchController(options: BenchOptions = {}): Promise<BenchFigures> {
  const {
    scenarios = [
      { pods: 1_000, nodes: 10 },
      { pods: 10_000, nodes: 100 },
      { pods: 50_000, nodes: 100 },
    ],
    schemaFile = "/usr/share/ovn/ovn-nb.ovsschema",
    onProgress = () => {},
  } = options;
  const figures: ScenarioFigures[] = [];
  for (const { pods, nodes } of scenarios) {
    onProgress(`controller: ${pods} pods on ${nodes} nodes`);
    figures.push(await measure(pods, nodes, schemaFile));
  }
  return { scenarios: figures };
}
