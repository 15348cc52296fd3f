import { type Address, type Cidr, cidrOf, contains, parseAddressWithPrefix } from "../ipam/address.ts";
import type { Labels } from "../state/labels.ts";
import type { AddressBlock, Peer, PolicyRule, PortMatch, TransportProtocol } from "../state/policy.ts";
import { meetsAll, namedPortKey, selects } from "../state/selector.ts";
import type { Party } from "./party.ts";

/** What a packet is of; `icmp` stands for all that has no ports. */
export type PacketProtocol = TransportProtocol | "icmp";

/** What is known of domain names: their addresses. */
export type DomainAddresses = (names: readonly string[]) => readonly string[];

interface ParsedBlock {
  readonly cidr: Cidr | undefined;
  readonly except: readonly Cidr[];
}

const parsedBlocks = new WeakMap<AddressBlock, ParsedBlock>();

export function parseCidr(text: string): Cidr | undefined {
  const parsed = parseAddressWithPrefix(text);
  return parsed && cidrOf(parsed, parsed.prefixLength);
}

function parsedBlock(block: AddressBlock): ParsedBlock {
  let parsed = parsedBlocks.get(block);
  if (parsed === undefined) {
    parsed = { cidr: parseCidr(block.cidr), except: block.except.flatMap((text) => parseCidr(text) ?? []) };
    parsedBlocks.set(block, parsed);
  }
  return parsed;
}

/**
 * Whether a block holds the party. A node's management address counts as the node's own addresses where the block's network
 * holds one of them, else as what it is.
 */
function blockHolds(block: AddressBlock, party: Party): boolean {
  const { cidr, except } = parsedBlock(block);
  if (cidr === undefined || cidr.family !== party.family) return false;
  const isIn = (address: Address): boolean =>
    contains(cidr, address) && !except.some((part) => contains(part, address));
  if (party.kind !== "node") return isIn(party.parsed);
  const judged = party.standsFor.filter((address) => contains(cidr, address));
  return judged.length > 0 ? judged.some(isIn) : isIn(party.parsed);
}

function peerMatches(peer: Peer, party: Party, domains: DomainAddresses): boolean {
  switch (peer.kind) {
    case "pods":
      return party.kind === "pod" && selects(peer.selector, party.namespace, party.namespaceLabels, party.labels);
    case "networks":
      return blockHolds(peer.block, party);
    case "nodes":
      return party.kind === "node" && meetsAll(party.labels, peer.requirements);
    case "domains":
      return domains(peer.names).includes(party.address);
  }
}

export function peersMatch(peers: PolicyRule["peers"], party: Party, domains: DomainAddresses): boolean {
  return peers === "any" || peers.some((peer) => peerMatches(peer, party, domains));
}

/** The numbers that a port match stands for at a destination; undefined when none. */
export function portRange(
  match: PortMatch,
  destination: Labels | undefined,
): { readonly first: number; readonly last: number } | undefined {
  if (match.kind === "range") return match;
  const number = Number(destination?.[namedPortKey(match.protocol, match.name)]);
  return Number.isInteger(number) ? { first: number, last: number } : undefined;
}

/**
 * @param destination the labels of the pod to which the packet goes, since it says what named ports are
 * @param port counts for nothing with `icmp`
 */
export function portsMatch(
  ports: PolicyRule["ports"],
  destination: Labels | undefined,
  protocol: PacketProtocol,
  port: number,
): boolean {
  if (ports === "any") return true;
  return ports.some((match) => {
    if (match.protocol !== protocol) return false;
    const range = portRange(match, destination);
    return range !== undefined && range.first <= port && port <= range.last;
  });
}

/**
 * Whether a rule is about a peer, and by what: `pods` when one of its selectors (or that it names no peers) says so.
 */
export function peersMatchBy(
  peers: PolicyRule["peers"],
  party: Party,
  domains: DomainAddresses,
): "pods" | "addresses" | undefined {
  if (peers === "any") return "pods";
  const matching = peers.filter((peer) => peerMatches(peer, party, domains));
  if (matching.length === 0) return undefined;
  return matching.some(({ kind }) => kind === "pods") ? "pods" : "addresses";
}

/**
 * Whether a rule matches. In egress the destination says what named ports are, and a peer that is meant by its address
 * has no names.
 */
export function ruleMatches(
  { direction, peers, ports }: PolicyRule,
  peer: Party,
  {
    protocol,
    port,
    destination,
  }: { readonly protocol: PacketProtocol; readonly port: number; readonly destination: Labels | undefined },
  domains: DomainAddresses,
): boolean {
  const by = peersMatchBy(peers, peer, domains);
  if (by === undefined) return false;
  return portsMatch(ports, direction === "ingress" || by === "pods" ? destination : undefined, protocol, port);
}

/** The labels under which the ports that a rule names count. */
export function namedPortsOf({ ports }: PolicyRule): readonly string[] {
  if (ports === "any") return [];
  return ports.flatMap((match) => (match.kind === "named" ? [namedPortKey(match.protocol, match.name)] : []));
}
