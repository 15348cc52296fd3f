import type { Uuid } from "./operation.ts";

/** A row of any table, when no typed model is given. */
export interface UntypedRow {
  readonly _uuid: Uuid;
  readonly [column: string]: unknown;
}

/** The model of a database that nobody has described: every table holds {@link UntypedRow}s. */
export type UntypedModel = Readonly<Record<string, UntypedRow>>;

export type TableName<M> = keyof M & string;

/** Columns that the server owns. */
type ServerColumn = "_uuid" | "_version";

export type ColumnName<Row> = keyof Row & string;

/** What may be written into a column whose decoded values are `Value`. */
export type Written<Value> = unknown extends Value
  ? unknown
  : Value extends ReadonlySet<infer Item>
    ? Iterable<Item> & object
    : Value extends ReadonlyMap<infer Key, infer Item>
      ? ReadonlyMap<Key, Item> | (Key extends string | number ? { readonly [key in Key]?: Item } : never)
      : Value;

/** A row to insert or update: any of its columns; those left out keep their value, or take their default. */
export type WritableRow<Row> = {
  readonly [Column in Exclude<keyof Row, ServerColumn>]?: Written<Row[Column]> | undefined;
};

/**
 * A change of one column by its difference: members of a set, entries of a map (`insert` overwrites, `delete` takes keys,
 * or entries that go only when their value is still that one), arithmetic on a number.
 */
export type ColumnMutation<Value> = unknown extends Value
  ? { readonly insert?: unknown; readonly delete?: unknown; readonly add?: number | bigint }
  : Value extends ReadonlySet<infer Item>
    ? { readonly insert?: Iterable<Item> & object; readonly delete?: Iterable<Item> & object }
    : Value extends ReadonlyMap<infer Key, infer Item>
      ? {
          readonly insert?: Written<ReadonlyMap<Key, Item>>;
          readonly delete?: (Iterable<Key> & object) | ReadonlyMap<Key, Item>;
        }
      : Value extends number | bigint
        ? { readonly add?: number | bigint; readonly insert?: readonly Value[]; readonly delete?: readonly Value[] }
        : Value extends undefined
          ? never
          : { readonly insert?: readonly Value[]; readonly delete?: readonly Value[] };

export type RowMutations<Row> = {
  readonly [Column in Exclude<keyof Row, ServerColumn>]?: ColumnMutation<Row[Column]> | undefined;
};

/** How one column of a row changed. */
export type ColumnChange<Value> = unknown extends Value
  ? {
      readonly old?: unknown;
      readonly added?: readonly unknown[];
      readonly removed?: readonly unknown[];
      readonly set?: ReadonlyMap<unknown, unknown>;
    }
  : Value extends ReadonlySet<infer Item>
    ? { readonly added: readonly Item[]; readonly removed: readonly Item[] }
    : Value extends ReadonlyMap<infer Key, infer Item>
      ? { readonly set: ReadonlyMap<Key, Item>; readonly removed: readonly Key[] }
      : { readonly old: Value };

export type ColumnChanges<Row> = {
  readonly [Column in Exclude<keyof Row, "_uuid">]?: ColumnChange<Row[Column]>;
};

export type TableRowChange<Table, Row> =
  | { readonly kind: "insert" | "delete"; readonly table: Table; readonly uuid: Uuid; readonly row: Row }
  | {
      readonly kind: "modify";
      readonly table: Table;
      readonly uuid: Uuid;
      readonly row: Row;
      readonly changed: ColumnChanges<Row>;
    };

/** A change of one row of a replica. The row is the replica's own object and stays the same from insert to delete. */
export type RowChange<M> = { [Table in TableName<M>]: TableRowChange<Table, M[Table]> }[TableName<M>];
