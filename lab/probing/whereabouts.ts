import { isIP } from "node:net";
import type { KubeClient, Resource } from "@ovenbird/kube";
import { z } from "zod";
import { podAddressesOf, readSandboxes, subnetAddressesOf } from "../kubelet/sandbox-store.ts";
import { nodeFiles } from "../supervisor/plan.ts";
import { type Family, type Host, type Layout, namespacePath, outsideHosts, paths } from "../topology/layout.ts";

/** Where a pod runs: its host, and the namespace it has there. */
export interface PodPlace {
  readonly host: Host;
  /** Path of its network namespace. */
  readonly namespace: string;
  /** Those of its status. */
  readonly addresses: readonly string[];
  /** Those that it has in its subnet; others where it is in a tenant other than `default`. */
  readonly subnetAddresses: readonly string[];
}

/** Finds pods, services and hosts by the names that people use for them. */
export interface Whereabouts {
  /** @throws Error in words when the pod does not run in this lab */
  pod(key: string): Promise<PodPlace>;
  /** The host of a name such as `node1`, `node:node1`, `central` or `outside`; undefined when there is none. */
  host(name: string): Host | undefined;
  /** The address that a probe's `to` means, and the port where that says one. @throws Error in words when there is none */
  target(to: string, family: Family | undefined): Promise<{ readonly address: string; readonly port?: number }>;
  close(): Promise<void>;
}

const podShape = z.object({
  spec: z.object({ hostNetwork: z.boolean().default(false), nodeName: z.string().default("") }),
  status: z.object({ podIPs: z.array(z.object({ ip: z.string() })).default([]) }).default({ podIPs: [] }),
});
const serviceShape = z.object({
  spec: z.object({
    clusterIPs: z.array(z.string()).default([]),
    ports: z.array(z.object({ name: z.string().default(""), port: z.int(), nodePort: z.int().optional() })).default([]),
  }),
  status: z
    .object({
      loadBalancer: z
        .object({ ingress: z.array(z.object({ ip: z.string().optional() })).default([]) })
        .default({ ingress: [] }),
    })
    .default({ loadBalancer: { ingress: [] } }),
});
/** `service:ns/name[:port]`, `loadbalancer:ns/name[:port]`, `nodeport:node1:ns/name[:port]`; the port by name or number. */
const serviceTarget = /^(?:(service|loadbalancer):|nodeport:([^:]+):)([^:]+\/[^:]+)(?::([^:]+))?$/;
/** `subnet:ns/name`: a pod by the address that its own tenant knows. */
const subnetTarget = /^subnet:([^:]+\/[^:]+)$/;

export function createWhereabouts(layout: Layout): Whereabouts {
  let client: KubeClient | undefined;
  /** Only what no sandbox tells is asked of the API, whose client is slow to load. */
  async function fetch(plural: "pods" | "services", key: string): Promise<unknown> {
    const kube = await import("@ovenbird/kube");
    client ??= kube.createKubeClient(kube.loadKubeConfig({ path: paths(layout.folder).kubeconfig }));
    const resource: Resource = plural === "pods" ? kube.pods : kube.services;
    return client.get(resource, target(key));
  }
  /** Sandboxes come first: they are what really runs, and need no API. */
  const sandboxed = new Map<string, PodPlace>();
  for (const host of layout.nodes)
    for (const sandbox of readSandboxes(nodeFiles(host).sandboxes))
      if (sandbox.state === "ready")
        sandboxed.set(`${sandbox.pod.namespace}/${sandbox.pod.name}`, {
          host,
          namespace: namespacePath(sandbox.namespace),
          addresses: podAddressesOf(sandbox),
          subnetAddresses: subnetAddressesOf(sandbox),
        });

  async function pod(key: string): Promise<PodPlace> {
    const known = sandboxed.get(key);
    if (known !== undefined) return known;
    if (key.startsWith("node:"))
      throw new Error(
        `there is no node ${key.slice("node:".length)}: there are ${layout.nodes.map(({ name }) => name).join(", ")}`,
      );
    const { spec, status } = podShape.parse(await fetch("pods", key));
    const host = layout.nodes.find(({ name }) => name === spec.nodeName);
    if (host === undefined || !spec.hostNetwork) throw new Error(`pod ${key} does not run here yet`);
    const addresses = status.podIPs.map(({ ip }) => ip);
    const place = { host, namespace: namespacePath(host.namespace), addresses, subnetAddresses: addresses };
    sandboxed.set(key, place);
    return place;
  }

  function host(name: string): Host | undefined {
    const plain = name.replace(/^node:/, "");
    return [layout.central, ...outsideHosts(layout), ...layout.nodes].find((candidate) => candidate.name === plain);
  }

  interface Target {
    readonly addresses: readonly string[];
    readonly port?: number | undefined;
  }

  async function serviceTargetOf(to: string): Promise<Target | undefined> {
    const [matched, kind, nodeName = "", key = "", portText] = serviceTarget.exec(to) ?? [];
    if (matched === undefined) return undefined;
    const { spec, status } = serviceShape.parse(await fetch("services", key));
    const port =
      portText === undefined
        ? spec.ports[0]
        : spec.ports.find(({ name, port: number }) => name === portText || String(number) === portText);
    if (port === undefined) throw new Error(`service ${key} has no port ${portText ?? ""}`.trimEnd());
    if (kind === "service") return { addresses: spec.clusterIPs, port: port.port };
    if (kind === "loadbalancer")
      return { addresses: status.loadBalancer.ingress.flatMap(({ ip }) => ip ?? []), port: port.port };
    const node = host(nodeName);
    if (node === undefined) throw new Error(`there is no node ${nodeName}`);
    if (port.nodePort === undefined) throw new Error(`service ${key} has no node port`);
    return { addresses: node.addresses, port: port.nodePort };
  }

  async function targetOf(to: string): Promise<Target> {
    if (isIP(to) !== 0) return { addresses: [to] };
    if (to === layout.outside.name) return { addresses: layout.outside.internet };
    const [, inSubnet] = subnetTarget.exec(to) ?? [];
    if (inSubnet !== undefined) return { addresses: (await pod(inSubnet)).subnetAddresses };
    return (await serviceTargetOf(to)) ?? { addresses: host(to)?.addresses ?? (await pod(to)).addresses };
  }

  return {
    pod,
    host,
    async target(to, family) {
      const { addresses: found, port } = await targetOf(to);
      const wanted =
        family === undefined ? found[0] : found.find((address) => isIP(address) === (family === "ipv4" ? 4 : 6));
      if (wanted === undefined) throw new Error(`${to} has no ${family ?? ""} address`.replace("  ", " "));
      return { address: wanted, ...(port === undefined ? {} : { port }) };
    },
    async close() {
      await client?.close();
    },
  };
}

function target(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = "", name = "", ...rest] = key.split("/");
  if (namespace === "" || name === "" || rest.length > 0) throw new Error(`${key} is not of the form namespace/name`);
  return { namespace, name };
}
