import type { Uuid } from "ovsdb-client-ts";
import type { Family } from "../ipam/address.ts";
import type { AddressBlock } from "../state/policy.ts";
import { canonicalRequirements } from "../state/selector.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { ownAddressesPart, podSelectorOwner, selectsKey, textKey } from "./pod-group.ts";
import type { AddressSetContent } from "./policy-sets.ts";

const families: readonly Family[] = [4, 6];

const ownerKinds = { networks: "AddressBlocks", nodes: "NodeSelector", domains: "DomainNames" } as const;

function blocksText(blocks: readonly AddressBlock[]): string {
  const texts = blocks.map(({ cidr, except }) => [cidr, ...[...new Set(except)].sort()].join(" - "));
  return [...new Set(texts)].sort().join(", ");
}

/** Equal contents have equal texts: what tells address sets apart, and says to people what is in one. */
export function contentText(content: AddressSetContent): string {
  switch (content.kind) {
    case "pods":
      return content.own === true ? `${content.selector.text} by own addresses` : content.selector.text;
    case "networks":
      return [content.blocks, ...(content.within ?? [])].map(blocksText).sort().join(" & ");
    case "nodes":
      return canonicalRequirements(content.requirements).text;
    case "domains":
      return [...new Set(content.names)].sort().join(", ");
  }
}

/** Whose the address sets of a content are; those of pods are the selector's. */
export function addressSetOwner(content: AddressSetContent): Owner {
  if (content.kind === "pods") return podSelectorOwner(content.selector);
  const kind = ownerKinds[content.kind];
  return { kind, key: textKey(kind, contentText(content)) };
}

/** False for a content that can't have members of the family: networks without a block of it. */
export function canHold(content: AddressSetContent, family: Family): boolean {
  if (content.kind !== "networks") return true;
  const lists = [content.blocks, ...(content.within ?? [])];
  return lists.every((blocks) => blocks.some(({ cidr }) => cidr.includes(":") === (family === 6)));
}

/** The address set of a content and a family. The name is as in ACLs, without `$`. Costs two hashes: keep it. */
export function addressSet(
  content: AddressSetContent,
  family: Family,
): { readonly name: string; readonly uuid: Uuid; readonly owner: string } {
  const { kind, key } = addressSetOwner(content);
  const part = content.kind === "pods" && content.own === true ? ownAddressesPart(family) : `ipv${family}`;
  const owner = ownerText({ kind, key }, part);
  return { name: `${content.kind}_${key.slice(0, 16)}.${part}`, uuid: rowUuid("Address_Set", owner), owner };
}

/**
 * The rows and members of a content that is not pods (those are `podSelectorBundle`, and the pods' own memberships).
 * @param members addresses or networks in canonical text, each once; without a family that nobody uses
 */
export function addressSetBundle(
  content: Exclude<AddressSetContent, { readonly kind: "pods" }>,
  members: Readonly<Partial<Record<Family, readonly string[]>>>,
): Bundle {
  const rows: DesiredRow[] = [];
  const memberships: Membership[] = [];
  for (const family of families) {
    const ofFamily = members[family];
    if (ofFamily === undefined) continue;
    const { name, uuid, owner } = addressSet(content, family);
    const columns = { name, external_ids: { [selectsKey]: contentText(content) } };
    rows.push({ table: "Address_Set", uuid, owner, columns });
    for (const member of ofFamily) memberships.push({ table: "Address_Set", row: uuid, column: "addresses", member });
  }
  return { rows, memberships };
}
