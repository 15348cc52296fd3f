import { type Family, ipv4Value, parseAddress } from "../ipam/address.ts";
import { isInCluster, type NetworkConfig } from "../ipam/network-config.ts";
import type { Endpoint, EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { ServicePort, ServiceRecord } from "../state/service.ts";
import type { ServiceNodes } from "./service-nodes.ts";

/** A place where a port of a service is served. */
export interface Backend {
  /** `address:port` or `[address]:port`, as `vips` has it. */
  readonly text: string;
  readonly endpoint: Endpoint;
}

/** `address:port`, with brackets around an IPv6 address. */
export function addressAndPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** IPv4 networks of the cluster as numbers: asking costs every endpoint, so it has to be quick. */
const ipv4Networks = new WeakMap<NetworkConfig, readonly { readonly base: number; readonly size: number }[]>();

function ipv4NetworksOf(network: NetworkConfig): readonly { readonly base: number; readonly size: number }[] {
  let networks = ipv4Networks.get(network);
  if (networks === undefined) {
    networks = network.families.flatMap(({ family, cluster, join }) =>
      family === 4
        ? [cluster, join].map(({ base, prefixLength }) => ({ base: Number(base), size: 2 ** (32 - prefixLength) }))
        : [],
    );
    ipv4Networks.set(network, networks);
  }
  return networks;
}

/** Whether an endpoint is a pod of the cluster's networks; else it is a node, or reached through a gateway. */
export function isPodAddress(network: NetworkConfig, address: string): boolean {
  if (address.includes(":")) return isInCluster(network, address);
  const value = ipv4Value(address);
  return ipv4NetworksOf(network).some(({ base, size }) => value >= base && value < base + size);
}

/**
 * Those that shall be used (KEP-1672): the ready ones; if none is ready, those that still serve while they end.
 * @param all whether readiness counts for nothing (`publishNotReadyAddresses`)
 */
export function usable(backends: readonly Backend[], all: boolean): readonly Backend[] {
  if (all) return backends;
  const ready = backends.filter(({ endpoint }) => endpoint.ready);
  if (ready.length > 0) return ready.length === backends.length ? backends : ready;
  return backends.filter(({ endpoint }) => endpoint.servesWhileEnding);
}

/** All backends of a service's port in one family. A port is found by name in each slice: its number may differ. */
export function backendsOf(
  network: NetworkConfig,
  { name, protocol }: ServicePort,
  family: Family,
  slices: readonly EndpointSliceRecord[],
  nodes: ServiceNodes,
): readonly Backend[] {
  const backends: Backend[] = [];
  for (const slice of slices) {
    if (slice.family !== family) continue;
    const port = slice.ports.find((candidate) => candidate.name === name && candidate.protocol === protocol)?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints) {
      const { address } = endpoint;
      // A pod in the node's network is reached at its node's management port, from wherever the packet comes.
      const reached = isPodAddress(network, address) ? address : (nodes.managementOf(address) ?? address);
      backends.push({ text: addressAndPort(reached, port), endpoint });
    }
  }
  return backends;
}

/** Sorted, each once. */
export function backendTexts(backends: readonly Backend[]): readonly string[] {
  const texts = backends.map(({ text }) => text).sort();
  for (let position = 1; position < texts.length; position++) {
    if (texts[position] === texts[position - 1]) return [...new Set(texts)];
  }
  return texts;
}

/** Endpoints outside of the cluster's networks that belong to no node. */
export function strangers(
  network: NetworkConfig,
  slices: readonly EndpointSliceRecord[],
  nodes: ServiceNodes,
): readonly string[] {
  const addresses = new Set<string>();
  for (const { endpoints } of slices) {
    for (const { address } of endpoints) {
      if (isPodAddress(network, address) || nodes.managementOf(address) !== undefined) continue;
      if (parseAddress(address) !== undefined) addresses.add(address);
    }
  }
  return [...addresses];
}

/** What of the nodes a service's bundle depends on, beside the zones. */
export interface ServiceDependencies {
  /** Nodes for which the bundle has (or would have) rows: those with endpoints, when a traffic policy is Local. */
  readonly nodes: ReadonlySet<string>;
  /** Addresses for which `managementOf` is asked. */
  readonly addresses: ReadonlySet<string>;
  /** Whether the number of addresses that nodes have counts. */
  readonly slots: boolean;
}

const nothing: ReadonlySet<string> = new Set();

/** Says which changes of nodes ask for the service's bundle anew. */
export function serviceDependencies(
  network: NetworkConfig,
  service: ServiceRecord,
  slices: readonly EndpointSliceRecord[],
): ServiceDependencies {
  if (service.skipped) return { nodes: nothing, addresses: nothing, slots: false };
  const isLocal = service.internalLocal || service.externalLocal;
  let nodes: Set<string> | undefined;
  let addresses: Set<string> | undefined;
  for (const { endpoints } of slices) {
    for (const { address, node } of endpoints) {
      if (isLocal && node !== undefined) {
        nodes ??= new Set();
        nodes.add(node);
      }
      if (!isPodAddress(network, address)) {
        addresses ??= new Set();
        addresses.add(address);
      }
    }
  }
  const slots = service.ports.some(({ nodePort }) => nodePort !== undefined);
  return { nodes: nodes ?? nothing, addresses: addresses ?? nothing, slots };
}
