import { type Address, cidrOf, contains, type Family, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import type { NodeTopology } from "./node-topology.ts";

/**
 * A network that nodes' gateway bridges are on, as those nodes say: there pods can have addresses other than the nodes'
 * (EgressIP, FloatingIP, a subnet's egress addresses), at home on whichever of the nodes.
 */
export interface OutletNetwork {
  /** The same for the same network, whatever nodes are on it: its networks as text. */
  readonly key: string;
  readonly physicalNetwork: string;
  /** IPv4 first. */
  readonly networks: readonly OutletCidr[];
  /** The next hops to the world, at most one per family, IPv4 first. */
  readonly nextHops: readonly string[];
  /** Sorted by name. */
  readonly nodes: readonly OutletNode[];
}

export interface OutletCidr {
  readonly family: Family;
  readonly text: string;
  readonly prefixLength: number;
}

export interface OutletNode {
  readonly name: string;
  /** `Chassis.name`. */
  readonly systemId: string;
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);

/** The next hop of the family, if the network has one. */
export function nextHopOf({ nextHops }: OutletNetwork, family: Family): string | undefined {
  return nextHops.find((address) => familyOf(address) === family);
}

function isWithin(network: string, address: Address): boolean {
  const parsed = parseAddressWithPrefix(network);
  return parsed !== undefined && contains(cidrOf(parsed, parsed.prefixLength), address);
}

/** The first network in which all addresses lie. */
export function outletNetworkOf(
  networks: readonly OutletNetwork[],
  addresses: readonly string[],
): OutletNetwork | undefined {
  const parsed = addresses.map(parseAddress);
  return networks.find((outlet) =>
    parsed.every((address) => address !== undefined && outlet.networks.some(({ text }) => isWithin(text, address))),
  );
}

/**
 * The networks of all nodes with a gateway bridge, by key. One switch leads to all of them, so they have one name in
 * `ovn-bridge-mappings`: nodes that call theirs otherwise than most do can't be at the end of it.
 */
export function outletNetworks(nodes: Iterable<NodeTopology>): readonly OutletNetwork[] {
  const found = new Map<
    string,
    { physicalNetwork: string; networks: OutletCidr[]; nextHops: string[]; nodes: OutletNode[] }
  >();
  for (const { name, chassis } of nodes) {
    const { gateway } = chassis ?? {};
    if (chassis === undefined || gateway === undefined) continue;
    const networks = ([4, 6] as const).flatMap((family) => {
      const address = gateway.addresses.map(parseAddressWithPrefix).find((candidate) => candidate?.family === family);
      if (address === undefined) return [];
      const { prefixLength } = address;
      return [{ family, text: cidrOf(address, prefixLength).text, prefixLength }];
    });
    const nextHops = [...gateway.nextHops].sort((one, other) => familyOf(one) - familyOf(other));
    const id = JSON.stringify([gateway.physicalNetwork, networks.map(({ text }) => text), nextHops]);
    const known = found.get(id) ?? { physicalNetwork: gateway.physicalNetwork, networks, nextHops, nodes: [] };
    known.nodes.push({ name, systemId: chassis.systemId });
    found.set(id, known);
  }
  const counts = new Map<string, number>();
  for (const { physicalNetwork, nodes: of } of found.values()) {
    counts.set(physicalNetwork, (counts.get(physicalNetwork) ?? 0) + of.length);
  }
  const [most] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const keys = new Set<string>();
  return [...found]
    .filter(([, { physicalNetwork }]) => physicalNetwork === most?.[0])
    .sort(([a, { nodes: one }], [b, { nodes: other }]) => other.length - one.length || (a < b ? -1 : 1))
    .flatMap(([, each]) => {
      const key = each.networks.map(({ text }) => text).join("+");
      // Nodes of one network that name other routers: most of them decide.
      if (key === "" || keys.has(key)) return [];
      keys.add(key);
      return [{ ...each, key, nodes: each.nodes.sort((a, b) => (a.name < b.name ? -1 : 1)) }];
    });
}
