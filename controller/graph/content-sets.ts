import type { Uuid } from "ovsdb-client-ts";
import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { networkMembers, nodeMembers, type PolicyNode } from "../translate/address-blocks.ts";
import { addressSet, addressSetBundle, addressSetOwner, canHold, contentText } from "../translate/address-set.ts";
import type { Bundle, Owner } from "../translate/desired.ts";
import type { AddressSetContent } from "../translate/policy-sets.ts";
import { noteChange, type SetChanges, UseCounts, type UsedSet } from "./used-set.ts";

/** What an address set holds that isn't pods. */
export type OtherContent = Exclude<AddressSetContent, { readonly kind: "pods" }>;

export interface ContentSet extends UsedSet<Family> {
  /** The row, and its name without `$`; undefined when it can't have members of the family. */
  named(family: Family): { readonly name: string; readonly uuid: Uuid } | undefined;
}

/** Address sets of networks, nodes and domain names: few, and made anew as wholes when what they stand for changes. */
export interface ContentSets {
  of(content: OtherContent): ContentSet;
  /** Some node came, went, or has other labels or addresses. */
  touchNodes(): void;
  /** A policy may mean a domain name by each of these, and it leads elsewhere now. */
  touchDomains(patterns: readonly string[]): void;
  /** The rows and members that changed since the last time; sets that nobody asks for are forgotten. */
  flush(changes: SetChanges): void;
  bundleOf(owner: Owner): Bundle | undefined;
}

export interface ContentSetsOptions {
  readonly network: Pick<NetworkConfig, "families">;
  nodes(): readonly PolicyNode[];
  /** Of both families, in any order. */
  domainAddresses(names: readonly string[]): Iterable<string>;
}

class UsedContentSet implements ContentSet {
  readonly content: OtherContent;
  readonly owner: Owner;
  readonly uses = new UseCounts<Family>();
  /** As of the last flush. */
  bundle: Bundle | undefined;
  readonly #names: ReadonlyMap<Family, { readonly name: string; readonly uuid: Uuid }>;
  readonly #onChange: (set: UsedContentSet) => void;

  constructor(content: OtherContent, families: readonly Family[], onChange: (set: UsedContentSet) => void) {
    this.content = content;
    this.owner = addressSetOwner(content);
    const possible = families.filter((family) => canHold(content, family));
    this.#names = new Map(possible.map((family) => [family, addressSet(content, family)]));
    this.#onChange = onChange;
  }

  named(family: Family) {
    return this.#names.get(family);
  }

  acquire(use: Family): void {
    if (this.uses.add(use)) this.#onChange(this);
  }

  release(use: Family): void {
    if (this.uses.remove(use)) this.#onChange(this);
  }
}

const ownerId = ({ kind, key }: Owner): string => `${kind}/${key}`;
const isOf = (family: Family, address: string): boolean => address.includes(":") === (family === 6);

function sameBundle(one: Bundle | undefined, other: Bundle | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.rows.map(({ uuid }) => uuid).join() === other.rows.map(({ uuid }) => uuid).join() &&
    one.memberships.length === other.memberships.length &&
    one.memberships.every(({ row, member }, position) => {
      const counterpart = other.memberships[position];
      return row === counterpart?.row && member === counterpart.member;
    })
  );
}

export function createContentSets({ network, nodes, domainAddresses }: ContentSetsOptions): ContentSets {
  const families = network.families.map(({ family }) => family);
  const byText = new Map<string, UsedContentSet>();
  const byOwner = new Map<string, UsedContentSet>();
  const dirty = new Set<UsedContentSet>();
  const byPattern = new Map<string, Set<UsedContentSet>>();

  const textOf = (content: OtherContent): string => `${content.kind} ${contentText(content)}`;

  function setOf(content: OtherContent): UsedContentSet {
    const text = textOf(content);
    let set = byText.get(text);
    if (set === undefined) {
      set = new UsedContentSet(content, families, (changed) => dirty.add(changed));
      byText.set(text, set);
      byOwner.set(ownerId(set.owner), set);
      dirty.add(set);
      for (const pattern of patternsOf(content)) byPattern.set(pattern, (byPattern.get(pattern) ?? new Set()).add(set));
    }
    return set;
  }

  function forget(set: UsedContentSet): void {
    byText.delete(textOf(set.content));
    byOwner.delete(ownerId(set.owner));
    for (const pattern of patternsOf(set.content)) {
      const others = byPattern.get(pattern);
      others?.delete(set);
      if (others?.size === 0) byPattern.delete(pattern);
    }
  }

  const patternsOf = (content: OtherContent): readonly string[] => (content.kind === "domains" ? content.names : []);

  function members(content: OtherContent, family: Family, known: readonly PolicyNode[]): readonly string[] {
    if (content.kind === "networks") return networkMembers(content, family, known);
    if (content.kind === "nodes") return nodeMembers(content.requirements, family, known);
    return [...domainAddresses(content.names)].filter((address) => isOf(family, address)).sort();
  }

  function bundle({ content, uses }: UsedContentSet, known: readonly PolicyNode[]): Bundle | undefined {
    if (uses.isEmpty) return undefined;
    const used = families.filter((family) => uses.has(family));
    return addressSetBundle(
      content,
      Object.fromEntries(used.map((family) => [family, members(content, family, known)])),
    );
  }

  return {
    of: setOf,
    touchNodes() {
      for (const set of byText.values()) if (set.content.kind !== "domains") dirty.add(set);
    },
    touchDomains(patterns) {
      for (const pattern of patterns) for (const set of byPattern.get(pattern) ?? []) dirty.add(set);
    },
    flush(changes) {
      const known = dirty.size === 0 ? [] : nodes();
      for (const set of dirty) {
        const before = set.bundle;
        const now = bundle(set, known);
        if (!sameBundle(before, now)) {
          set.bundle = now;
          noteChange(changes, set.owner, before, now);
        }
        if (set.uses.isEmpty) forget(set);
      }
      dirty.clear();
    },
    bundleOf: (owner) => byOwner.get(ownerId(owner))?.bundle,
  };
}
