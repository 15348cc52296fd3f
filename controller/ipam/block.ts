import { type Address, bitsOf, type Cidr, cidrOf, contains, type Family, parseAddress } from "./address.ts";
import { capped, type FamilyNetwork, type NetworkConfig } from "./network-config.ts";

/** Where things lie in a node's block: 0 names the network. */
export const routerOffset = 1;
export const managementOffset = 2;
export const firstPodOffset = 3;

/** The first offset in the join network that a gateway router has; 1 is the tenant router's. */
export const firstGatewayOffset = 2;

/** IPv6 blocks are vast; this many addresses of one are used, so that what the pool remembers stays small. */
const mostIpv6Offsets = 16_384;

/** One more than the highest offset that a pod of this family may have in its node's block. */
export function endOfPodOffsets({ family, nodePrefixLength }: FamilyNetwork): number {
  const bits = bitsOf(family) - nodePrefixLength;
  // The last address of an IPv4 subnet is its broadcast address.
  return family === 4 ? capped(bits, 65_536) - 1 : capped(bits, mostIpv6Offsets);
}

/** The network of a node's block. */
export function blockCidr({ family, cluster, nodePrefixLength }: FamilyNetwork, block: number): Cidr {
  const value = cluster.base + (BigInt(block) << BigInt(bitsOf(family) - nodePrefixLength));
  return cidrOf({ family, value }, nodePrefixLength);
}

/** An address in the join network, by its offset. */
export function joinAddress({ family, join }: FamilyNetwork, offset: number): Address {
  return { family, value: join.base + BigInt(offset) };
}

/** A place in the cluster's networks: a node's block and an offset in it. */
export interface Place {
  readonly family: Family;
  readonly block: number;
  readonly offset: number;
}

/**
 * Where an address lies in the cluster's networks.
 * @param text an address, with or without a prefix length
 * @returns undefined for anything else, and for offsets that no one is ever given
 */
export function locate({ families }: NetworkConfig, text: string): Place | undefined {
  const address = parseAddress(text.split("/", 1)[0] ?? "");
  const network = families.find(({ family }) => family === address?.family);
  if (address === undefined || network === undefined || !contains(network.cluster, address)) return undefined;
  const difference = address.value - network.cluster.base;
  const shift = BigInt(bitsOf(network.family) - network.nodePrefixLength);
  const block = difference >> shift;
  const offset = difference - (block << shift);
  if (offset > 65_535n || block > 65_535n) return undefined;
  return { family: network.family, block: Number(block), offset: Number(offset) };
}
