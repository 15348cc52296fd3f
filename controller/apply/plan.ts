import type { Replica, Transaction, UntypedModel, Uuid } from "ovsdb-client-ts";
import type { Bundle, DesiredRow, Membership } from "../translate/desired.ts";
import { ApplyError } from "./apply-error.ts";
import type { DesiredStore } from "./desired-store.ts";
import type { ManagedTable, ManagedTables } from "./managed-columns.ts";
import { type OwnerName, withoutPart } from "./owner.ts";
import { checkColumns, columnsOf, type RowDifference, rowDifference } from "./row-difference.ts";

/** What may have to go from the database on behalf of an owner, beside what its bundle holds. */
export interface Suspects {
  /** Rows that were the owner's, by uuid, with their table. */
  readonly rows: Map<Uuid, string>;
  readonly memberships: Membership[];
}

export type Planned =
  /** Nothing to do: the database is as desired. */
  | { readonly kind: "settled" }
  /** Operations were added. */
  | { readonly kind: "planned" }
  /** A row that the owner's rows are to be members of, or that they name, is neither there nor about to be. */
  | { readonly kind: "blocked"; readonly on: Uuid };

interface MemberChanges {
  readonly table: string;
  readonly columns: Map<string, { readonly insert: Set<string>; readonly delete: Set<string> }>;
}

export type OperationKind = "insert" | "update" | "mutate" | "delete";

/** One transaction in the making. */
export interface Plan {
  readonly owners: readonly OwnerName[];
  /** What the plan costs the server, in rows written: changes of members are far cheaper, so many of them count as one. */
  readonly weight: number;
  /** Adds what the owner needs, and before it what the owners of its parent rows need. @throws ApplyError */
  add(owner: OwnerName): Planned;
  /** Writes the operations, in an order in which every reference exists. */
  write(transaction: Transaction<UntypedModel>, count: (table: string, kind: OperationKind) => void): void;
  /** Whether this plan puts the member into its set. */
  insertsMember(membership: Membership): boolean;
  /** Rows that this plan inserts, to be looked for once it is committed. */
  readonly inserted: ReadonlyMap<Uuid, DesiredRow>;
}

export interface PlanContext {
  readonly tables: ManagedTables;
  readonly replica: Replica<UntypedModel>;
  readonly desired: DesiredStore;
  /** What is suspected of a dirty owner, undefined when the owner is not dirty and so can't be pulled into the plan. */
  suspects(owner: OwnerName): Suspects | undefined;
}

export function tableOf(tables: ManagedTables, name: string): ManagedTable {
  const table = tables.get(name);
  if (table === undefined) throw new ApplyError("UNKNOWN_TABLE", `The connected northbound schema has no ${name}`);
  return table;
}

/** Changes of members that count as one row written. */
const membersPerRow = 20;

/** True when the row in the database has the member in its set column. */
export function replicaHasMember(replica: Replica<UntypedModel>, { table, row, column, member }: Membership): boolean {
  const set = replica.table(table).get(row)?.[column];
  return set !== undefined && (set as ReadonlySet<string>).has(member);
}

export function createPlan({ tables, replica, desired, suspects }: PlanContext): Plan {
  const outcomes = new Map<OwnerName, Planned | "under way">();
  const owners: OwnerName[] = [];
  const inserted = new Map<Uuid, DesiredRow>();
  const changed: { readonly row: DesiredRow; readonly difference: RowDifference }[] = [];
  const members = new Map<Uuid, MemberChanges>();
  const deleted = new Map<Uuid, string>();
  const losing = new Set<string>();
  let memberChanges = 0;

  function changeMember(membership: Membership, change: "insert" | "delete"): void {
    const { table, row, column, member } = membership;
    let target = members.get(row);
    if (target === undefined) {
      target = { table, columns: new Map() };
      members.set(row, target);
    }
    let lists = target.columns.get(column);
    if (lists === undefined) {
      lists = { insert: new Set(), delete: new Set() };
      target.columns.set(column, lists);
    }
    lists[change].add(member);
    memberChanges += 1;
    if (change === "delete") losing.add(member);
  }

  /** Sees to it that a row of another owner exists when the mutation comes. */
  function rowReady(table: string, row: Uuid): boolean {
    if (inserted.has(row) || replica.table(table).has(row)) return true;
    const owner = desired.rowOwner(row);
    if (owner === undefined) return false;
    if (outcomes.get(owner) === "under way") return true;
    if (suspects(owner) === undefined) return false;
    try {
      return add(owner).kind !== "blocked" && inserted.has(row);
    } catch (error) {
      // The parent's owner is dirty still, and is told of its fault when its own turn comes.
      if (error instanceof ApplyError) return false;
      throw error;
    }
  }

  /** Which of a membership's rows, the one that holds it and the one that it refers to, isn't there and can't be. */
  function missingRow({ table, row, column, member }: Membership): Uuid | undefined {
    if (!rowReady(table, row)) return row;
    const referred = tables.get(table)?.references.get(column);
    return referred === undefined || rowReady(referred, member) ? undefined : member;
  }

  /** The first row that the bundle can't do without, isn't there and can't be. */
  function firstMissing(bundle: Bundle | undefined): Uuid | undefined {
    for (const membership of bundle?.memberships ?? []) {
      const on = missingRow(membership);
      if (on !== undefined) return on;
    }
    return bundle?.needs?.find(({ table, uuid }) => !rowReady(table, uuid))?.uuid;
  }

  /** Takes a row out of whatever holds it: that ends one that lives by being referred to, and frees any other to be deleted. */
  function takeOut(uuid: Uuid, table: ManagedTable): void {
    for (const parent of table.parents) {
      for (const holder of replica.table(parent.table).values()) {
        if ((holder[parent.column] as ReadonlySet<string>).has(uuid)) {
          changeMember(
            { table: parent.table, row: holder._uuid, column: parent.column, member: uuid } as Membership,
            "delete",
          );
        }
      }
    }
  }

  function addRows(rows: readonly DesiredRow[]): boolean {
    let any = false;
    for (const row of rows) {
      const table = tableOf(tables, row.table);
      const current = replica.table(row.table).get(row.uuid);
      if (current === undefined) {
        inserted.set(row.uuid, row);
        any = true;
        continue;
      }
      const difference = rowDifference(row, table, current);
      if (difference === undefined) continue;
      changed.push({ row, difference });
      any = true;
    }
    return any;
  }

  /** Whether a member can wait for its set to go as a whole. */
  function mayStay(owner: OwnerName, membership: Membership): boolean {
    const bundle = desired.bundle(withoutPart(owner));
    return bundle?.mayStayIn === undefined ? desired.hasRow(membership.member) : bundle.mayStayIn(membership);
  }

  function removeSuspects(owner: OwnerName, { rows, memberships }: Suspects): boolean {
    let any = false;
    for (const membership of memberships) {
      if (desired.hasMember(membership) || !replicaHasMember(replica, membership)) continue;
      // The set goes as a whole with its row, once nobody uses that any more: till then what stays is of use in it.
      if (!desired.hasRow(membership.row) && mayStay(owner, membership)) continue;
      changeMember(membership, "delete");
      any = true;
    }
    for (const [uuid, tableName] of rows) {
      if (desired.hasRow(uuid) || !replica.table(tableName).has(uuid)) continue;
      const table = tableOf(tables, tableName);
      if (table.isRoot) deleted.set(uuid, tableName);
      // One that is a member once (all but groups are) is taken out of the whole database by that one mutation.
      if (table.isRoot || !losing.has(uuid)) takeOut(uuid, table);
      any = true;
    }
    return any;
  }

  function add(owner: OwnerName): Planned {
    const known = outcomes.get(owner);
    if (known !== undefined) return known === "under way" ? { kind: "planned" } : known;
    // Bundles may make rows and memberships anew whenever they are read: read them once.
    const bundle = desired.bundle(owner);
    const rows = bundle?.rows ?? [];
    const memberships = bundle?.memberships ?? [];
    // All that can fail comes first, so that an owner is in the plan wholly or not at all.
    for (const row of rows) checkColumns(row, tableOf(tables, row.table));
    outcomes.set(owner, "under way");
    const on = firstMissing(bundle);
    if (on !== undefined) {
      const blocked: Planned = { kind: "blocked", on };
      outcomes.set(owner, blocked);
      return blocked;
    }
    let any = addRows(rows);
    for (const membership of memberships) {
      if (replicaHasMember(replica, membership)) continue;
      changeMember(membership, "insert");
      any = true;
    }
    const suspected = suspects(owner);
    if (suspected !== undefined && removeSuspects(owner, suspected)) any = true;
    const planned: Planned = { kind: any ? "planned" : "settled" };
    outcomes.set(owner, planned);
    if (any) owners.push(owner);
    return planned;
  }

  return {
    owners,
    get weight() {
      return inserted.size + changed.length + deleted.size + memberChanges / membersPerRow;
    },
    inserted,
    insertsMember: ({ row, column, member }) => members.get(row)?.columns.get(column)?.insert.has(member) ?? false,
    add,
    write(transaction, count) {
      for (const row of inserted.values()) {
        transaction.insert(row.table, columnsOf(row, tableOf(tables, row.table)), row.uuid);
        count(row.table, "insert");
      }
      for (const { row, difference } of changed) {
        if (Object.keys(difference.update).length > 0) {
          transaction.update(row.table, row.uuid, difference.update);
          count(row.table, "update");
        }
        if (Object.keys(difference.mutate).length > 0) {
          transaction.mutate(row.table, row.uuid, difference.mutate);
          count(row.table, "mutate");
        }
      }
      for (const [uuid, { table, columns }] of members) {
        if (deleted.has(uuid)) continue;
        const mutations = [...columns].map(([column, lists]) => [
          column,
          {
            ...(lists.insert.size > 0 ? { insert: [...lists.insert] } : {}),
            ...(lists.delete.size > 0 ? { delete: [...lists.delete] } : {}),
          },
        ]);
        transaction.mutate(table, uuid, Object.fromEntries(mutations));
        count(table, "mutate");
      }
      for (const [uuid, table] of deleted) {
        transaction.delete(table, uuid);
        count(table, "delete");
      }
    },
  };
}
