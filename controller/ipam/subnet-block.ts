import type { SubnetNetwork } from "../state/subnet.ts";
import { bitsOf, type Cidr, cidrOf, contains, formatAddress, parseAddressWithPrefix } from "./address.ts";

/** A subnet's network as an integer; a record has only networks that can be read. */
export function networkCidr({ cidr }: Pick<SubnetNetwork, "cidr">): Cidr | undefined {
  const parsed = parseAddressWithPrefix(cidr);
  return parsed && cidrOf(parsed, parsed.prefixLength);
}

/**
 * A node's block of a `PerNode` subnet's network. It follows from the node's number, as in the cluster's own network.
 * @returns undefined where the network has no such block
 */
export function subnetBlock(network: SubnetNetwork, nodeNumber: number): Cidr | undefined {
  const whole = networkCidr(network);
  const { nodePrefixLength } = network;
  if (whole === undefined || nodePrefixLength === undefined) return undefined;
  const { family, base } = whole;
  const value = base + (BigInt(nodeNumber) << BigInt(bitsOf(family) - nodePrefixLength));
  return contains(whole, { family, value }) ? cidrOf({ family, value }, nodePrefixLength) : undefined;
}

/** The router's address in a block: the first after the block's own. */
export const blockGateway = ({ family, base }: Cidr): string => formatAddress({ family, value: base + 1n });
