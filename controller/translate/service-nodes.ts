import type { Family } from "../ipam/address.ts";

/** What services need to know of the nodes. A change of it concerns few services: none is looked at per node. */
export interface ServiceNodes {
  /** Zones of nodes, sorted; the empty one is always there. The same array as long as nothing changed. */
  readonly zones: readonly string[];
  /** The most addresses that any node has, by family; at least one. */
  readonly slots: Readonly<Record<Family, number>>;
  node(name: string): ServiceNode | undefined;
  /** The management address, of the same family, of the node that has the address. */
  managementOf(address: string): string | undefined;
  /** Whether a pod has it that is in a subnet. */
  isOfSubnet(address: string): boolean;
}

export interface ServiceNode {
  readonly zone: string;
  readonly addresses: readonly string[];
  readonly management: readonly string[];
  /** Whether there is a gateway router, and so a group of its own. */
  readonly hasGateway: boolean;
}
