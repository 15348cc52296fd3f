import { parseArgs } from "node:util";
import { createIpam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectNode } from "../state/node.ts";
import { projectPod } from "../state/pod.ts";
import type { Bundle } from "../translate/desired.ts";
import { createGraph } from "./graph.ts";

/**
 * What a pod costs here, in time and in heap, without database and Kubernetes API:
 * `node --expose-gc controller/graph/measure.ts --pods 50000 --nodes 100`. Prints one JSON document.
 */

const { values } = parseArgs({
  options: { pods: { type: "string", default: "10000" }, nodes: { type: "string", default: "10" } },
});
const podCount = Number(values.pods);
const nodeCount = Number(values.nodes);

const collectGarbage = (globalThis as { gc?: () => void }).gc;
if (collectGarbage === undefined) throw new Error("run with --expose-gc");

function heapBytes(): number {
  for (let round = 0; round < 3; round++) collectGarbage?.();
  return process.memoryUsage().heapUsed;
}

const config = parseNetworkConfig({ clusterCidr: "11.0.0.0/8,fd00:11::/48", nodePrefix: "19,64" });
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

const digits = (value: number, length: number) => value.toString(16).padStart(length, "0");

/** The text of one watch event's object; every pod comes as JSON of its own, as from the API. */
function podText(number: number, annotation: string | undefined): string {
  return JSON.stringify({
    metadata: {
      namespace: `team-${number % 50}`,
      name: `web-${digits(number % 500, 10)}-${digits(number, 5)}`,
      uid: `${digits(number, 8)}-aaaa-4bbb-8ccc-${digits(number, 12)}`,
      labels: { app: "web", "pod-template-hash": digits(number % 500, 10), tier: `t${number % 7}` },
      annotations: annotation === undefined ? {} : { "ovenbird.io/network": annotation },
    },
    spec: { nodeName: `node-${number % nodeCount}`, containers: [{ name: "c", image: "i" }] },
    status: { phase: "Running" },
  });
}

const graph = createGraph({ network, ipam: createIpam(network), report: (problem) => console.error(problem) });
for (let number = 0; number < nodeCount; number++) {
  const key = `node-${number}`;
  graph.apply({ kind: "node", change: "upsert", key, object: projectNode({ metadata: { name: key, uid: key } }) });
}
graph.flush();

/** What the applier keeps: one bundle per owner. */
const retained = new Map<string, Bundle | undefined>();
const before = heapBytes();

let projectMs = 0;
let applyAndFlushMs = 0;
for (let first = 0; first < podCount; first += 100) {
  const texts = Array.from({ length: 100 }, (_, position) => podText(first + position, undefined));
  const started = performance.now();
  const objects = texts.map((text) => projectPod(JSON.parse(text)));
  const projected = performance.now();
  for (const object of objects) graph.apply({ kind: "pod", change: "upsert", key: object.key, object });
  const changes = graph.flush();
  applyAndFlushMs += performance.now() - projected;
  projectMs += projected - started;
  for (const { owner, bundle } of changes) retained.set(owner.key, bundle);
}
const withoutAnnotations = heapBytes() - before;

// The annotation comes back with the next watch event, and is kept as long as the pod.
const echoStarted = performance.now();
for (let number = 0; number < podCount; number++) {
  const { key } = projectPod(JSON.parse(podText(number, undefined)));
  const object = projectPod(JSON.parse(podText(number, JSON.stringify(graph.podNetwork(key)))));
  graph.apply({ kind: "pod", change: "upsert", key, object });
}
const echoMs = performance.now() - echoStarted;
const retainedAfter = heapBytes() - before;
const changesAfterEcho = graph.flush().length;

const rowsStarted = performance.now();
let rows = 0;
for (const bundle of retained.values()) rows += bundle?.rows.length ?? 0;
const rowsMs = performance.now() - rowsStarted;

// The map that stands for the applier's isn't ours to count.
const mapBytesPerPod = 40;
const perPod = (bytes: number) => Math.round(bytes / podCount) - mapBytesPerPod;
console.log(
  JSON.stringify({
    pods: podCount,
    nodes: nodeCount,
    parseAndProjectPerSecond: Math.round(podCount / (projectMs / 1000)),
    applyAndFlushPerSecond: Math.round(podCount / (applyAndFlushMs / 1000)),
    makeRowsPerSecond: Math.round(rows / (rowsMs / 1000)),
    echoPerSecond: Math.round(podCount / (echoMs / 1000)),
    heapBytesPerPod: perPod(withoutAnnotations),
    heapBytesPerPodWithAnnotation: perPod(retainedAfter),
    changesAfterEcho,
  }),
);
