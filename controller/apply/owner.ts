import type { UntypedRow } from "ovsdb-client-ts";
import type { Owner } from "../translate/desired.ts";

/** The key in `external_ids` by which a row says whom it is for: `kind/key` or `kind/key#part`. */
export const ownerExternalId = "ovenbird.io/owner";

/** An {@link Owner} as one string, `kind/key`: the applier's unit of work. */
export type OwnerName = string;

export function ownerName(owner: Owner): OwnerName {
  return `${owner.kind}/${owner.key}`;
}

/** The inverse of {@link ownerName}. Kinds hold no slash; keys may (`namespace/name`). */
export function parseOwnerName(name: OwnerName): Owner {
  const slash = name.indexOf("/");
  return slash < 0 ? { kind: name, key: "" } : { kind: name.slice(0, slash), key: name.slice(slash + 1) };
}

/** Whose row it is, after what the row itself says; undefined for a row that is not ours. */
export function ownerNameOf(row: UntypedRow): OwnerName | undefined {
  const externalIds = row.external_ids;
  if (typeof externalIds !== "object" || externalIds === null) return undefined;
  const text = (externalIds as ReadonlyMap<string, string>).get(ownerExternalId);
  return text === undefined ? undefined : withoutPart(text);
}

/** `kind/key` of `kind/key#part`. */
export function withoutPart(owner: string): OwnerName {
  const hash = owner.indexOf("#");
  return hash < 0 ? owner : owner.slice(0, hash);
}
