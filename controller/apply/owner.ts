import type { UntypedRow } from "ovsdb-client-ts";
import type { Owner } from "../translate/desired.ts";
import { ownerKey, ownerText } from "../translate/owner.ts";
import { groupOwner } from "./group-owner.ts";

/** An {@link Owner} as one string, `kind/key`: the applier's unit of work. */
export type OwnerName = string;

export function ownerName(owner: Owner): OwnerName {
  return ownerText(owner);
}

/** Whose row it is, after what the row itself says; undefined for a row that is not ours. */
export function ownerNameOf(table: string, row: UntypedRow): OwnerName | undefined {
  const externalIds = row.external_ids;
  if (typeof externalIds !== "object" || externalIds === null) {
    const group = table === "Load_Balancer_Group" ? groupOwner(String(row.name), row._uuid) : undefined;
    return group === undefined ? undefined : withoutPart(group);
  }
  const text = (externalIds as ReadonlyMap<string, string>).get(ownerKey);
  return text === undefined ? undefined : withoutPart(text);
}

/** `kind/key` of `kind/key#part`. */
export function withoutPart(owner: string): OwnerName {
  const hash = owner.indexOf("#");
  return hash < 0 ? owner : owner.slice(0, hash);
}

const later = "#later";

/** The name under which an owner's second turn in a list of changes is kept: it has no bundle of its own, and only takes away. */
export function laterTurn(owner: OwnerName): OwnerName {
  return `${owner}${later}`;
}

export function isLaterTurn(owner: OwnerName): boolean {
  return owner.endsWith(later);
}
