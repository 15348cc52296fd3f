import { bitsOf, cidrOf, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { NodeRecord } from "../state/node.ts";
import { type AddressRange, rangeOfCidr } from "./address-range.ts";

/** The networks that the cluster itself uses. */
export function rangesOfNetworks({
  families,
  services,
  infrastructure,
}: Pick<NetworkConfig, "families" | "services" | "infrastructure">): AddressRange[] {
  const routed = families.flatMap(({ cluster, join }) => [cluster, join]);
  return [...routed, ...services.cidrs, ...infrastructure].map(rangeOfCidr);
}

/** A node's own addresses, its next hops, and of its IPv4 networks the network's and the broadcast address. */
export function rangesOfNode({ internalAddresses, chassis }: NodeRecord): AddressRange[] {
  const ranges: AddressRange[] = [];
  const addOne = (text: string): void => {
    const address = parseAddress(text);
    if (address !== undefined) ranges.push({ family: address.family, first: address.value, last: address.value });
  };
  for (const text of [...internalAddresses, ...(chassis?.gateway?.nextHops ?? [])]) addOne(text);
  for (const text of chassis?.gateway?.addresses ?? []) {
    addOne(text.split("/")[0] ?? "");
    const parsed = parseAddressWithPrefix(text);
    // RFC 3021: a network of two addresses has neither.
    if (parsed === undefined || parsed.family !== 4 || parsed.prefixLength > bitsOf(4) - 2) continue;
    const { family, first, last } = rangeOfCidr(cidrOf(parsed, parsed.prefixLength));
    ranges.push({ family, first, last: first }, { family, first: last, last });
  }
  return ranges;
}
