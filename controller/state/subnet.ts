import type { Family } from "../ipam/address.ts";
import type { AddressRange } from "../pools/address-range.ts";
import type { NamespaceSelection, ResourceRecord } from "./selection.ts";

/** A block for each node, one switch over all nodes, or a switch that is joined with a physical network. */
export type SubnetMode = "PerNode" | "Cluster" | "Underlay";
/** Translated to the node's address, to addresses of the subnet's own, not translated, or not at all. */
export type EgressMode = "Node" | "Address" | "Routed" | "None";

/** The networks of a subnet, at most one per family. */
export interface SubnetNetwork {
  readonly family: Family;
  /** In canonical form. */
  readonly cidr: string;
  /** The router's address; of an underlay, the physical router's. By default the first of the network. */
  readonly gateway: string;
  /** Of a node's block, in `PerNode` mode. */
  readonly nodePrefixLength: number | undefined;
}

/** What the controller keeps of a Subnet. */
export interface SubnetRecord extends ResourceRecord {
  readonly tenant: string;
  readonly mode: SubnetMode;
  /** IPv4 first. */
  readonly networks: readonly SubnetNetwork[];
  /** Addresses that nobody is given. */
  readonly excluded: readonly AddressRange[];
  /** The cluster's where absent. */
  readonly mtuBytes: number | undefined;
  readonly egress: EgressMode;
  /** With `Address`: what outside sees, at most one per family. */
  readonly egressAddresses: readonly string[];
  /** With `Underlay`. */
  readonly underlay: { readonly providerNetwork: string; readonly vlan: number | undefined } | undefined;
  /** Namespaces of its tenant whose pods have their addresses here. */
  readonly namespaces: NamespaceSelection;
  /** Where the tenant's pods are whose namespace no subnet selects. */
  readonly isDefault: boolean;
  readonly dhcp: boolean;
  /** Whether pods of StatefulSets keep their addresses, by ordinal. */
  readonly keepsStatefulSets: boolean;
}
