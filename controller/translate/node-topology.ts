import type { NodeChassisAnnotation } from "@ovenbird/kube";
import { type Address, type Family, formatAddress } from "../ipam/address.ts";
import { blockCidr, firstGatewayOffset, joinAddress, managementOffset, routerOffset } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { macOfIpv4, macOfIpv6Join, macOfIpv6Place } from "./mac.ts";

/** What a node's rows depend on. */
export interface NodeTopology {
  readonly name: string;
  /** The number of the node's block. */
  readonly block: number;
  /** Empty for a node without one. */
  readonly zone: string;
  /** The node's own addresses of the families that the cluster has, in canonical form, sorted, each once. */
  readonly addresses: readonly string[];
  /** Absent until the node's agent has said which chassis it is. */
  readonly chassis: NodeChassisAnnotation | undefined;
}

/** A node's addresses of one family. */
export interface NodeFamily {
  readonly family: Family;
  /** The node's block. */
  readonly block: string;
  readonly blockPrefixLength: number;
  /** The tenant router's address on the node's switch. */
  readonly router: string;
  /** The address of the node's management port. */
  readonly management: string;
  /** All nodes' blocks. */
  readonly cluster: string;
  readonly join: string;
  readonly joinPrefixLength: number;
  /** The tenant router's address on the join switch. */
  readonly tenantOnJoin: string;
  /** The node's gateway router's address on the join switch. */
  readonly gatewayOnJoin: string;
}

/** The tenant router is the first on the join switch. */
export const tenantJoinOffset = 1;

/** The addresses that follow from the number of a node's block; IPv4 first. */
export function nodeFamilies(network: NetworkConfig, block: number): readonly NodeFamily[] {
  return network.families.map((family) => {
    const cidr = blockCidr(family, block);
    const inBlock = (offset: number): string => formatAddress(plus(cidr, offset));
    return {
      family: family.family,
      block: cidr.text,
      blockPrefixLength: cidr.prefixLength,
      router: inBlock(routerOffset),
      management: inBlock(managementOffset),
      cluster: family.cluster.text,
      join: family.join.text,
      joinPrefixLength: family.join.prefixLength,
      tenantOnJoin: formatAddress(joinAddress(family, tenantJoinOffset)),
      gatewayOnJoin: formatAddress(joinAddress(family, firstGatewayOffset + block)),
    };
  });
}

function plus({ family, base }: { readonly family: Family; readonly base: bigint }, offset: number): Address {
  return { family, value: base + BigInt(offset) };
}

/** The hardware address of the router's or the management port's place in a block. */
export function macInBlock(network: NetworkConfig, block: number, offset: number): string {
  const ipv4 = network.families.find(({ family }) => family === 4);
  return ipv4 === undefined ? macOfIpv6Place(block, offset) : macOfIpv4(Number(blockCidr(ipv4, block).base) + offset);
}

/** The hardware address of a router's port on the join switch. */
export function macOnJoin(network: NetworkConfig, offset: number): string {
  const ipv4 = network.families.find(({ family }) => family === 4);
  return ipv4 === undefined ? macOfIpv6Join(offset) : macOfIpv4(Number(ipv4.join.base) + offset);
}
