import { emptySet } from "./codec.ts";
import { CompactSet } from "./compact-set.ts";
import type { UntypedRow } from "./model.ts";
import type { IndexKey, IndexSpec } from "./replica.ts";

/** A user-defined index over the rows of one table. */
export interface RowIndex {
  /** Whether a change of these columns can change a row's keys. */
  reads(columns: readonly string[]): boolean;
  add(row: UntypedRow): void;
  /** Must be called while the row still has the values that it had in `add`. */
  remove(row: UntypedRow): void;
  get(key: IndexKey): ReadonlySet<UntypedRow>;
}

type Keys = IndexKey | undefined | readonly IndexKey[];

function isKey(value: unknown): value is IndexKey {
  return (
    typeof value === "string" || typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
  );
}

/** A set column gives each of its members as a key. */
function keysOfColumn(value: unknown): Keys {
  if (isKey(value)) return value;
  return value instanceof CompactSet ? [...value].filter(isKey) : undefined;
}

export function createRowIndex(spec: IndexSpec<UntypedRow>): RowIndex {
  const columns = typeof spec === "string" ? [spec] : typeof spec === "function" ? undefined : spec.columns;
  const keysOf: (row: UntypedRow) => Keys =
    typeof spec === "string" ? (row) => keysOfColumn(row[spec]) : typeof spec === "function" ? spec : spec.key;
  // Most keys lead to one row, which then stands there without a set around it.
  const rows = new Map<IndexKey, UntypedRow | CompactSet<UntypedRow>>();

  function addUnder(key: IndexKey, row: UntypedRow): void {
    const found = rows.get(key);
    if (found === undefined) rows.set(key, row);
    else if (found instanceof CompactSet) found.insert(row);
    else if (found !== row) rows.set(key, new CompactSet([found, row]));
  }

  function removeUnder(key: IndexKey, row: UntypedRow): void {
    const found = rows.get(key);
    if (found === row) rows.delete(key);
    else if (found instanceof CompactSet && found.remove(row) && found.size === 0) rows.delete(key);
  }

  function each(row: UntypedRow, act: (key: IndexKey, row: UntypedRow) => void): void {
    const keys = keysOf(row);
    if (keys === undefined) return;
    if (isKey(keys)) act(keys, row);
    else for (const key of keys) act(key, row);
  }

  return {
    reads: (changed) => columns === undefined || changed.some((column) => columns.includes(column)),
    add: (row) => each(row, addUnder),
    remove: (row) => each(row, removeUnder),
    get(key) {
      const found = rows.get(key);
      if (found === undefined) return emptySet;
      return found instanceof CompactSet ? found : new CompactSet([found]);
    },
  };
}
