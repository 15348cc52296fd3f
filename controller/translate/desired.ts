import type { OvnNorthbound } from "@ovenbird/ovsdb-schemas";
import type { Uuid } from "ovsdb-client-ts";

/** Northbound tables in which the controller keeps rows. */
export type NorthboundTable = keyof OvnNorthbound & string;

/** A value as a desired row holds it; sets are sorted arrays without repetition, maps are sorted by key. */
export type DesiredValue =
  | string
  | number
  | boolean
  | undefined
  | readonly (string | number)[]
  | Readonly<Record<string, string>>
  | Readonly<Record<string, number>>;

/**
 * Whom a row is for: `kind` and `key` name the Kubernetes object (or the part of the topology), `part` tells rows of
 * one owner apart. Written to `external_ids:ovenbird.io/owner` as `kind/key` or `kind/key#part`.
 */
export interface Owner {
  readonly kind: string;
  readonly key: string;
}

/** A row that shall exist. The columns named here are ours; others (`external_ids` of strangers, `up`, …) are not. */
export interface DesiredRow {
  readonly table: NorthboundTable;
  /** UUID v5 of (table, owner, part): known before the row exists, and the same for every controller. */
  readonly uuid: Uuid;
  /** The value of `external_ids:ovenbird.io/owner`. */
  readonly owner: string;
  readonly columns: Readonly<Record<string, DesiredValue>>;
}

/**
 * One member of a set column of a row that may belong to another owner (a port in its switch's `ports`, a port in a
 * group, an address in an address set). Such columns are never in a `DesiredRow`'s `columns`: their content is the
 * union of all memberships, and changes by `mutate` of single members.
 */
export interface Membership {
  readonly table: NorthboundTable;
  readonly row: Uuid;
  readonly column: string;
  readonly member: string;
}

/** All that one owner contributes to the northbound database; committed in one transaction, never in parts. */
export interface Bundle {
  readonly rows: readonly DesiredRow[];
  readonly memberships: readonly Membership[];
  /** Rows of other owners that the rows speak of by name: the bundle waits for these, as it does for those that hold its members. */
  readonly needs?: readonly Pick<DesiredRow, "table" | "uuid">[];
  /**
   * Whether a member that the bundle doesn't ask for any more belongs all the same, as long as the row of the set is there: it
   * goes as a whole then. By default only members that are rows may.
   */
  mayStayIn?(membership: Membership): boolean;
}

/**
 * The outcome of translation for one owner; without a bundle the owner's rows and memberships shall go. In a list of changes an
 * owner may come twice: what the second bundle lacks goes at the second's place, and all else is there from the first's on.
 */
export interface BundleChange {
  readonly owner: Owner;
  readonly bundle: Bundle | undefined;
  /** It is committed in one transaction with those next to it in the list of which this is true too. */
  readonly together?: boolean;
}
