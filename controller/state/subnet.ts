import { defaultTenant, subnetSpec } from "@ovenbird/kube";
import type { Family } from "../ipam/address.ts";
import { contains, formatAddress, parseAddress } from "../ipam/address.ts";
import { rangeOf } from "../ipam/range.ts";
import type { AddressRange } from "../pools/address-range.ts";
import { unusableRanges } from "../pools/address-range.ts";
import { isAbsent, listAt, objectAt, type RawObject, textAt } from "./raw-object.ts";
import {
  type Complain,
  projectResource,
  readAddressPair,
  readCidr,
  readNamespaceSelection,
  readRanges,
  requireLabelName,
  textsAt,
} from "./resource-record.ts";
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

const modes = ["PerNode", "Cluster", "Underlay"] as const satisfies readonly SubnetMode[];
const egressModes = ["Node", "Address", "Routed", "None"] as const satisfies readonly EgressMode[];
const defaultNodePrefix: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };
/** Router and at least a pod, beside an IPv4 network's own two addresses; of a node's block as the cluster's have it. */
const longestPrefix: Readonly<Record<Family, number>> = { 4: 30, 6: 126 };
const longestNodePrefix: Readonly<Record<Family, number>> = { 4: 29, 6: 120 };
/** RFC 8200 section 5. */
const leastIpv6MtuBytes = 1280;

function readNetworks(spec: RawObject, mode: SubnetMode, complain: Complain): readonly SubnetNetwork[] {
  const networks: SubnetNetwork[] = [];
  const gateways = readAddressPair(spec.gateways, "gateways", complain).flatMap((text) => parseAddress(text) ?? []);
  const used = new Set<Family>();
  for (const [index, text] of textsAt(spec.cidrs).entries()) {
    const cidr = readCidr(text, "cidrs", complain);
    if (cidr === undefined) continue;
    const { family, base, prefixLength } = cidr;
    const { first, last } = rangeOf(cidr);
    if (networks.some((network) => network.family === family)) {
      complain(`cidrs: ${text} is a second IPv${family} network`);
      continue;
    }
    if (prefixLength > longestPrefix[family]) {
      complain(`cidrs: ${text} has no room for a router and a pod; /${longestPrefix[family]} is the smallest`);
      continue;
    }
    if (unusableRanges.some((range) => range.family === family && range.first <= last && first <= range.last)) {
      complain(`cidrs: ${text} holds loopback, link-local, multicast or reserved addresses`);
      continue;
    }
    const given = gateways.find((address) => address.family === family);
    const gateway = given ?? { family, value: base + 1n };
    const isEdge = gateway.value === first || (family === 4 && gateway.value === last);
    if (!contains(cidr, gateway) || isEdge) {
      complain(`gateways: ${formatAddress(gateway)} is no address of a host in ${cidr.text}`);
      continue;
    }
    let nodePrefixLength: number | undefined;
    if (mode === "PerNode") {
      const length = listAt(spec.nodePrefixLengths)[index] ?? defaultNodePrefix[family];
      const longest = longestNodePrefix[family];
      if (typeof length !== "number" || length < prefixLength || length > longest) {
        complain(
          `nodePrefixLengths: ${String(length)} is not between ${prefixLength} and ${longest}, as ${cidr.text} needs`,
        );
        continue;
      }
      nodePrefixLength = length;
    }
    used.add(family);
    networks.push({ family, cidr: cidr.text, gateway: formatAddress(gateway), nodePrefixLength });
  }
  const stray = gateways.find(
    ({ family }) => !textsAt(spec.cidrs).some((text) => text.includes(":") === (family === 6)),
  );
  if (stray !== undefined) complain(`gateways: ${formatAddress(stray)} is in none of the networks`);
  return Object.freeze(networks.sort((a, b) => a.family - b.family).map((network) => Object.freeze(network)));
}

/** Projects a Subnet as the API gives it; never throws. */
export function projectSubnet(raw: unknown): SubnetRecord {
  return projectResource(raw, subnetSpec, (spec, complain, object) => {
    requireLabelName(object, complain);
    const mode = modes.find((each) => each === spec.mode) ?? "Cluster";
    const networks = readNetworks(spec, mode, complain);
    const { mode: rawEgress, addresses } = objectAt(spec.egress);
    // What can't be read lets nobody out.
    const egress = isAbsent(rawEgress) ? "Node" : (egressModes.find((each) => each === rawEgress) ?? "None");
    const egressAddresses = readAddressPair(addresses, "egress.addresses", complain);
    if ((egress === "Address") !== egressAddresses.length > 0) {
      complain("egress: addresses are wanted with mode Address, and with nothing else");
    }
    const { providerNetwork, vlan } = objectAt(spec.underlay);
    const provider = textAt(providerNetwork);
    if ((mode === "Underlay") !== (provider !== undefined)) {
      complain("underlay is wanted with mode Underlay, and with no other");
    }
    const mtuBytes = typeof spec.mtu === "number" ? spec.mtu : undefined;
    if (mtuBytes !== undefined && mtuBytes < leastIpv6MtuBytes && networks.some(({ family }) => family === 6)) {
      complain(`mtu: ${mtuBytes} is less than the ${leastIpv6MtuBytes} that IPv6 needs`);
    }
    if (mode === "PerNode" && spec.statefulSets === "Keep") {
      complain("statefulSets: pods keep no addresses in mode PerNode, where each node has its own");
    }
    return {
      tenant: textAt(spec.tenant) ?? defaultTenant,
      mode,
      networks,
      excluded: readRanges(spec.excluded, "excluded", complain),
      mtuBytes,
      egress,
      egressAddresses,
      underlay:
        mode === "Underlay" && provider !== undefined
          ? Object.freeze({ providerNetwork: provider, vlan: typeof vlan === "number" ? vlan : undefined })
          : undefined,
      namespaces: readNamespaceSelection(spec.namespaces, complain),
      isDefault: spec.default === true,
      dhcp: spec.dhcp === true,
      keepsStatefulSets: mode !== "PerNode" && spec.statefulSets !== "Forget",
    };
  });
}
