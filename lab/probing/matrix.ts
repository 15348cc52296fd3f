import { isIP } from "node:net";
import {
  adminNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  createKubeClient,
  isKubeError,
  type KubeClient,
  loadKubeConfig,
  networkPolicies,
  nodeNetworkAnnotation,
  nodeNetworkAnnotationKey,
  nodes,
  pods,
  readAnnotation,
  services,
} from "@ovenbird/kube";
import { z } from "zod";
import { inPod, podView } from "../kubelet/pod-view.ts";
import { demoNamespace, demoPodNames, demoService } from "../supervisor/demo-pods.ts";
import { nodeIdentity, nodePort, outsideIdentity, outsidePort } from "../topology/host-ports.ts";
import { type Family, type Layout, paths } from "../topology/layout.ts";
import { run } from "../topology/run.ts";
import { type Probe, type ProbeOutcome, probeSpec } from "./probe-spec.ts";
import { runProbes } from "./run-probes.ts";
import { createWhereabouts, type Whereabouts } from "./whereabouts.ts";

/** One cell of the matrix: what should be, and what was measured. */
export interface MatrixCell {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  readonly protocol: Probe["protocol"];
  /** The peer that should answer, or any of some, and the source addresses that it may see (undefined: any). */
  readonly expected: {
    readonly peer: string | undefined;
    readonly peers?: readonly string[];
    readonly sources: readonly string[] | undefined;
  };
  readonly outcome: ProbeOutcome;
  readonly ok: boolean;
}

export interface Matrix {
  readonly ok: boolean;
  readonly total: number;
  readonly failed: number;
  /** How many policies there are. What they forbid counts as failed: the matrix is of what works without any. */
  readonly policies: number;
  readonly cells: readonly MatrixCell[];
}

interface MatrixPod {
  readonly key: string;
  readonly nodeName: string;
  readonly addresses: readonly string[];
  readonly tcpPort: number | undefined;
  readonly isDemo: boolean;
}

interface MatrixNode {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly managementAddresses: readonly string[];
}

type Planned = { readonly probe: Probe; readonly expected: MatrixCell["expected"]; readonly family: Family };

const podShape = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string(), deletionTimestamp: z.string().optional() }),
  spec: z.object({
    nodeName: z.string().default(""),
    hostNetwork: z.boolean().default(false),
    containers: z.array(
      z.object({
        image: z.string().default(""),
        ports: z.array(z.object({ containerPort: z.int(), protocol: z.string().default("TCP") })).default([]),
      }),
    ),
  }),
  status: z
    .object({ phase: z.string().default(""), podIPs: z.array(z.object({ ip: z.string() })).default([]) })
    .default({ phase: "", podIPs: [] }),
});
const nodeShape = z.object({
  metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).default({}) }),
});

const lookupsAtOnce = 4;
/** The resolver of a pod asks again after 5 s. */
const lookupTimeoutMs = 7000;
/** A first packet may be lost while neighbours are resolved, so what fails is asked again so often. */
const repeats = 2;

/**
 * Measures every way that the default network promises: pod to pod, node to pod and back without NAT, pod to the
 * world outside with its node's address as the source, and the demonstration service: its address from pods and nodes,
 * its node ports from outside; each in every family that both ends have.
 */
export async function measureMatrix(layout: Layout): Promise<Matrix> {
  const { podList, nodeList, hasService, policies } = await inventory(layout);
  const planned = layout.config.families.flatMap((family) => planFamily(family, podList, nodeList, hasService));
  let outcomes = await runProbes(
    layout,
    planned.map(({ probe }) => probe),
  );
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const failed = planned.flatMap((plan, index) => (isFine(plan, outcomes[index]) ? [] : [index]));
    if (failed.length === 0) break;
    const again = await runProbes(
      layout,
      failed.flatMap((index) => planned[index]?.probe ?? []),
    );
    outcomes = outcomes.map((outcome, index) => again[failed.indexOf(index)] ?? outcome);
  }
  const cells = planned.map((plan, index): MatrixCell => {
    const { probe, expected, family } = plan;
    const outcome = outcomes[index] ?? { verdict: "error", error: "no outcome" };
    return {
      from: probe.from,
      to: targetName(expected, probe),
      family,
      protocol: probe.protocol,
      expected,
      outcome,
      ok: isFine(plan, outcome),
    };
  });
  if (hasService) cells.push(...(await lookUpNames(layout, podList)));
  const failed = cells.filter(({ ok }) => !ok).length;
  return { ok: failed === 0 && cells.length > 0, total: cells.length, failed, policies, cells };
}

/** Whether each pod finds the demonstration service by its name, as its programs look names up. */
async function lookUpNames(layout: Layout, podList: readonly MatrixPod[]): Promise<MatrixCell[]> {
  const where = createWhereabouts(layout);
  try {
    const wanted = podList.flatMap(({ key }) => layout.config.families.map((family) => ({ key, family })));
    const cells: MatrixCell[] = [];
    await Promise.all(
      Array.from({ length: lookupsAtOnce }, async () => {
        for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
          const { key, family } = next;
          const found = await lookUp(layout, where, key, family);
          cells.push({
            ...{ from: key, to: `name:${demoService}`, family, protocol: "udp" },
            expected: { peer: undefined, sources: undefined },
            ...{ outcome: found, ok: found.verdict === "connected" },
          });
        }
      }),
    );
    return cells.sort((a, b) => a.family.localeCompare(b.family));
  } finally {
    await where.close();
  }
}

async function lookUp(layout: Layout, where: Whereabouts, key: string, family: Family): Promise<ProbeOutcome> {
  const name = `${demoService}.${demoNamespace}`;
  try {
    const { address } = await where.target(`service:${demoNamespace}/${demoService}`, family);
    const view = podView(layout, key.split("/")[0] ?? "");
    const command = ["getent", `ahosts${family.slice(2)}`, name];
    const text = await run(inPod((await where.pod(key)).namespace, view, command), { timeoutMs: lookupTimeoutMs });
    const answer = text.split(/\s/)[0] ?? "";
    if (canonical(answer) === canonical(address)) return { verdict: "connected" };
    return { verdict: "error", error: `${name} is ${answer}, expected ${address}` };
  } catch (error) {
    return { verdict: "error", error: error instanceof Error ? error.message : String(error) };
  }
}

function targetName(expected: MatrixCell["expected"], probe: Probe): string {
  return expected.peer ?? probe.to;
}

function isFine({ expected, probe }: Planned, outcome: ProbeOutcome | undefined): boolean {
  if (outcome?.verdict !== "connected") return false;
  if (probe.protocol === "icmp") return true;
  return (
    outcome.peer !== undefined &&
    (expected.peers === undefined ? outcome.peer === expected.peer : expected.peers.includes(outcome.peer)) &&
    outcome.sourceSeen !== undefined &&
    (expected.sources === undefined || expected.sources.includes(canonical(outcome.sourceSeen)))
  );
}

function planFamily(
  family: Family,
  podList: readonly MatrixPod[],
  nodeList: readonly MatrixNode[],
  hasService: boolean,
): Planned[] {
  const version = family === "ipv4" ? 4 : 6;
  const inFamily = (addresses: readonly string[]) =>
    addresses.filter((address) => isIP(address) === version).map(canonical);
  const plan = (from: string, to: string, port: number | undefined, expected: MatrixCell["expected"]): Planned => ({
    probe: probeSpec.parse({
      from,
      to,
      family,
      ...(port === undefined ? { protocol: "icmp" } : { protocol: "tcp", port }),
    }),
    expected,
    family,
  });
  const reachable = podList.filter(({ addresses }) => inFamily(addresses).length > 0);
  const toPods = (from: string, sources: readonly string[]) =>
    reachable.map((pod) => plan(from, pod.key, pod.tcpPort, { peer: pod.key, sources }));
  const demo = reachable.filter(({ isDemo }) => isDemo).map(({ key }) => key);
  const toService = (from: string, to: string): Planned[] =>
    hasService && demo.length > 0
      ? [
          {
            probe: probeSpec.parse({ from, to, family }),
            expected: { peer: undefined, peers: demo, sources: undefined },
            family,
          },
        ]
      : [];
  const service = `${demoNamespace}/${demoService}`;
  return [
    ...reachable.flatMap((pod) => {
      const own = inFamily(pod.addresses);
      const node = nodeList.find(({ name }) => name === pod.nodeName);
      return [
        ...toPods(pod.key, own),
        ...nodeList.map((to) =>
          plan(pod.key, `node:${to.name}`, nodePort, { peer: nodeIdentity(to.name), sources: own }),
        ),
        plan(pod.key, "outside", outsidePort, { peer: outsideIdentity, sources: inFamily(node?.addresses ?? []) }),
      ];
    }),
    ...nodeList.flatMap((node) =>
      toPods(`node:${node.name}`, [...inFamily(node.managementAddresses), ...inFamily(node.addresses)]),
    ),
    ...reachable.flatMap((pod) => toService(pod.key, `service:${service}`)),
    ...nodeList.flatMap(({ name }) => [
      ...toService(`node:${name}`, `service:${service}`),
      ...toService("outside", `nodeport:${name}:${service}`),
    ]),
  ];
}

interface Inventory {
  readonly podList: MatrixPod[];
  readonly nodeList: MatrixNode[];
  /** Whether the demonstration service is there. */
  readonly hasService: boolean;
  readonly policies: number;
}

/** Policies of all kinds; a kind that the API does not know has none. */
async function countPolicies(client: KubeClient): Promise<number> {
  const kinds = [networkPolicies, adminNetworkPolicies, baselineAdminNetworkPolicies, clusterNetworkPolicies];
  const counts = await Promise.all(
    kinds.map(async (kind) => {
      try {
        return (await client.list(kind)).items.length;
      } catch (error) {
        if (isKubeError(error) && error.code === "NOT_FOUND") return 0;
        throw error;
      }
    }),
  );
  return counts.reduce((total, count) => total + count, 0);
}

async function inventory(layout: Layout): Promise<Inventory> {
  const client = createKubeClient(loadKubeConfig({ path: paths(layout.folder).kubeconfig }));
  try {
    const [policies, podItems, nodeItems, serviceItems] = await Promise.all([
      countPolicies(client),
      client.list<unknown>(pods),
      client.list<unknown>(nodes),
      client.list(services, { namespace: demoNamespace, fieldSelector: `metadata.name=${demoService}` }),
    ]);
    const hasService = layout.config.kubeconfig === undefined && serviceItems.items.length > 0;
    const podList = podItems.items
      .map((raw) => podShape.parse(raw))
      .filter(
        ({ metadata, spec, status }) =>
          status.phase === "Running" && !spec.hostNetwork && metadata.deletionTimestamp === undefined,
      )
      .map(({ metadata, spec, status }) => ({
        key: `${metadata.namespace}/${metadata.name}`,
        nodeName: spec.nodeName,
        addresses: status.podIPs.map(({ ip }) => ip),
        tcpPort: spec.containers
          .filter(({ image }) => image !== "exec")
          .flatMap(({ ports }) => ports)
          .find(({ protocol }) => protocol === "TCP")?.containerPort,
        isDemo: metadata.namespace === demoNamespace && demoPodNames(layout).includes(metadata.name),
      }));
    const annotations = new Map(
      nodeItems.items.map((raw) => nodeShape.parse(raw).metadata).map((node) => [node.name, node.annotations] as const),
    );
    const nodeList = layout.nodes.map(({ name, addresses }) => {
      const network = readAnnotation(nodeNetworkAnnotation, annotations.get(name)?.[nodeNetworkAnnotationKey]);
      const managementAddresses =
        network.kind === "valid"
          ? network.value.managementPort.addresses.map((address) => address.split("/")[0] ?? "")
          : [];
      return { name, addresses, managementAddresses };
    });
    return { podList, nodeList, hasService, policies };
  } finally {
    await client.close();
  }
}

/** One way of writing an address, for comparison: IPv6 as URL does it, IPv4 out of its IPv6 dress. */
function canonical(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(plain) === 6 ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain;
}
