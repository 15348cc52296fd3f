import type { Cidr, Family } from "../ipam/address.ts";
import type { Direction, Peer } from "../state/policy.ts";
import { selectorInTenants } from "../state/tenant-labels.ts";
import { coverage, networkMembers, networksWithin } from "./address-blocks.ts";
import { oneOf } from "./match.ts";
import type { PolicyContext } from "./policy-context.ts";
import type { AddressSetContent, PolicySets, TenantView } from "./policy-sets.ts";
import { possibleIntersection } from "./selector-contradiction.ts";

/** Addresses that all of these hold: usually one alone. */
export type PeerTerm = readonly AddressSetContent[];

/** Whoever some term holds; `any` is everybody, no term nobody. */
export type Peers = "any" | readonly PeerTerm[];

/** A rule's peers; its address blocks are one content, each selector another. */
export function peersOf(peers: readonly Peer[] | "any"): Peers {
  if (peers === "any") return "any";
  const terms: PeerTerm[] = [];
  const blocks = peers.flatMap((peer) => (peer.kind === "networks" ? [peer.block] : []));
  if (blocks.length > 0) terms.push([{ kind: "networks", blocks }]);
  const names = peers.flatMap((peer) => (peer.kind === "domains" ? peer.names : []));
  if (names.length > 0) terms.push([{ kind: "domains", names }]);
  for (const peer of peers) {
    if (peer.kind === "pods") terms.push([{ kind: "pods", selector: peer.selector }]);
    if (peer.kind === "nodes") terms.push([{ kind: "nodes", requirements: peer.requirements }]);
  }
  return terms;
}

/** Two contents as one, where there is one that says what both hold; undefined when nothing can be in both. */
function joined(a: AddressSetContent, b: AddressSetContent): PeerTerm | undefined {
  if (a.kind === "pods" && b.kind === "pods") {
    const selector = possibleIntersection(a.selector, b.selector);
    return selector && [{ kind: "pods", selector }];
  }
  if (a.kind === "networks" && b.kind === "networks") {
    const within = [...(a.within ?? []), b.blocks, ...(b.within ?? [])];
    return [{ kind: "networks", blocks: a.blocks, within }];
  }
  if (a.kind === "nodes" && b.kind === "nodes") {
    return [{ kind: "nodes", requirements: [...a.requirements, ...b.requirements] }];
  }
  if ((a.kind === "nodes" && b.kind === "pods") || (a.kind === "pods" && b.kind === "nodes")) return undefined;
  return [a, b];
}

function commonTerm(a: PeerTerm, b: PeerTerm): PeerTerm | undefined {
  let held: PeerTerm = a;
  for (const content of b) {
    const same = held.findIndex(({ kind }) => kind === content.kind);
    const partner = held[same < 0 ? 0 : same];
    if (partner === undefined) return undefined;
    const both = joined(partner, content);
    if (both === undefined) return undefined;
    held = [...held.filter((other) => other !== partner), ...both];
  }
  return held;
}

/** Whoever is among both. */
export function commonPeers(a: Peers, b: Peers): Peers {
  if (a === "any") return b;
  if (b === "any") return a;
  return a.flatMap((one) => b.flatMap((other) => [commonTerm(one, other) ?? []].filter(({ length }) => length > 0)));
}

/**
 * Those of the peers that are pods, by the addresses that they have for each other in a tenant; all others are met at addresses
 * that are the same for everybody. No term where nobody is met so.
 */
export function peersInView(peers: Peers, { sees }: TenantView): readonly PeerTerm[] {
  if (peers === "any") return [];
  return peers
    .filter((term) => term.some(({ kind }) => kind === "pods"))
    .map((term) =>
      term.map(
        (content): AddressSetContent =>
          content.kind === "pods"
            ? { kind: "pods", selector: selectorInTenants(content.selector, sees), own: true }
            : content,
      ),
    );
}

/** Networks that may stand in a match beside another set: ovn-controller's work is the product of the two. */
export const maxNetworksBeside = 100;

/** What in a term has to be beyond the bound {@link maxNetworksBeside}: an allow lets nobody of it through, a deny heeds the rest of the term alone. */
export interface BeyondBound {
  readonly action: "allow" | "deny";
  tell(): void;
}

/** A family of the cluster, and in which of its networks pods are. */
interface FamilyNetworks {
  readonly family: Family;
  readonly podNetworks: readonly Cidr[];
}

type Networks = Extract<AddressSetContent, { readonly kind: "networks" }>;

/** Networks beside another content: `none` where they hold nothing of it, `all` where they hold it wholly. */
function beside(
  content: Networks,
  others: PeerTerm,
  { family, podNetworks }: FamilyNetworks,
): Networks | "none" | "all" | "many" {
  if (!others.some((other) => other.kind === "pods" && other.own !== true)) {
    return networkMembers(content, family, []).length > maxNetworksBeside ? "many" : content;
  }
  // Pods are in the cluster's networks, so most often one set will do, and else a part of the networks.
  const lists = [content.blocks, ...(content.within ?? [])];
  if (lists.every((blocks) => podNetworks.every((network) => coverage(blocks, network) === "all"))) return "all";
  const networks = podNetworks.flatMap((network) => networksWithin(content, network));
  if (networks.length === 0) return "none";
  if (networks.length > maxNetworksBeside) return "many";
  return { kind: "networks", blocks: networks.map((cidr) => ({ cidr, except: [] })) };
}

/** The names of the sets in all of which an address of the family must be; undefined when there can be none. */
function setNames(
  term: PeerTerm,
  network: FamilyNetworks,
  sets: PolicySets,
  beyond: BeyondBound,
): string[] | undefined {
  const { family } = network;
  let contents = term;
  for (const content of term.length > 1 ? term : []) {
    if (content.kind !== "networks") continue;
    const others = contents.filter((other) => other !== content);
    const kept = beside(content, others, network);
    if (kept === "none") return undefined;
    if (kept === "many") {
      beyond.tell();
      if (beyond.action === "allow") return undefined;
    }
    contents = typeof kept === "string" ? others : [...others, kept];
  }
  const names: string[] = [];
  for (const content of contents) {
    const name = sets.addresses(content, family);
    if (name === undefined) return undefined;
    names.push(`$${name}`);
  }
  return names;
}

/** What an ACL's match says of peers. */
export interface PeersMatch {
  /** Undefined for everybody. */
  readonly family: Family | undefined;
  /** Any of these; an empty one for everybody. */
  readonly texts: readonly string[];
}

/**
 * One for each family: with both in one match, flows would multiply, and ovn-controller would make all of them anew for each
 * address that comes to a set. None for nobody.
 */
export function peersMatches(
  peers: Peers,
  direction: Direction,
  { network, podNetworks, sets }: Pick<PolicyContext, "network" | "podNetworks" | "sets">,
  beyond: BeyondBound,
): readonly PeersMatch[] {
  if (peers === "any") return [{ family: undefined, texts: [""] }];
  return network.families.flatMap(({ family }): PeersMatch[] => {
    const field = `ip${family}.${direction === "ingress" ? "src" : "dst"}`;
    const terms = peers.flatMap((term) => {
      const names = setNames(term, { family, podNetworks: podNetworks(family) }, sets, beyond);
      return names === undefined ? [] : [names];
    });
    const single = [...new Set(terms.flatMap((names) => (names.length === 1 ? names : [])))];
    const several = terms
      .filter(({ length }) => length > 1)
      .map((names) => names.map((name) => `${field} == ${name}`).join(" && "));
    const texts = single.length === 0 ? several : [`${field} == ${oneOf(single)}`, ...several];
    return texts.length === 0 ? [] : [{ family, texts }];
  });
}
