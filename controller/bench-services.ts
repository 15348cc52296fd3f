import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ReflectorEvent } from "@ovenbird/kube";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { type Observable, Subject } from "rxjs";
import { type BenchEngine, startBenchEngine } from "./bench-engine.ts";
import { collectGarbage, exchange, percentile, rawNode, upsert } from "./bench-tools.ts";
import type { Engine } from "./engine.ts";
import { type EndpointSliceRecord, projectEndpointSlice } from "./state/endpoint-slice.ts";
import { projectNode } from "./state/node.ts";
import { projectService, type ServiceRecord } from "./state/service.ts";
import { gatewaysGroup, groupRow, switchesGroup } from "./translate/load-balancer-groups.ts";

export interface ServiceBenchOptions {
  readonly services?: number;
  /** Of each service in each family. */
  readonly endpoints?: number;
  readonly nodes?: number;
  readonly schemaFile?: string;
}

export interface ServiceFigures {
  readonly services: number;
  readonly endpoints: number;
  readonly nodes: number;
  /** From the first watch event to the last commit. */
  readonly load: { readonly wallMs: number; readonly cpuMs: number; readonly servicesPerSecond: number };
  /** The same rows as prebuilt JSON in batches of 100 on a bare socket. */
  readonly rawMs: number;
  /** How much of the server's own pace is kept: raw time to ours. */
  readonly ratioToRaw: number;
  /** One endpoint more or less, from watch event to commit, on top of all that. */
  readonly endpointChange: {
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly operations: Readonly<Record<string, number>>;
    readonly changes: number;
  };
  /** What an ordinary node more writes, by table. */
  readonly nodeAdded: { readonly operations: number; readonly serviceRows: number };
  readonly restart: { readonly readyMs: number; readonly operations: number };
  readonly heapBytesPerService: number;
}

const perTurn = 100;
const zones = ["a", "b", "c"];
const pod = (family: 4 | 6, number: number): string =>
  family === 4
    ? `10.${1 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
    : `fd00:10:244:${(number >> 16).toString(16)}::${(number & 65_535).toString(16)}`;

function node(index: number) {
  const raw = rawNode(index) as { metadata: object };
  const labels = { "topology.kubernetes.io/zone": zones[index % zones.length] };
  return projectNode({ ...raw, metadata: { ...raw.metadata, labels } });
}

/** A dual-stack ClusterIP service of one port; every tenth has a node port too. */
function service(index: number): ServiceRecord {
  const [high, low] = [index >> 8, index & 255];
  return projectService({
    metadata: { namespace: `team-${index % 50}`, name: `service-${index}`, uid: `uid-${index}` },
    spec: {
      type: index % 10 === 0 ? "NodePort" : "ClusterIP",
      clusterIPs: [`10.200.${high}.${low}`, `fd00:10:96::${index.toString(16)}`],
      selector: { app: `app-${index}` },
      ports: [{ name: "http", protocol: "TCP", port: 80, nodePort: index % 10 === 0 ? 20_000 + index : undefined }],
    },
  });
}

function slice(index: number, family: 4 | 6, endpoints: number, nodes: number, first = 0): EndpointSliceRecord {
  return projectEndpointSlice({
    metadata: {
      namespace: `team-${index % 50}`,
      name: `service-${index}-ipv${family}`,
      labels: { "kubernetes.io/service-name": `service-${index}` },
    },
    addressType: `IPv${family}`,
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, position) => ({
      addresses: [pod(family, index * 16 + first + position)],
      nodeName: `node-${(index + position) % nodes}`,
      conditions: { ready: true, serving: true, terminating: false },
    })),
  });
}

interface Sources {
  readonly nodes: Subject<ReflectorEvent<ReturnType<typeof node>>>;
  readonly namespaces: Observable<ReflectorEvent<never>>;
  readonly pods: Observable<ReflectorEvent<never>>;
  readonly services: Subject<ReflectorEvent<ServiceRecord>>;
  readonly endpointSlices: Subject<ReflectorEvent<EndpointSliceRecord>>;
}

type Running = BenchEngine<Sources>;

async function start(server: OvsdbServer): Promise<Running> {
  const empty = new Subject<ReflectorEvent<never>>();
  const running = await startBenchEngine<Sources>(server, {
    nodes: new Subject(),
    namespaces: empty,
    pods: empty,
    services: new Subject(),
    endpointSlices: new Subject(),
  });
  empty.next({ kind: "synced" });
  return running;
}

function sum(operations: ReadonlyMap<string, number>, of = ""): number {
  return [...operations].reduce((total, [name, count]) => total + (name.endsWith(of) ? count : 0), 0);
}

/** The rows that the engine made, as the server takes them fastest. */
async function rawMs({ graph }: Engine, services: number, schemaFile: string): Promise<number> {
  const server = await startOvsdbServer({ schemaFile });
  const socket = connect(server.endpoint.replace(/^unix:/, ""));
  try {
    await once(socket, "connect");
    let id = 0;
    const message = (method: string, params: readonly unknown[]): { id: number; text: string } => {
      id += 1;
      return { id, text: JSON.stringify({ id, method, params }) };
    };
    const send = ({ id: messageId, text }: { id: number; text: string }): Promise<void> =>
      exchange(socket, messageId, text);
    const columns = (...names: readonly string[]): unknown => [{ columns: names }];
    await send(
      message("monitor_cond", [
        "OVN_Northbound",
        "bench",
        {
          Load_Balancer: columns("name", "vips", "protocol", "selection_fields", "options", "external_ids"),
          Load_Balancer_Group: columns("name", "load_balancer"),
        },
      ]),
    );
    const groups = [gatewaysGroup, ...["", ...zones].map(switchesGroup)].map(groupRow);
    await send(
      message("transact", [
        "OVN_Northbound",
        ...groups.map(({ table, uuid, columns: row }) => ({ op: "insert", table, uuid, row })),
      ]),
    );
    const batches: { id: number; text: string }[] = [];
    for (let first = 0; first < services; first += perTurn) {
      const bundles = Array.from({ length: Math.min(perTurn, services - first) }, (_, position) =>
        graph.bundleOf(`Service/${service(first + position).key}`),
      ).flatMap((bundle) => bundle ?? []);
      const inserts = bundles.flatMap(({ rows }) =>
        rows.map(({ table, uuid, owner, columns: row }) => ({
          op: "insert",
          table,
          uuid,
          row: {
            name: row.name,
            protocol: row.protocol,
            vips: ["map", Object.entries(row.vips as object)],
            options: ["map", Object.entries(row.options as object)],
            selection_fields: ["set", row.selection_fields],
            external_ids: ["map", [["ovenbird.io/owner", owner]]],
          },
        })),
      );
      const members = Map.groupBy(
        bundles.flatMap(({ memberships }) => memberships),
        ({ row }) => row,
      );
      const mutates = [...members].map(([group, list]) => ({
        op: "mutate",
        table: "Load_Balancer_Group",
        where: [["_uuid", "==", ["uuid", group]]],
        mutations: [["load_balancer", "insert", ["set", list.map(({ member }) => ["uuid", member])]]],
      }));
      batches.push(message("transact", ["OVN_Northbound", ...inserts, ...mutates]));
    }
    const began = performance.now();
    for (const batch of batches) await send(batch);
    return performance.now() - began;
  } finally {
    socket.destroy();
    await server.stop();
  }
}

/** Measures services from watch events to northbound commits on a real standalone server, and the server's own limit. */
export async function benchServices(options: ServiceBenchOptions = {}): Promise<ServiceFigures> {
  const { services = 10_000, endpoints = 10, nodes = 100, schemaFile = "/usr/share/ovn/ovn-nb.ovsschema" } = options;
  const server = await startOvsdbServer({ schemaFile });
  try {
    const first = await start(server);
    const { sources, operations } = first;
    for (let index = 0; index < nodes; index++) sources.nodes.next(upsert(node(index)));
    for (const source of Object.values(sources)) source.next({ kind: "synced" });
    await first.engine.idle();

    collectGarbage();
    const heapBefore = process.memoryUsage().heapUsed;
    const cpuBefore = process.cpuUsage();
    const began = performance.now();
    for (let index = 0; index < services; index++) {
      sources.services.next(upsert(service(index)));
      for (const family of [4, 6] as const) sources.endpointSlices.next(upsert(slice(index, family, endpoints, nodes)));
      if (index % perTurn === perTurn - 1) await nextTurn();
    }
    await first.engine.idle();
    const wallMs = performance.now() - began;
    const { user, system } = process.cpuUsage(cpuBefore);
    collectGarbage();
    const heapBytesPerService = (process.memoryUsage().heapUsed - heapBefore) / services;

    const latencies: number[] = [];
    const changes = 200;
    // Collecting garbage by force threw away compiled code too, which is no part of an endpoint's cost.
    const warmUp = 20;
    for (let change = -warmUp; change < changes; change++) {
      if (change === 0) operations.clear();
      const index = ((change + warmUp) * 37) % services;
      const changed = slice(index, 4, endpoints, nodes, 1);
      const committed = new Promise<void>((resolve) => {
        first.onCommitted = () => resolve();
      });
      const startedAt = performance.now();
      sources.endpointSlices.next(upsert(changed));
      await committed;
      if (change >= 0) latencies.push(performance.now() - startedAt);
    }
    latencies.sort((a, b) => a - b);
    const changeOperations = Object.fromEntries(operations);
    for (let change = 0; change < changes + warmUp; change++) {
      sources.endpointSlices.next(upsert(slice((change * 37) % services, 4, endpoints, nodes)));
    }
    await first.engine.idle();

    operations.clear();
    sources.nodes.next(upsert(node(nodes)));
    await first.engine.idle();
    const nodeAdded = { operations: sum(operations), serviceRows: sum(operations, " Load_Balancer") };

    await first.stop();
    const restartedAt = performance.now();
    const second = await start(server);
    for (let index = 0; index <= nodes; index++) second.sources.nodes.next(upsert(node(index)));
    for (let index = 0; index < services; index++) {
      second.sources.services.next(upsert(service(index)));
      for (const family of [4, 6] as const) {
        second.sources.endpointSlices.next(upsert(slice(index, family, endpoints, nodes)));
      }
    }
    for (const source of Object.values(second.sources)) source.next({ kind: "synced" });
    await second.engine.idle();
    const restart = { readyMs: performance.now() - restartedAt, operations: sum(second.operations) };
    const raw = await rawMs(second.engine, services, schemaFile);
    await second.stop();
    return {
      services,
      endpoints,
      nodes,
      load: { wallMs, cpuMs: (user + system) / 1000, servicesPerSecond: (services / wallMs) * 1000 },
      rawMs: raw,
      ratioToRaw: raw / wallMs,
      endpointChange: {
        p50Ms: percentile(latencies, 0.5),
        p99Ms: percentile(latencies, 0.99),
        operations: changeOperations,
        changes,
      },
      nodeAdded,
      restart,
      heapBytesPerService,
    };
  } finally {
    await server.stop();
  }
}
