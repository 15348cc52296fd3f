export { type Client, type ClientEvent, createClient } from "./client.ts";
export { OvsdbError, type OvsdbErrorCode, ovsdbErrorCodes } from "./errors.ts";
export type { Lock } from "./lock.ts";
export type {
  ColumnChange,
  ColumnChanges,
  ColumnMutation,
  ColumnName,
  RowChange,
  RowMutations,
  TableName,
  TableRowChange,
  UntypedModel,
  UntypedRow,
  WritableRow,
  Written,
} from "./model.ts";
export type { Condition, Mutation, Operation, OperationResult, Uuid, WireRow, WireValue } from "./operation.ts";
export type { ClientOptions, Logger, RequestOptions, TlsOptions } from "./options.ts";
export type {
  IndexKey,
  IndexSpec,
  Replica,
  ReplicaIndexes,
  ReplicaSpec,
  ReplicaTable,
  ReplicateOptions,
  TableSpec,
} from "./replica.ts";
export {
  type AtomicType,
  type BaseType,
  type ColumnSchema,
  type DatabaseSchema,
  parseSchema,
  type TableSchema,
} from "./schema.ts";
export type { Transaction } from "./transaction.ts";
