import type { UntypedRow } from "ovsdb-client-ts";
import type { DesiredRow, DesiredValue } from "../translate/desired.ts";
import { ownerKey } from "../translate/owner.ts";
import { ApplyError } from "./apply-error.ts";
import type { ColumnKind, ManagedTable } from "./managed-columns.ts";

export interface MemberMutation {
  insert?: readonly unknown[] | Readonly<Record<string, string>>;
  delete?: readonly unknown[];
}

/** What must be written so that a row in the database becomes the desired one; empty when nothing. */
export interface RowDifference {
  /** Scalars and optionals, by whole value; and sets of which nothing stays. */
  readonly update: Record<string, DesiredValue>;
  /** Sets and maps, by their difference. */
  readonly mutate: Record<string, MemberMutation>;
}

const none: readonly never[] = [];

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? none : [value];
}

function asRecord(value: DesiredValue): Readonly<Record<string, string>> {
  return typeof value === "object" && !Array.isArray(value) ? (value as Readonly<Record<string, string>>) : {};
}

/** Where no member stays, the column is given its new value whole: taking the last one out first may break its minimum. */
function setDifference(
  desired: readonly unknown[],
  current: ReadonlySet<unknown>,
): MemberMutation | { readonly update: DesiredValue } | undefined {
  const missing = desired.filter((member) => !current.has(member));
  // As many as wanted and none missing: equal, since desired sets hold no member twice.
  if (missing.length === 0 && current.size === desired.length) return undefined;
  const wanted = new Set(desired);
  const surplus: unknown[] = [];
  for (const member of current) if (!wanted.has(member)) surplus.push(member);
  if (missing.length === 0 && surplus.length === 0) return undefined;
  if (missing.length > 0 && surplus.length > 0 && surplus.length === current.size) {
    return { update: desired as DesiredValue };
  }
  return {
    ...(missing.length > 0 ? { insert: missing } : {}),
    ...(surplus.length > 0 ? { delete: surplus } : {}),
  };
}

/** @param ours which of the present keys are ours to remove */
function mapDifference(
  desired: Readonly<Record<string, string>>,
  current: ReadonlyMap<string, string>,
  ours: (key: string) => boolean,
): MemberMutation | undefined {
  let set: Record<string, string> | undefined;
  for (const key in desired) {
    const value = desired[key];
    if (value !== undefined && current.get(key) !== value) {
      set ??= {};
      set[key] = value;
    }
  }
  let surplus: string[] | undefined;
  for (const key of current.keys()) {
    if (desired[key] === undefined && ours(key)) {
      surplus ??= [];
      surplus.push(key);
    }
  }
  if (set === undefined && surplus === undefined) return undefined;
  return { ...(set === undefined ? {} : { insert: set }), ...(surplus === undefined ? {} : { delete: surplus }) };
}

const any = (): boolean => true;
/** Of `external_ids` only keys of our own domain are ours: other controllers keep theirs there. */
const ourDomain = (key: string): boolean => key.startsWith("ovenbird.io/");

/** The columns as written: what translation says, and the owner where the table has a place for it. */
export function columnsOf(desired: DesiredRow, table: ManagedTable): Readonly<Record<string, DesiredValue>> {
  if (!table.columns.has("external_ids")) return desired.columns;
  const externalIds = asRecord(desired.columns.external_ids);
  if (externalIds[ownerKey] === desired.owner) return desired.columns;
  return { ...desired.columns, external_ids: { ...externalIds, [ownerKey]: desired.owner } };
}

function kindOf(table: ManagedTable, column: string): ColumnKind {
  const kind = table.columns.get(column);
  if (kind === undefined) {
    throw new ApplyError("UNKNOWN_COLUMN", `The connected northbound schema has no ${table.name}.${column}`);
  }
  return kind;
}

/** Checks that the connected schema can hold the row. @throws ApplyError UNKNOWN_COLUMN */
export function checkColumns(desired: DesiredRow, table: ManagedTable): void {
  for (const column in desired.columns) kindOf(table, column);
}

/**
 * Compares one column.
 * @returns undefined when the column is as desired
 */
function columnDifference(
  kind: ColumnKind,
  column: string,
  wanted: DesiredValue,
  current: unknown,
): { readonly update: DesiredValue } | MemberMutation | undefined {
  switch (kind) {
    case "scalar": {
      // An optional may come as an array of none or one.
      const value = Array.isArray(wanted) ? wanted[0] : wanted;
      return current === value ? undefined : { update: value };
    }
    case "set":
      return setDifference(asArray(wanted), current as ReadonlySet<unknown>);
    case "map":
      return mapDifference(
        asRecord(wanted),
        current as ReadonlyMap<string, string>,
        column === "external_ids" ? ourDomain : any,
      );
  }
}

/** True when the named column of the row in the database is as desired (or none of ours). */
export function columnMatches(desired: DesiredRow, table: ManagedTable, column: string, current: UntypedRow): boolean {
  const columns = columnsOf(desired, table);
  if (!(column in columns)) return true;
  return columnDifference(kindOf(table, column), column, columns[column], current[column]) === undefined;
}

/**
 * What must be written so that `current` becomes `desired`; undefined when nothing.
 * @throws ApplyError UNKNOWN_COLUMN
 */
export function rowDifference(
  desired: DesiredRow,
  table: ManagedTable,
  current: UntypedRow,
): RowDifference | undefined {
  const columns = columnsOf(desired, table);
  let difference: RowDifference | undefined;
  for (const column in columns) {
    const change = columnDifference(kindOf(table, column), column, columns[column], current[column]);
    if (change === undefined) continue;
    difference ??= { update: {}, mutate: {} };
    if ("update" in change) difference.update[column] = change.update;
    else difference.mutate[column] = change as MemberMutation;
  }
  return difference;
}
