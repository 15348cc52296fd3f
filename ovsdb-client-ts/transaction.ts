import type { RowMutations, TableName, WritableRow } from "./model.ts";
import type { Operation, OperationResult, Uuid } from "./operation.ts";
import type { RequestOptions } from "./options.ts";

/** Collects operations, typed after the model, and commits them as one transaction. */
export interface Transaction<M> {
  /** Inserts a row; with `uuid` the row takes that identifier, so that others can refer to it in the same transaction. */
  insert<T extends TableName<M>>(table: T, row: WritableRow<M[T]>, uuid?: Uuid): this;
  update<T extends TableName<M>>(table: T, uuid: Uuid, row: WritableRow<M[T]>): this;
  delete<T extends TableName<M>>(table: T, uuid: Uuid): this;
  /** Changes sets, maps and numbers by their difference. Inserting into a map overwrites the key. */
  mutate<T extends TableName<M>>(table: T, uuid: Uuid, mutations: RowMutations<M[T]>): this;
  /** Fails the transaction with TIMED_OUT unless the row's columns are (or are not) these; `timeoutMs` 0 (default) judges at once. */
  wait<T extends TableName<M>>(
    table: T,
    uuid: Uuid,
    row: WritableRow<M[T]>,
    options?: { readonly until?: "==" | "!="; readonly timeoutMs?: number },
  ): this;
  /** Fails the transaction with NOT_OWNER unless this client holds the lock. */
  assertLock(name: string): this;
  /** Leaves a note in the server's log of transactions. */
  comment(text: string): this;
  readonly operations: readonly Operation[];
  commit(options?: RequestOptions): Promise<readonly OperationResult[]>;
}
