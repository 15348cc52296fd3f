import type { Replica, RowChange, UntypedModel, UntypedRow, Uuid } from "ovsdb-client-ts";
import type { Membership, NorthboundTable } from "../translate/desired.ts";
import type { DesiredStore } from "./desired-store.ts";
import type { ManagedTable, ManagedTables } from "./managed-columns.ts";
import { type OwnerName, ownerNameOf, withoutPart } from "./owner.ts";
import { columnMatches } from "./row-difference.ts";

/** Something in the database that is not as desired, found by looking at a change only. */
export interface Drift {
  readonly owner: OwnerName;
  readonly table: string;
  readonly uuid: Uuid;
  /** What was done to the row, for the Event: a clause such as `addresses was changed`. */
  readonly what: string;
  /** A row of ours that nothing desires. */
  readonly strayRow?: boolean;
  /** A member that nothing desires. */
  readonly strayMember?: Membership;
}

interface DriftContext {
  readonly tables: ManagedTables;
  readonly replica: Replica<UntypedModel>;
  readonly desired: DesiredStore;
}

/**
 * Whom a member belongs to that nobody desires; undefined when it is a stranger's and so not ours to remove.
 * A reference is ours when the row it leads to is, a plain value when the row that holds it is.
 */
function strayOwner(
  { replica, desired }: DriftContext,
  table: ManagedTable,
  row: UntypedRow,
  column: string,
  member: string,
): OwnerName | undefined {
  const referred = table.references.get(column);
  if (referred === undefined) return desired.hasRow(row._uuid) ? ownerNameOf(table.name, row) : undefined;
  const target = replica.table(referred).get(member);
  return target === undefined ? undefined : ownerNameOf(referred, target);
}

/** Members of a row's sets that are there and not desired, and ours to remove. */
export function* strayMembersOf(context: DriftContext, table: ManagedTable, row: UntypedRow): Generator<Drift> {
  for (const column of table.membershipColumns) {
    yield* strayMembers(context, table, row, column, row[column] as ReadonlySet<unknown>);
  }
}

/** Members of one set column that are there and not desired, and ours to remove. */
function strayMembers(
  context: DriftContext,
  table: ManagedTable,
  row: UntypedRow,
  column: string,
  members: Iterable<unknown>,
): Drift[] {
  // A set column that a row itself lays down is compared as a column.
  if (context.desired.row(row._uuid)?.columns[column] !== undefined) return [];
  const strays: Drift[] = [];
  for (const member of members) {
    if (typeof member !== "string" || context.desired.hasMember({ row: row._uuid, column, member })) continue;
    const owner = strayOwner(context, table, row, column, member);
    if (owner === undefined) continue;
    strays.push({
      owner,
      table: table.name,
      uuid: row._uuid,
      what: `${column} has ${member}, which nothing asks for`,
      strayMember: { table: table.name as NorthboundTable, row: row._uuid, column, member },
    });
  }
  return strays;
}

function ofInsert(context: DriftContext, table: ManagedTable, row: UntypedRow): Drift[] {
  const desired = context.desired.row(row._uuid);
  if (desired === undefined) {
    const owner = ownerNameOf(table.name, row);
    if (owner === undefined) return [];
    return [
      {
        owner,
        table: table.name,
        uuid: row._uuid,
        what: "was added under our name, and nothing asks for it",
        strayRow: true,
      },
    ];
  }
  const owner = withoutPart(desired.owner);
  const differing = [...table.columns.keys()].filter((column) => !columnMatches(desired, table, column, row));
  return [
    ...differing.map((column) => ({ owner, table: table.name, uuid: row._uuid, what: `${column} was changed` })),
    ...strayMembersOf(context, table, row),
  ];
}

function ofDelete(context: DriftContext, table: ManagedTable, row: UntypedRow): Drift[] {
  const uuid = row._uuid;
  const drifts: Drift[] = [];
  const desired = context.desired.row(uuid);
  if (desired !== undefined) {
    drifts.push({ owner: withoutPart(desired.owner), table: table.name, uuid, what: "was deleted" });
  }
  for (const { owner, column } of context.desired.holders(uuid)) {
    drifts.push({ owner, table: table.name, uuid, what: `was deleted, and its ${column} with it` });
  }
  return drifts;
}

function ofModify(context: DriftContext, table: ManagedTable, row: UntypedRow, changed: object): Drift[] {
  const uuid = row._uuid;
  const desired = context.desired.row(uuid);
  const drifts: Drift[] = [];
  if (desired === undefined && "external_ids" in changed) drifts.push(...ofInsert(context, table, row));
  for (const [column, change] of Object.entries(changed)) {
    if (desired !== undefined && !columnMatches(desired, table, column, row)) {
      drifts.push({ owner: withoutPart(desired.owner), table: table.name, uuid, what: `${column} was changed` });
      continue;
    }
    const { added, removed } = change as { readonly added?: readonly unknown[]; readonly removed?: readonly unknown[] };
    const missed = removed?.filter(
      (member): member is string =>
        typeof member === "string" && context.desired.hasMember({ row: uuid, column, member }),
    );
    if (missed !== undefined && missed.length > 0) {
      for (const { owner, member } of context.desired.holders(uuid, { column, members: new Set(missed) })) {
        drifts.push({ owner, table: table.name, uuid, what: `${column} lost ${member}` });
      }
    }
    if (added !== undefined && (desired !== undefined || context.desired.hasMembers(uuid, column))) {
      drifts.push(...strayMembers(context, table, row, column, added));
    }
  }
  return drifts;
}

/**
 * What of one change in the database is not as desired. It costs the size of the change, not that of the row: only
 * members that came or went are looked at. Our own writes give nothing, since they end in what is desired.
 */
export function driftOf(context: DriftContext, change: RowChange<UntypedModel>): Drift[] {
  const table = context.tables.get(change.table);
  if (table === undefined) return [];
  switch (change.kind) {
    case "insert":
      return ofInsert(context, table, change.row);
    case "delete":
      return ofDelete(context, table, change.row);
    case "modify":
      return ofModify(context, table, change.row, change.changed);
  }
}

/** ACLs name rows of these: they go after those. */
export const namedTables: ReadonlySet<string> = new Set(["Port_Group", "Address_Set"]);

/** Everything of ours in the whole database that nothing desires, in the order in which it can go: rows, twins, and members of our rows' sets. */
export function* leftovers(context: DriftContext): Generator<Drift> {
  const isNamed = ({ name }: ManagedTable): boolean => namedTables.has(name);
  const tables = [...context.tables.values()];
  for (const table of [...tables.filter((one) => !isNamed(one)), ...tables.filter(isNamed)]) {
    for (const row of context.replica.table(table.name).values()) {
      if (!context.desired.hasRow(row._uuid)) {
        const owner = ownerNameOf(table.name, row);
        if (owner === undefined) continue;
        yield { owner, table: table.name, uuid: row._uuid, what: "is a leftover", strayRow: true };
        continue;
      }
      yield* strayMembersOf(context, table, row);
    }
  }
}
