import { type Family, ipv4Value, ipv6Groups } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
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

/** The networks of pods and of joints as numbers: asking costs every endpoint, so it has to be quick. */
interface PodNetworks {
  readonly ipv4: readonly { readonly base: number; readonly size: number }[];
  readonly ipv6: readonly { readonly groups: Uint16Array; readonly prefixLength: number }[];
}

const podNetworks = new WeakMap<NetworkConfig, PodNetworks>();

function podNetworksOf(network: NetworkConfig): PodNetworks {
  let networks = podNetworks.get(network);
  if (networks === undefined) {
    const cidrs = [...network.families.flatMap(({ cluster, join }) => [cluster, join]), ...network.infrastructure];
    networks = {
      ipv4: cidrs
        .filter(({ family }) => family === 4)
        .map(({ base, prefixLength }) => ({ base: Number(base), size: 2 ** (32 - prefixLength) })),
      ipv6: cidrs
        .filter(({ family }) => family === 6)
        .map(({ base, prefixLength }) => ({ groups: ipv6Groups(base), prefixLength })),
    };
    podNetworks.set(network, networks);
  }
  return networks;
}

/** The groups of 16 bits of an address in canonical form. */
function groupsOf(canonical: string): readonly number[] {
  const gap = canonical.indexOf("::");
  const read = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  if (gap < 0) return read(canonical);
  const first = read(canonical.slice(0, gap));
  const last = read(canonical.slice(gap + 2));
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
}

function startsWith(address: readonly number[], groups: Uint16Array, prefixLength: number): boolean {
  const whole = prefixLength >> 4;
  for (let position = 0; position < whole; position++) if (address[position] !== groups[position]) return false;
  const shift = 16 - (prefixLength & 15);
  return shift === 16 || (address[whole] ?? 0) >> shift === (groups[whole] ?? 0) >> shift;
}

/**
 * Whether an endpoint is a pod of the cluster's networks; else it is a node, or reached through a gateway.
 * @param address in canonical form
 */
export function isPodAddress(network: NetworkConfig, address: string): boolean {
  const { ipv4, ipv6 } = podNetworksOf(network);
  if (address.includes(":")) {
    const own = groupsOf(address);
    return ipv6.some(({ groups, prefixLength }) => startsWith(own, groups, prefixLength));
  }
  const value = ipv4Value(address);
  return ipv4.some(({ base, size }) => value >= base && value < base + size);
}

const none: ReadonlySet<string> = new Set();
const outsidersOfSlices = new WeakMap<NetworkConfig, WeakMap<EndpointSliceRecord, ReadonlySet<string>>>();

/** The addresses of a slice that are no pods'; found once for each state of a slice, for nearly all have none. */
function outsidersOf(network: NetworkConfig, slice: EndpointSliceRecord): ReadonlySet<string> {
  let ofNetwork = outsidersOfSlices.get(network);
  if (ofNetwork === undefined) {
    ofNetwork = new WeakMap();
    outsidersOfSlices.set(network, ofNetwork);
  }
  let outsiders = ofNetwork.get(slice);
  if (outsiders === undefined) {
    const found = slice.endpoints.flatMap(({ address }) => (isPodAddress(network, address) ? [] : [address]));
    outsiders = found.length === 0 ? none : new Set(found);
    ofNetwork.set(slice, outsiders);
  }
  return outsiders;
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
    const outsiders = outsidersOf(network, slice);
    for (const endpoint of slice.endpoints) {
      const { address } = endpoint;
      // A pod in the node's network is reached at its node's management port, from wherever the packet comes.
      const reached = outsiders.has(address) ? (nodes.managementOf(address) ?? address) : address;
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
  for (const slice of slices) {
    for (const address of outsidersOf(network, slice)) {
      if (nodes.managementOf(address) === undefined && !nodes.isOfSubnet(address)) addresses.add(address);
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
  for (const slice of slices) {
    const outsiders = outsidersOf(network, slice);
    if (outsiders.size > 0) {
      addresses ??= new Set();
      for (const address of outsiders) addresses.add(address);
    }
    if (!isLocal) continue;
    for (const { node } of slice.endpoints) {
      if (node === undefined) continue;
      nodes ??= new Set();
      nodes.add(node);
    }
  }
  const slots = service.ports.some(({ nodePort }) => nodePort !== undefined);
  return { nodes: nodes ?? nothing, addresses: addresses ?? nothing, slots };
}
