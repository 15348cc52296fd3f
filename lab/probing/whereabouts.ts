import { isIP } from "node:net";
import type { KubeClient, Resource } from "@ovenbird/kube";
import { z } from "zod";
import { addressesOf, readSandboxes } from "../kubelet/sandbox-store.ts";
import { nodeFiles } from "../supervisor/plan.ts";
import { type Family, type Host, type Layout, namespacePath, paths } from "../topology/layout.ts";

/** Where a pod runs: its host, and the namespace it has there. */
export interface PodPlace {
  readonly host: Host;
  /** Path of its network namespace. */
  readonly namespace: string;
  readonly addresses: readonly string[];
}

/** Finds pods, services and hosts by the names that people use for them. */
export interface Whereabouts {
  /** @throws Error in words when the pod does not run in this lab */
  pod(key: string): Promise<PodPlace>;
  /** The host of a name such as `node1`, `node:node1`, `central` or `outside`; undefined when there is none. */
  host(name: string): Host | undefined;
  /** The address that a probe's `to` means. @throws Error in words when there is none */
  address(to: string, family: Family | undefined): Promise<string>;
  close(): Promise<void>;
}

const podShape = z.object({
  spec: z.object({ hostNetwork: z.boolean().default(false), nodeName: z.string().default("") }),
  status: z.object({ podIPs: z.array(z.object({ ip: z.string() })).default([]) }).default({ podIPs: [] }),
});
const serviceShape = z.object({ spec: z.object({ clusterIPs: z.array(z.string()).default([]) }) });

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
          addresses: addressesOf(sandbox),
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
    const place = { host, namespace: namespacePath(host.namespace), addresses: status.podIPs.map(({ ip }) => ip) };
    sandboxed.set(key, place);
    return place;
  }

  function host(name: string): Host | undefined {
    const plain = name.replace(/^node:/, "");
    return [layout.central, layout.outside, ...layout.nodes].find((candidate) => candidate.name === plain);
  }

  async function addresses(to: string): Promise<readonly string[]> {
    if (isIP(to) !== 0) return [to];
    if (to === layout.outside.name) return layout.outside.internet;
    const known = host(to);
    if (known !== undefined) return known.addresses;
    if (to.startsWith("service:"))
      return serviceShape.parse(await fetch("services", to.slice("service:".length))).spec.clusterIPs;
    return (await pod(to)).addresses;
  }

  return {
    pod,
    host,
    async address(to, family) {
      const found = await addresses(to);
      const wanted =
        family === undefined ? found[0] : found.find((address) => isIP(address) === (family === "ipv4" ? 4 : 6));
      if (wanted === undefined) throw new Error(`${to} has no ${family ?? ""} address`.replace("  ", " "));
      return wanted;
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
