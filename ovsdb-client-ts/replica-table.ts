import { type ColumnCodec, compileColumn, emptyMap, emptySet } from "./codec.ts";
import { CompactMap } from "./compact-map.ts";
import { CompactSet } from "./compact-set.ts";
import { OvsdbError } from "./errors.ts";
import type { UntypedRow } from "./model.ts";
import type { Uuid } from "./operation.ts";
import type { IndexKey, IndexSpec, ReplicaTable } from "./replica.ts";
import { createRowIndex, type RowIndex } from "./row-index.ts";
import type { TableSchema } from "./schema.ts";
import type { SharedTexts } from "./shared-texts.ts";

type MutableRow = { _uuid: Uuid; [column: string]: unknown };
type WireRow = Readonly<Record<string, unknown>>;
export type AnyChange =
  | { readonly kind: "insert" | "delete"; readonly table: string; readonly uuid: Uuid; readonly row: UntypedRow }
  | {
      readonly kind: "modify";
      readonly table: string;
      readonly uuid: Uuid;
      readonly row: UntypedRow;
      readonly changed: Readonly<Record<string, unknown>>;
    };

/** A row that was decoded while the rest of its message was still on the way. */
export class DecodedRow {
  readonly row: MutableRow;
  constructor(row: MutableRow) {
    this.row = row;
  }
}

/** The writing side of a replica's table. */
export interface ReplicaTableStore {
  readonly name: string;
  readonly view: ReplicaTable<UntypedRow>;
  /** Columns asked of the server. */
  readonly columns: readonly string[];
  decode(uuid: Uuid, wire: unknown): MutableRow;
  /** The row is as given: inserts it, or turns the present one into it. */
  put(uuid: Uuid, wire: unknown, changes: AnyChange[]): void;
  /** `modify` of update2: differences of sets and maps, new values of others. */
  modify(uuid: Uuid, difference: unknown, changes: AnyChange[]): void;
  /** `new` of update: whole values of the columns, of which `old` names those that changed. */
  replace(uuid: Uuid, wire: unknown, changes: AnyChange[]): void;
  remove(uuid: Uuid, changes: AnyChange[]): void;
  /** Removes every row that `keep` doesn't hold. */
  removeOthers(keep: ReadonlySet<Uuid>, changes: AnyChange[]): void;
  /** Goes on with another schema of the same table. */
  recompile(schema: TableSchema): void;
}

function malformed(table: string, uuid: Uuid, what: string): OvsdbError {
  return new OvsdbError("MALFORMED_MESSAGE", `An update of ${table} ${uuid}: ${what}`);
}

function record(wire: unknown, table: string, uuid: Uuid): WireRow {
  if (typeof wire !== "object" || wire === null || Array.isArray(wire)) throw malformed(table, uuid, "no row");
  return wire as WireRow;
}

/** Applies `modify`'s difference of a set: what is there goes, what isn't comes. */
function applySetDifference(row: MutableRow, codec: ColumnCodec, wire: unknown): unknown {
  const old = row[codec.name];
  const set = old === emptySet || !(old instanceof CompactSet) ? new CompactSet<unknown>() : old;
  const added: unknown[] = [];
  const removed: unknown[] = [];
  for (const item of codec.decodeItems(wire)) {
    if (set.insert(item)) added.push(item);
    else {
      set.remove(item);
      removed.push(item);
    }
  }
  row[codec.name] = set.size === 0 ? emptySet : set;
  return added.length + removed.length === 0 ? undefined : { added, removed };
}

/** Applies `modify`'s difference of a map: an entry that is there already goes, any other is the new value of its key. */
function applyMapDifference(row: MutableRow, codec: ColumnCodec, wire: unknown): unknown {
  const old = row[codec.name];
  const map = old === emptyMap || !(old instanceof CompactMap) ? new CompactMap<unknown, unknown>() : old;
  const set = new Map<unknown, unknown>();
  const removed: unknown[] = [];
  const flat = codec.decodeItems(wire);
  for (let index = 0; index < flat.length; index += 2) {
    const key = flat[index];
    const value = flat[index + 1];
    if (map.has(key) && map.get(key) === value) {
      map.remove(key);
      removed.push(key);
    } else {
      map.put(key, value);
      set.set(key, value);
    }
  }
  row[codec.name] = map.size === 0 ? emptyMap : map;
  return set.size + removed.length === 0 ? undefined : { set, removed };
}

/** Puts a new value in a column's place and answers the difference, or undefined when there is none. */
function applyWhole(row: MutableRow, codec: ColumnCodec, value: unknown): unknown {
  const old = row[codec.name];
  if (old === value) return undefined;
  if (old instanceof CompactSet && value instanceof CompactSet) {
    const added = [...value].filter((item) => !old.has(item));
    const removed = [...old].filter((item) => !value.has(item));
    if (added.length + removed.length === 0) return undefined;
    row[codec.name] = value;
    return { added, removed };
  }
  if (old instanceof CompactMap && value instanceof CompactMap) {
    const set = new Map([...value].filter(([key, item]) => !old.has(key) || old.get(key) !== item));
    const removed = [...old.keys()].filter((key) => !value.has(key));
    if (set.size + removed.length === 0) return undefined;
    row[codec.name] = value;
    return { set, removed };
  }
  row[codec.name] = value;
  return { old };
}

function applyDifference(row: MutableRow, codec: ColumnCodec, wire: unknown): unknown {
  // ovsdb-server(7): a column of at most one element comes as its new value, also a map.
  if (codec.schema.max === 1) return applyWhole(row, codec, codec.decode(wire));
  return codec.kind === "map" ? applyMapDifference(row, codec, wire) : applySetDifference(row, codec, wire);
}

export function createReplicaTable(
  name: string,
  schema: TableSchema,
  wanted: "all" | readonly string[],
  indexSpecs: Readonly<Record<string, IndexSpec<UntypedRow>>>,
  shared: SharedTexts,
): ReplicaTableStore {
  const rows = new Map<Uuid, MutableRow>();
  let codecs: ReadonlyMap<string, ColumnCodec> = new Map();
  let template: MutableRow = { _uuid: "" };

  function compile(from: TableSchema): void {
    const columns = wanted === "all" ? Object.keys(from.columns) : wanted;
    codecs = new Map(
      columns.map((column) => {
        const columnSchema = from.columns[column];
        if (columnSchema === undefined) {
          throw new OvsdbError("INVALID_ARGUMENT", `The server's table ${name} has no column ${column}`);
        }
        return [column, compileColumn(column, columnSchema, shared)];
      }),
    );
    // An object made by JSON.parse holds all its members in itself, and so do its copies: the smallest row there is.
    template = JSON.parse(JSON.stringify({ _uuid: "", ...Object.fromEntries(columns.map((column) => [column, ""])) }));
    for (const codec of codecs.values()) template[codec.name] = codec.defaultValue;
  }
  compile(schema);

  const indexes: ReadonlyMap<string, RowIndex> = new Map(
    Object.entries(indexSpecs).map(([index, spec]) => [index, createRowIndex(spec)]),
  );
  const allIndexes = [...indexes.values()];

  function decode(uuid: Uuid, wire: unknown): MutableRow {
    const source = record(wire, name, uuid);
    const row = { ...template };
    row._uuid = shared.text(uuid);
    for (const column in source) {
      const codec = codecs.get(column);
      if (codec !== undefined) row[column] = codec.decode(source[column]);
    }
    return row;
  }

  function insert(uuid: Uuid, row: MutableRow, changes: AnyChange[]): void {
    rows.set(row._uuid, row);
    for (const index of allIndexes) index.add(row);
    changes.push({ kind: "insert", table: name, uuid, row });
  }

  /** Changes a row's columns with its indexes kept right, also when a column turns out to be malformed. */
  function change(
    row: MutableRow,
    columns: readonly string[],
    apply: (changed: Record<string, unknown>) => void,
    changes: AnyChange[],
  ): void {
    const touched = allIndexes.filter((index) => index.reads(columns));
    for (const index of touched) index.remove(row);
    const changed: Record<string, unknown> = {};
    try {
      apply(changed);
    } finally {
      for (const index of touched) index.add(row);
      if (Object.keys(changed).length > 0) changes.push({ kind: "modify", table: name, uuid: row._uuid, row, changed });
    }
  }

  function become(row: MutableRow, value: MutableRow, changes: AnyChange[]): void {
    change(
      row,
      [...codecs.keys()],
      (changed) => {
        for (const codec of codecs.values()) {
          const difference = applyWhole(row, codec, value[codec.name]);
          if (difference !== undefined) changed[codec.name] = difference;
        }
      },
      changes,
    );
  }

  function present(uuid: Uuid): MutableRow {
    const row = rows.get(uuid);
    if (row === undefined) throw malformed(name, uuid, "there is no such row");
    return row;
  }

  function remove(uuid: Uuid, changes: AnyChange[]): void {
    const row = present(uuid);
    rows.delete(uuid);
    for (const index of allIndexes) index.remove(row);
    changes.push({ kind: "delete", table: name, uuid, row });
  }

  const view: ReplicaTable<UntypedRow> = {
    get size() {
      return rows.size;
    },
    get: (uuid) => rows.get(uuid),
    has: (uuid) => rows.has(uuid),
    values: () => rows.values(),
    by(index, key: IndexKey) {
      const found = indexes.get(index);
      if (found === undefined) throw new OvsdbError("INVALID_ARGUMENT", `Table ${name} has no index ${index}`);
      return found.get(key);
    },
  };

  return {
    name,
    view,
    get columns() {
      return [...codecs.keys()];
    },
    decode,
    put(uuid, wire, changes) {
      const row = wire instanceof DecodedRow ? wire.row : decode(uuid, wire);
      const old = rows.get(uuid);
      if (old === undefined) insert(uuid, row, changes);
      else become(old, row, changes);
    },
    modify(uuid, difference, changes) {
      const row = present(uuid);
      const source = record(difference, name, uuid);
      change(
        row,
        Object.keys(source),
        (changed) => {
          for (const column in source) {
            const codec = codecs.get(column);
            const applied = codec === undefined ? undefined : applyDifference(row, codec, source[column]);
            if (applied !== undefined) changed[column] = applied;
          }
        },
        changes,
      );
    },
    replace(uuid, wire, changes) {
      become(present(uuid), decode(uuid, wire), changes);
    },
    remove,
    removeOthers(keep, changes) {
      for (const uuid of [...rows.keys()]) if (!keep.has(uuid)) remove(uuid, changes);
    },
    recompile: compile,
  };
}
