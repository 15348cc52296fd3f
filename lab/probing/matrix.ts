import { isIP } from "node:net";
import { defaultTenant } from "@ovenbird/kube";
import { inPod, podView } from "../kubelet/pod-view.ts";
import { demoNamespace, demoService } from "../supervisor/demo-pods.ts";
import { nodeIdentity, nodePort, outsideIdentity, outsidePort } from "../topology/host-ports.ts";
import type { Family, Layout } from "../topology/layout.ts";
import { run } from "../topology/run.ts";
import { inventory, type MatrixNode, type MatrixPod } from "./inventory.ts";
import { type Probe, type ProbeOutcome, probeSpec } from "./probe-spec.ts";
import { runProbes } from "./run-probes.ts";
import type { Tenancy } from "./tenancy.ts";
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
    /** Tenants, or a subnet's way out, keep them apart: nobody is to answer. */
    readonly apart?: true;
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

type Planned = { readonly probe: Probe; readonly expected: MatrixCell["expected"]; readonly family: Family };

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
  const { podList, nodeList, hasService, policies, tenancy } = await inventory(layout);
  const planned = layout.config.families.flatMap((family) =>
    planFamily(family, podList, nodeList, hasService, tenancy),
  );
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
  if (hasService)
    cells.push(
      ...(await lookUpNames(
        layout,
        podList.filter(({ tenant }) => tenancy.findsNames(tenant)),
      )),
    );
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
  if (expected.apart === true) return outcome?.verdict === "dropped" || outcome?.verdict === "refused";
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
  tenancy: Tenancy,
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
  const toPods = (from: string, sources: readonly string[], tenant?: string) =>
    reachable.map((pod) =>
      tenant === undefined || tenancy.mayMeet(tenant, pod.tenant)
        ? plan(from, pod.key, pod.tcpPort, { peer: pod.key, sources })
        : plan(from, pod.key, pod.tcpPort, { peer: undefined, sources: undefined, apart: true }),
    );
  const toOutside = (pod: MatrixPod, nodeAddresses: readonly string[]): MatrixCell["expected"] => {
    if (pod.leaves === "never") return { peer: undefined, sources: undefined, apart: true };
    return { peer: outsideIdentity, sources: pod.leaves === "by its node" ? nodeAddresses : undefined };
  };
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
        ...toPods(pod.key, own, pod.tenant),
        ...nodeList.map((to) =>
          plan(pod.key, `node:${to.name}`, nodePort, {
            peer: nodeIdentity(to.name),
            sources: pod.leaves === "by its wire" ? undefined : own,
          }),
        ),
        plan(pod.key, "outside", outsidePort, toOutside(pod, inFamily(node?.addresses ?? []))),
      ];
    }),
    ...nodeList.flatMap((node) =>
      toPods(`node:${node.name}`, [...inFamily(node.managementAddresses), ...inFamily(node.addresses)]),
    ),
    ...reachable
      .filter(({ tenant }) => tenancy.mayMeet(tenant, defaultTenant))
      .flatMap((pod) => toService(pod.key, `service:${service}`)),
    ...nodeList.flatMap(({ name }) => [
      ...toService(`node:${name}`, `service:${service}`),
      ...toService("outside", `nodeport:${name}:${service}`),
    ]),
  ];
}

/** One way of writing an address, for comparison: IPv6 as URL does it, IPv4 out of its IPv6 dress. */
function canonical(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(plain) === 6 ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain;
}
