import type { Uuid } from "ovsdb-client-ts";
import type { Bundle, DesiredRow, Membership } from "../translate/desired.ts";
import { MemberSet } from "./member-set.ts";
import type { OwnerName } from "./owner.ts";

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
  /** Whether any member is wanted in a column of a row. */
  hasMembers(row: Uuid, column: string): boolean;
  hasMember(membership: Omit<Membership, "table">): boolean;
  /**
   * Whose bundles bring members of a row, of all its columns or those given of one. It may look at all bundles there are: only for what
   * happens when somebody else changes the database.
   */
  holders(row: Uuid, of?: { readonly column: string; readonly members: ReadonlySet<string> }): Iterable<Holder>;
  /** Replaces what an owner contributes; undefined for nothing. */
  replace(owner: OwnerName, bundle: Bundle | undefined): Replaced;
}

/** An owner, and what of it is a member. */
export interface Holder {
  readonly owner: OwnerName;
  readonly column: string;
  readonly member: string;
}

export function createDesiredStore(): DesiredStore {
  const bundles = new Map<OwnerName, Bundle>();
  const rowOwners = new Map<Uuid, OwnerName>();
  const targets = new Map<Uuid, MemberSet>();
  /** How many bring a member beyond the first: seldom anybody. */
  const others = new Map<string, number>();

  const idOf = ({ row, column, member }: Omit<Membership, "table">): string => `${row} ${column} ${member}`;

  function membersOf(row: Uuid, column: string): MemberSet | undefined {
    let members = targets.get(row);
    while (members !== undefined && members.column !== column) members = members.next;
    return members;
  }

  function addMember(membership: Membership): void {
    const { row, column, member } = membership;
    let members = membersOf(row, column);
    if (members === undefined) {
      members = new MemberSet(column, targets.get(row));
      targets.set(row, members);
    }
    if (members.has(member)) others.set(idOf(membership), (others.get(idOf(membership)) ?? 0) + 1);
    else members.add(member);
  }

  function removeMember(membership: Membership): void {
    const { row, column, member } = membership;
    const count = others.size === 0 ? 0 : (others.get(idOf(membership)) ?? 0);
    if (count > 1) others.set(idOf(membership), count - 1);
    else if (count === 1) others.delete(idOf(membership));
    else if (membersOf(row, column)?.delete(member) === true) forget(row, column);
  }

  /** Takes the column's empty set out of the row's. */
  function forget(row: Uuid, column: string): void {
    let before: MemberSet | undefined;
    let members = targets.get(row);
    while (members !== undefined && members.column !== column) {
      before = members;
      members = members.next;
    }
    if (members === undefined) return;
    if (before !== undefined) before.next = members.next;
    else if (members.next !== undefined) targets.set(row, members.next);
    else targets.delete(row);
  }

  function hasMember({ row, column, member }: Omit<Membership, "table">): boolean {
    return membersOf(row, column)?.has(member) ?? false;
  }

  function* broughtBy(owner: OwnerName | undefined, row: Uuid): Generator<Holder> {
    if (owner === undefined) return;
    for (const membership of bundles.get(owner)?.memberships ?? []) {
      if (membership.row === row) yield { owner, column: membership.column, member: membership.member };
    }
  }

  function* holders(row: Uuid, of?: { readonly column: string; readonly members: ReadonlySet<string> }) {
    const left = new Set(of?.members);
    const isWanted = (holder: Holder): boolean =>
      of === undefined || (holder.column === of.column && left.has(holder.member));
    // Most members are rows of those who bring them, or of him who has the row.
    for (const member of of?.members ?? []) {
      const likely = new Set([rowOwners.get(member), rowOwners.get(row)]);
      for (const owner of likely) {
        const found = [...broughtBy(owner, row)].find((holder) => holder.member === member && isWanted(holder));
        if (found === undefined) continue;
        left.delete(member);
        yield found;
      }
    }
    if (of !== undefined && left.size === 0) return;
    for (const owner of bundles.keys()) for (const holder of broughtBy(owner, row)) if (isWanted(holder)) yield holder;
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
    hasMembers: (row, column) => membersOf(row, column) !== undefined,
    hasMember,
    holders,
    replace(owner, bundle) {
      const former = bundles.get(owner);
      const formerRows = former?.rows ?? [];
      const formerMemberships = former?.memberships ?? [];
      const rows = bundle?.rows ?? [];
      const came = rows.filter((row) => !rowOwners.has(row.uuid));
      for (const row of formerRows) rowOwners.delete(row.uuid);
      for (const membership of formerMemberships) removeMember(membership);
      if (bundle === undefined) bundles.delete(owner);
      else {
        bundles.set(owner, bundle);
        for (const row of rows) rowOwners.set(row.uuid, owner);
        for (const membership of bundle.memberships) addMember(membership);
      }
      return {
        came,
        rows: formerRows.filter((row) => !rowOwners.has(row.uuid)),
        memberships: formerMemberships.filter((membership) => !hasMember(membership)),
      };
    },
  };
}
