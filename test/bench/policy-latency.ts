import { createSocket } from "node:dgram";
import { closeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import {
  type KubeClient,
  namespaces,
  networkPolicies,
  nodes,
  podNetworkAnnotationKey,
  pods,
} from "../../kube/index.ts";
import { placeOf, startLab } from "../../lab/index.ts";
import { libc, openBoundSocket, openUnboundSocket, socketAddress, socketType } from "../../lab/probe/libc.ts";
import { type Cluster, openCluster, podObject } from "../e2e/cluster.ts";
import { type Spread, spreadOf } from "./spread.ts";

const directions = ["ingress", "egress"] as const;
type Direction = (typeof directions)[number];
/** What is done to a policy; a change by turns lets in and shuts out. */
const changes = ["added", "changed", "removed"] as const;

/** From the request to the API server until each new flow on the wire has the new verdict. */
export type PolicyLatencies = Readonly<Record<Direction, Readonly<Record<(typeof changes)[number], Spread>>>>;

export interface PolicyLatencyFigures {
  readonly pods: number;
  readonly policies: number;
  /** Of each direction: one policy added and removed so often, and changed twice as often. */
  readonly rounds: number;
  readonly latencies: PolicyLatencies;
}

export interface PolicyLatencyOptions {
  readonly labName: string;
  readonly podCount: number;
  readonly policyCount: number;
  readonly rounds: number;
}

const port = 7778;
const everyMs = 2;
/** So long all datagrams have to agree, before a verdict counts as settled. */
const settledMs = 120;
const giveUpMs = 10_000;
const podsPerNode = 100;
/** Of the pods that policies are about so many really run, on each real node. */
const realPodsPerNode = 5;
const policiesPerNamespace = 5;
const inFlight = 32;

const sendTo = libc.func(
  "long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)",
);

interface Sampler {
  /** @returns the moment (performance.now()) from which on all datagrams that were sent had that verdict */
  until(passes: boolean): Promise<number>;
  close(): void;
}

/** Sends a datagram every two milliseconds, each from a port of its own and so a new flow, and notes which arrive. */
function sample(from: string, to: string, address: string): Sampler {
  const destination = socketAddress(address, port);
  const sentAt: number[] = [];
  const arrived = new Set<number>();
  const server = createSocket("udp4").bind({ fd: openBoundSocket(to, "0.0.0.0", port, socketType.datagram) });
  server.on("message", (message: Buffer) => arrived.add(message.readUInt32BE(0)));
  const timer = setInterval(() => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(sentAt.length);
    const fd = openUnboundSocket(from, "0.0.0.0", socketType.datagram, 0);
    sendTo(fd, payload, payload.length, 0, destination, destination.length);
    closeSync(fd);
    sentAt.push(performance.now());
  }, everyMs);

  /** Since when all had that verdict; the newest are left out, which may be under way. */
  function agreedSince(passes: boolean): number | undefined {
    const now = performance.now();
    let first: number | undefined;
    for (let index = sentAt.length - 1; index >= 0; index -= 1) {
      const at = sentAt[index] ?? 0;
      if (now - at < settledMs / 2) continue;
      if (arrived.has(index) !== passes) break;
      first = at;
    }
    return first !== undefined && now - first >= settledMs ? first : undefined;
  }

  return {
    async until(passes) {
      const giveUpAt = performance.now() + giveUpMs;
      for (;;) {
        const since = agreedSince(passes);
        if (since !== undefined) return since;
        if (performance.now() > giveUpAt)
          throw new Error(`datagrams ${passes ? "do not pass" : "pass"} still after ${giveUpMs} ms`);
        await delay(10);
      }
    },
    close() {
      clearInterval(timer);
      server.close();
    },
  };
}

async function each(total: number, action: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < total) await action(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

/** Pods and policies like a cluster's; nearly all pods are on nodes that no machine is behind, so they are rows and northd's load alone. */
async function fill(
  client: KubeClient,
  realNodes: readonly string[],
  { podCount, policyCount }: PolicyLatencyOptions,
): Promise<void> {
  const namespaceCount = Math.ceil(policyCount / policiesPerNamespace);
  const inNamespace = (index: number) => `shop-${index % namespaceCount}`;
  await each(namespaceCount, (index) =>
    client.create(
      namespaces,
      {},
      {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: inNamespace(index), labels: { team: `team-${index % 7}` } },
      },
    ),
  );
  await each(Math.ceil(podCount / podsPerNode), (index) =>
    client.create(nodes, {}, { apiVersion: "v1", kind: "Node", metadata: { name: `ghost-${index}` }, spec: {} }),
  );
  const nodeCount = Math.ceil(podCount / podsPerNode);
  await each(podCount, (index) => {
    const namespace = inNamespace(index);
    const round = Math.floor(index / namespaceCount);
    const labels = { app: `app-${round % policiesPerNamespace}`, track: index % 3 === 0 ? "canary" : "stable" };
    const real = Math.floor(index / realPodsPerNode);
    const ghost = `ghost-${(7 * index + 3 * round) % nodeCount}`;
    const ports = [{ name: "http", containerPort: 8080 }];
    return client.create(
      pods,
      { namespace },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `pod-${index}`, namespace, labels },
        spec: {
          nodeName: realNodes[real] ?? ghost,
          containers: [{ name: "main", image: "probe", ports }],
          terminationGracePeriodSeconds: 0,
        },
      },
    );
  });
  await each(policyCount, (index) => {
    const namespace = inNamespace(index);
    const app = Math.floor(index / namespaceCount);
    const peers = [
      { podSelector: { matchLabels: { app: `app-${(app + 1) % policiesPerNamespace}` } } },
      {
        namespaceSelector: { matchLabels: { team: `team-${index % 7}` } },
        podSelector: { matchLabels: { track: "stable" } },
      },
    ];
    const blocks = [{ ipBlock: { cidr: "192.0.2.0/24", except: ["192.0.2.128/25"] } }];
    return client.create(
      networkPolicies,
      { namespace },
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: `policy-${app}`, namespace },
        spec: {
          podSelector: { matchLabels: { app: `app-${app}` } },
          policyTypes: ["Ingress", "Egress"],
          ingress: [{ from: peers, ports: [{ protocol: "TCP", port: "http" }] }],
          egress: [{ to: [...peers, ...blocks], ports: [{ protocol: "TCP", port: 8000, endPort: 8100 }] }],
        },
      },
    );
  });
}

/** Resolves when all pods have been told their addresses, which is after their rows were committed. */
async function untilAnnotated(cluster: Cluster): Promise<void> {
  for (const key of cluster.pods.keys()) {
    await cluster.until(key, "annotated", (pod) => pod?.metadata?.annotations?.[podNetworkAnnotationKey] !== undefined);
  }
}

/** A policy about one of the two pods that lets the other be its peer, or somebody else. */
function policyOf(direction: Direction, role: string): object {
  const peers = [{ podSelector: { matchLabels: { role } } }];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "measured", namespace: "default" },
    spec: {
      podSelector: { matchLabels: { role: direction === "ingress" ? "server" : "client" } },
      policyTypes: [direction === "ingress" ? "Ingress" : "Egress"],
      ...(direction === "ingress" ? { ingress: [{ from: peers }] } : { egress: [{ to: peers }] }),
    },
  };
}

async function measure(
  client: KubeClient,
  sampler: Sampler,
  direction: Direction,
  rounds: number,
): Promise<PolicyLatencies[Direction]> {
  const durations = { added: [] as number[], changed: [] as number[], removed: [] as number[] };
  const peer = direction === "ingress" ? "client" : "server";
  const target = { namespace: "default", name: "measured" };
  async function time(into: number[], passes: boolean, action: () => Promise<unknown>): Promise<void> {
    const begin = performance.now();
    await action();
    into.push(Math.max(0, (await sampler.until(passes)) - begin));
  }
  const change = (role: string) => () =>
    client.patch(networkPolicies, target, policyOf(direction, role), { type: "merge" });
  await sampler.until(true);
  // What was made before is on the nodes when this is: changes reach them in order.
  await client.create(networkPolicies, { namespace: "default" }, policyOf(direction, "nobody"));
  await sampler.until(false);
  await client.delete(networkPolicies, target);
  await sampler.until(true);
  for (let round = 0; round < rounds; round += 1) {
    await time(durations.added, false, () =>
      client.create(networkPolicies, { namespace: "default" }, policyOf(direction, "nobody")),
    );
    await time(durations.changed, true, change(peer));
    await time(durations.changed, false, change("nobody"));
    await time(durations.removed, true, () => client.delete(networkPolicies, target));
  }
  return {
    added: spreadOf(durations.added),
    changed: spreadOf(durations.changed),
    removed: spreadOf(durations.removed),
  };
}

/** Two pods on two nodes of a lab, among many that are rows alone; a policy between the two comes, changes and goes. */
export async function measurePolicyLatency(options: PolicyLatencyOptions): Promise<PolicyLatencyFigures> {
  const lab = await startLab({ name: options.labName, nodes: 2, demoPods: false });
  const cluster = await openCluster(lab.kubeconfig);
  let sampler: Sampler | undefined;
  try {
    const { client } = cluster;
    for (const [index, role] of ["client", "server"].entries()) {
      const pod = podObject({ name: role, nodeName: `node${index + 1}`, labels: { role } });
      await client.create(pods, { namespace: "default" }, pod);
      await cluster.untilReady(`default/${role}`);
    }
    await fill(client, lab.nodes, options);
    await untilAnnotated(cluster);
    const [from, to] = await Promise.all(["client", "server"].map((role) => placeOf(lab.layout, `default/${role}`)));
    const address = cluster.pods.get("default/server")?.status?.podIPs?.find(({ ip }) => !ip.includes(":"))?.ip;
    if (from === undefined || to === undefined || address === undefined) throw new Error("the pods have no addresses");
    sampler = sample(from.namespace, to.namespace, address);
    const ingress = await measure(client, sampler, "ingress", options.rounds);
    const egress = await measure(client, sampler, "egress", options.rounds);
    const { podCount, policyCount, rounds } = options;
    return { pods: podCount, policies: policyCount, rounds, latencies: { ingress, egress } };
  } finally {
    sampler?.close();
    await cluster.close();
    await lab.down();
  }
}

export const benchPolicyLatency = (): Promise<PolicyLatencyFigures> =>
  measurePolicyLatency({ labName: "bench", podCount: 1000, policyCount: 200, rounds: 50 });
