import { type ColumnCodec, compileColumn } from "./codec.ts";
import { OvsdbError, serverError } from "./errors.ts";
import { stringifyExact } from "./json.ts";
import type { RowMutations, TableName, UntypedModel, WritableRow } from "./model.ts";
import type { Condition, Mutation, Operation, OperationResult, Uuid, WireRow, WireValue } from "./operation.ts";
import type { RequestOptions } from "./options.ts";
import type { DatabaseSchema } from "./schema.ts";

/** Collects operations, typed after the model, and commits them as one transaction. */
export interface Transaction<M> {
  /** Inserts a row; with `uuid` the row takes that identifier, so that others can refer to it in the same transaction. */
  insert<T extends TableName<M>>(table: T, row: WritableRow<M[T]>, uuid?: Uuid): this;
  /** Overwrites columns of a row as a whole. */
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

/** Compiled codecs of a schema's columns, made on first use. */
export type SchemaCodecs = (table: string, column: string) => ColumnCodec;

export function compileSchema(schema: DatabaseSchema): SchemaCodecs {
  const tables = new Map<string, Map<string, ColumnCodec>>();
  return (table, column) => {
    const known = tables.get(table)?.get(column);
    if (known !== undefined) return known;
    const tableSchema = Object.hasOwn(schema.tables, table) ? schema.tables[table] : undefined;
    if (tableSchema === undefined) throw new OvsdbError("INVALID_ARGUMENT", `The database has no table ${table}`);
    const columnSchema =
      column === "_uuid"
        ? ({ key: { type: "uuid" }, min: 1, max: 1, mutable: false, ephemeral: false } as const)
        : Object.hasOwn(tableSchema.columns, column)
          ? tableSchema.columns[column]
          : undefined;
    if (columnSchema === undefined) throw new OvsdbError("INVALID_ARGUMENT", `Table ${table} has no column ${column}`);
    const codec = compileColumn(column, columnSchema);
    const columns = tables.get(table) ?? new Map<string, ColumnCodec>();
    columns.set(column, codec);
    tables.set(table, columns);
    return codec;
  };
}

function encodeRow(codecs: SchemaCodecs, table: string, row: object, undefinedMeansEmpty: boolean): WireRow {
  const wire: Record<string, WireValue> = {};
  const values = row as Readonly<Record<string, unknown>>;
  for (const column of Object.keys(values)) {
    const value = values[column];
    const codec = codecs(table, column);
    if (value !== undefined) wire[column] = codec.encode(value);
    // In an insert, undefined is the default, whatever the column; in an update it can only empty an optional.
    else if (undefinedMeansEmpty && codec.kind === "optional") wire[column] = codec.encode(undefined);
  }
  return wire;
}

type AnyMutation = { readonly insert?: unknown; readonly delete?: unknown; readonly add?: number | bigint };

/** The set of a map's keys to delete, or the map of exact entries. */
function mapDeletion(codec: ColumnCodec, value: unknown): WireValue {
  if (value instanceof Map || (typeof value === "object" && value !== null && !(Symbol.iterator in value))) {
    return codec.encode(value);
  }
  return codec.encodeKeys(value);
}

function pushMutations(mutations: Mutation[], codec: ColumnCodec, mutation: AnyMutation): void {
  const { name } = codec;
  if (mutation.add !== undefined) mutations.push([name, "+=", mutation.add]);
  if (codec.kind !== "map") {
    if (mutation.delete !== undefined) mutations.push([name, "delete", codec.encodeKeys(mutation.delete)]);
    if (mutation.insert !== undefined) mutations.push([name, "insert", codec.encodeKeys(mutation.insert)]);
    return;
  }
  if (mutation.delete !== undefined) mutations.push([name, "delete", mapDeletion(codec, mutation.delete)]);
  if (mutation.insert === undefined) return;
  // The server's insert leaves a key alone that is there: to overwrite it, it must go first.
  const entries = codec.encode(mutation.insert) as readonly ["map", readonly (readonly [WireValue, WireValue])[]];
  mutations.push([name, "delete", ["set", entries[1].map(([key]) => key)]], [name, "insert", entries]);
}

/**
 * A builder over a schema; `send` commits. Pure: nothing is sent before `commit`.
 * Its methods throw OvsdbError INVALID_ARGUMENT for an unknown table or column and for a value that doesn't fit.
 */
export function createTransaction<M = UntypedModel>(
  codecs: SchemaCodecs,
  send: (
    operations: readonly Operation[],
    options: RequestOptions | undefined,
    texts: readonly string[],
  ) => Promise<readonly OperationResult[]>,
): Transaction<M> {
  const operations: Operation[] = [];
  // Written as JSON at once: while one transaction is under way, the work on the next one is done.
  const texts: string[] = [];
  const add = (operation: Operation): Transaction<M> => {
    texts.push(stringifyExact(operation));
    operations.push(operation);
    return transaction;
  };
  const whereUuid = (uuid: Uuid): readonly Condition[] => [["_uuid", "==", ["uuid", uuid]]];
  const transaction: Transaction<M> = {
    operations,
    insert(table, row, uuid) {
      const wire = encodeRow(codecs, table, row, false);
      return add(uuid === undefined ? { op: "insert", table, row: wire } : { op: "insert", table, uuid, row: wire });
    },
    update(table, uuid, row) {
      return add({ op: "update", table, where: whereUuid(uuid), row: encodeRow(codecs, table, row, true) });
    },
    delete(table, uuid) {
      return add({ op: "delete", table, where: whereUuid(uuid) });
    },
    mutate(table, uuid, changes) {
      const mutations: Mutation[] = [];
      const byColumn = changes as Readonly<Record<string, AnyMutation | undefined>>;
      for (const column of Object.keys(byColumn)) {
        const mutation = byColumn[column];
        if (mutation !== undefined) pushMutations(mutations, codecs(table, column), mutation);
      }
      return mutations.length === 0 ? transaction : add({ op: "mutate", table, where: whereUuid(uuid), mutations });
    },
    wait(table, uuid, row, { until = "==", timeoutMs = 0 } = {}) {
      const wire = encodeRow(codecs, table, row, true);
      const columns = Object.keys(wire);
      return add({ op: "wait", table, where: whereUuid(uuid), columns, until, rows: [wire], timeout: timeoutMs });
    },
    assertLock(name) {
      return add({ op: "assert", lock: name });
    },
    comment(text) {
      return add({ op: "comment", comment: text });
    },
    commit: (options) => send(operations, options, texts),
  };
  return transaction;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function resultOf(
  codecs: SchemaCodecs,
  operation: Operation,
  wire: Readonly<Record<string, unknown>>,
): OperationResult {
  if (Array.isArray(wire.uuid) && typeof wire.uuid[1] === "string") return { uuid: wire.uuid[1] };
  if (typeof wire.count === "number") return { count: wire.count };
  if (operation.op !== "select" || !Array.isArray(wire.rows)) return {};
  const rows = wire.rows.map((row: unknown) => {
    if (!isRecord(row)) throw new OvsdbError("MALFORMED_MESSAGE", "A selected row is no object");
    return Object.fromEntries(
      Object.entries(row)
        .filter(([column]) => column !== "_version")
        .map(([column, value]) => [column, codecs(operation.table, column).decode(value)]),
    );
  });
  return { rows };
}

/**
 * Checks and decodes the reply to a transaction (RFC 7047 section 4.1.3): one result per operation, null for those after a
 * failure, and one more error at the end when the commit itself failed.
 * @throws OvsdbError with the code of the first error and, where one operation is to blame, its position
 */
export function readResults(
  codecs: SchemaCodecs,
  operations: readonly Operation[],
  reply: unknown,
): readonly OperationResult[] {
  if (!Array.isArray(reply)) throw new OvsdbError("MALFORMED_MESSAGE", "The reply to a transaction is no array");
  for (let index = 0; index < reply.length; index++) {
    const result: unknown = reply[index];
    if (!isRecord(result) || result.error === undefined || result.error === null) continue;
    const operation = operations[index];
    throw operation === undefined
      ? serverError(result, "The commit failed")
      : serverError(result, `Operation ${index} (${operation.op}) failed`, index);
  }
  if (reply.length < operations.length) {
    throw new OvsdbError("MALFORMED_MESSAGE", "The reply to a transaction has too few results");
  }
  return operations.map((operation, index) => {
    const result: unknown = reply[index];
    if (!isRecord(result)) throw new OvsdbError("MALFORMED_MESSAGE", `Operation ${index} has no result`);
    return resultOf(codecs, operation, result);
  });
}
