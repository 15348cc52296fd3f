import type { Uuid } from "ovsdb-client-ts";
import type { Bundle, DesiredRow, Membership } from "../translate/desired.ts";
import type { OwnerName } from "./owner.ts";

/** The members that a set column of one row shall have, each with the owner (rarely owners) it is there for. */
export type DesiredMembers = ReadonlyMap<string, OwnerName | readonly OwnerName[]>;

/** What changed when a bundle was replaced. */
export interface Replaced {
  /** Rows that are wanted now and were not before. */
  readonly came: readonly DesiredRow[];
  /** What is no longer wanted. */
  readonly rows: readonly DesiredRow[];
  readonly memberships: readonly Membership[];
}

/** All rows and memberships that shall exist, by owner and by row. */
export interface DesiredStore {
  readonly owners: number;
  bundle(owner: OwnerName): Bundle | undefined;
  /** The row as its owner's bundle has it; bundles may make their rows anew each time, so it is not for keeping. */
  row(uuid: Uuid): DesiredRow | undefined;
  hasRow(uuid: Uuid): boolean;
  /** Whose bundle has the row. */
  rowOwner(uuid: Uuid): OwnerName | undefined;
  /** The members wanted in one column of a row, undefined when there are none. */
  members(row: Uuid, column: string): DesiredMembers | undefined;
  /** All columns of a row that have wanted members. */
  targets(row: Uuid): ReadonlyMap<string, DesiredMembers> | undefined;
  hasMember(membership: Membership): boolean;
  /** Replaces what an owner contributes; undefined for nothing. */
  replace(owner: OwnerName, bundle: Bundle | undefined): Replaced;
}

export function ownersOf(holder: OwnerName | readonly OwnerName[]): readonly OwnerName[] {
  return typeof holder === "string" ? [holder] : holder;
}

export function createDesiredStore(): DesiredStore {
  const bundles = new Map<OwnerName, Bundle>();
  const rowOwners = new Map<Uuid, OwnerName>();
  const targets = new Map<Uuid, Map<string, Map<string, OwnerName | readonly OwnerName[]>>>();

  function addMember(owner: OwnerName, { row, column, member }: Membership): void {
    let columns = targets.get(row);
    if (columns === undefined) {
      columns = new Map();
      targets.set(row, columns);
    }
    let members = columns.get(column);
    if (members === undefined) {
      members = new Map();
      columns.set(column, members);
    }
    const holder = members.get(member);
    members.set(member, holder === undefined ? owner : [...ownersOf(holder), owner]);
  }

  function removeMember(owner: OwnerName, { row, column, member }: Membership): void {
    const columns = targets.get(row);
    const members = columns?.get(column);
    const holder = members?.get(member);
    if (columns === undefined || members === undefined || holder === undefined) return;
    const owners = [...ownersOf(holder)];
    const position = owners.indexOf(owner);
    if (position >= 0) owners.splice(position, 1);
    const [first, ...others] = owners;
    if (first !== undefined) {
      members.set(member, others.length === 0 ? first : owners);
      return;
    }
    members.delete(member);
    if (members.size > 0) return;
    columns.delete(column);
    if (columns.size === 0) targets.delete(row);
  }

  function hasMember({ row, column, member }: Membership): boolean {
    return targets.get(row)?.get(column)?.has(member) ?? false;
  }

  return {
    get owners() {
      return bundles.size;
    },
    bundle: (owner) => bundles.get(owner),
    row(uuid) {
      const owner = rowOwners.get(uuid);
      return owner === undefined ? undefined : bundles.get(owner)?.rows.find((row) => row.uuid === uuid);
    },
    hasRow: (uuid) => rowOwners.has(uuid),
    rowOwner: (uuid) => rowOwners.get(uuid),
    members: (row, column) => targets.get(row)?.get(column),
    targets: (row) => targets.get(row),
    hasMember,
    replace(owner, bundle) {
      const former = bundles.get(owner);
      const formerRows = former?.rows ?? [];
      const formerMemberships = former?.memberships ?? [];
      const rows = bundle?.rows ?? [];
      const came = rows.filter((row) => !rowOwners.has(row.uuid));
      for (const row of formerRows) rowOwners.delete(row.uuid);
      for (const membership of formerMemberships) removeMember(owner, membership);
      if (bundle === undefined) bundles.delete(owner);
      else {
        bundles.set(owner, bundle);
        for (const row of rows) rowOwners.set(row.uuid, owner);
        for (const membership of bundle.memberships) addMember(owner, membership);
      }
      return {
        came,
        rows: formerRows.filter((row) => !rowOwners.has(row.uuid)),
        memberships: formerMemberships.filter((membership) => !hasMember(membership)),
      };
    },
  };
}
