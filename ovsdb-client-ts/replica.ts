import type { ColumnName, RowChange, TableName } from "./model.ts";
import type { Condition, Uuid } from "./operation.ts";

/** Which columns of a table to hold: some, all, or some of the rows that a condition picks. */
export type TableSpec<Row> =
  | "all"
  | readonly ColumnName<Row>[]
  | { readonly columns: readonly ColumnName<Row>[] | "all"; readonly where?: readonly Condition[] };

export type ReplicaSpec<M> = { readonly [T in TableName<M>]?: TableSpec<M[T]> };

export type IndexKey = string | number | bigint | boolean;

/** How to find a row's key or keys: by a column, or by a function (with the columns that it reads, so that others cost nothing). */
export type IndexSpec<Row> =
  | ColumnName<Row>
  | ((row: Row) => IndexKey | undefined | readonly IndexKey[])
  | {
      readonly columns: readonly ColumnName<Row>[];
      readonly key: (row: Row) => IndexKey | undefined | readonly IndexKey[];
    };

export type ReplicaIndexes<M> = { readonly [T in TableName<M>]?: Readonly<Record<string, IndexSpec<M[T]>>> };

export interface ReplicateOptions<M> {
  readonly indexes?: ReplicaIndexes<M> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The rows of one table. Rows are live: one object from insert to delete, changed in place before listeners are called. */
export interface ReplicaTable<Row> {
  readonly size: number;
  get(uuid: Uuid): Row | undefined;
  has(uuid: Uuid): boolean;
  values(): IterableIterator<Row>;
  /** The rows under a key of a user-defined index, as of now. @throws OvsdbError INVALID_ARGUMENT for an unknown index */
  by(index: string, key: IndexKey): ReadonlySet<Row>;
}

/** A copy of chosen tables that follows the server. */
export interface Replica<M> {
  table<T extends TableName<M>>(name: T): ReplicaTable<M[T]>;
  /** Calls the listener once per update message, synchronously, when its rows are applied. Returns how to stop. */
  subscribe(listener: (changes: readonly RowChange<M>[]) => void): () => void;
  /** Changes which rows are held (monitor_cond_change). Resolves when the server follows. */
  changeConditions(where: { readonly [T in TableName<M>]?: readonly Condition[] }): Promise<void>;
  /** True while the replica follows a server; false while disconnected. */
  readonly synced: boolean;
  readonly lastTransactionId: string | undefined;
  close(): Promise<void>;
}
