import { OvsdbError } from "./errors.ts";

export type AtomicType = "integer" | "real" | "boolean" | "string" | "uuid";

/** A `<base-type>` (RFC 7047 section 3.2). */
export interface BaseType {
  readonly type: AtomicType;
  readonly enum?: readonly (string | number | bigint | boolean)[];
  readonly minInteger?: number | bigint;
  readonly maxInteger?: number | bigint;
  readonly minReal?: number;
  readonly maxReal?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly refTable?: string;
  /** Present with `refTable`. */
  readonly refType?: "strong" | "weak";
}

/** A column: a scalar (min = max = 1), an optional (0..1), a set (max > 1) or a map (`value` present). */
export interface ColumnSchema {
  readonly key: BaseType;
  readonly value?: BaseType;
  readonly min: 0 | 1;
  /** `Number.POSITIVE_INFINITY` stands for "unlimited". */
  readonly max: number;
  readonly mutable: boolean;
  readonly ephemeral: boolean;
}

export interface TableSchema {
  readonly columns: Readonly<Record<string, ColumnSchema>>;
  readonly isRoot: boolean;
  readonly indexes: readonly (readonly string[])[];
  readonly maxRows?: number;
}

export interface DatabaseSchema {
  readonly name: string;
  readonly version: string;
  readonly tables: Readonly<Record<string, TableSchema>>;
}

const atomicTypes: ReadonlySet<string> = new Set(["integer", "real", "boolean", "string", "uuid"]);
/** RFC 7047 section 3.1 `<id>`; `__proto__` would reach an object's prototype. */
const identifier = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function invalid(what: string): OvsdbError {
  return new OvsdbError("MALFORMED_MESSAGE", `The schema is invalid: ${what}`);
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${what} is not an object`);
  return value as Readonly<Record<string, unknown>>;
}

function checkedName(name: string): string {
  if (!identifier.test(name) || name === "__proto__") throw invalid(`${JSON.stringify(name)} is not a name`);
  return name;
}

/** A bound that must have one of the given types when it is there. */
function bound<T>(value: unknown, what: string, accept: (value: unknown) => value is T): T | undefined {
  if (value === undefined) return undefined;
  if (!accept(value)) throw invalid(`${what} has the wrong type`);
  return value;
}

const isInteger = (value: unknown): value is number | bigint => typeof value === "bigint" || Number.isInteger(value);
const isNumber = (value: unknown): value is number => typeof value === "number";
const isString = (value: unknown): value is string => typeof value === "string";

function enumMembers(value: unknown, what: string): readonly (string | number | bigint | boolean)[] | undefined {
  if (value === undefined) return undefined;
  const members = Array.isArray(value) && value[0] === "set" && Array.isArray(value[1]) ? value[1] : [value];
  for (const member of members) {
    if (typeof member === "object") throw invalid(`${what}: an enum member is not a scalar`);
  }
  return members as (string | number | bigint | boolean)[];
}

function defined<T extends Record<string, unknown>>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  for (const key of Object.keys(fields)) if (fields[key] === undefined) delete fields[key];
  return fields as { [K in keyof T]: Exclude<T[K], undefined> };
}

function parseBaseType(value: unknown, what: string): BaseType {
  const fields: Readonly<Record<string, unknown>> = typeof value === "string" ? { type: value } : record(value, what);
  const type = fields.type;
  if (typeof type !== "string" || !atomicTypes.has(type)) throw invalid(`${what} has no known type`);
  const refTable = bound(fields.refTable, `${what}.refTable`, isString);
  return defined({
    type: type as AtomicType,
    enum: enumMembers(fields.enum, what),
    minInteger: bound(fields.minInteger, `${what}.minInteger`, isInteger),
    maxInteger: bound(fields.maxInteger, `${what}.maxInteger`, isInteger),
    minReal: bound(fields.minReal, `${what}.minReal`, isNumber),
    maxReal: bound(fields.maxReal, `${what}.maxReal`, isNumber),
    minLength: bound(fields.minLength, `${what}.minLength`, isNumber),
    maxLength: bound(fields.maxLength, `${what}.maxLength`, isNumber),
    refTable,
    refType: refTable === undefined ? undefined : fields.refType === "weak" ? "weak" : "strong",
  }) as BaseType;
}

function parseColumn(value: unknown, what: string): ColumnSchema {
  const column = record(value, what);
  const flags = { mutable: column.mutable !== false, ephemeral: column.ephemeral === true };
  if (typeof column.type === "string") return { key: parseBaseType(column.type, what), min: 1, max: 1, ...flags };
  const type = record(column.type, `${what}.type`);
  const min = type.min ?? 1;
  const max = type.max === "unlimited" ? Number.POSITIVE_INFINITY : (type.max ?? 1);
  if ((min !== 0 && min !== 1) || typeof max !== "number" || max < 1) throw invalid(`${what} has an odd min or max`);
  return {
    key: parseBaseType(type.key, `${what}.key`),
    ...(type.value === undefined ? {} : { value: parseBaseType(type.value, `${what}.value`) }),
    min,
    max,
    ...flags,
  };
}

function parseTable(value: unknown, what: string): TableSchema {
  const table = record(value, what);
  const columns: Record<string, ColumnSchema> = {};
  for (const [name, column] of Object.entries(record(table.columns, `${what}.columns`))) {
    columns[checkedName(name)] = parseColumn(column, `${what}.${name}`);
  }
  const indexes = table.indexes ?? [];
  if (!Array.isArray(indexes) || !indexes.every((index) => Array.isArray(index) && index.every(isString))) {
    throw invalid(`${what}.indexes is not a list of lists of columns`);
  }
  const maxRows = bound(table.maxRows, `${what}.maxRows`, isNumber);
  return {
    columns,
    isRoot: table.isRoot === true,
    indexes,
    ...(maxRows === undefined ? {} : { maxRows }),
  };
}

/**
 * Reads a `<database-schema>` (RFC 7047 section 3.2): the answer to `get_schema`, or a parsed `.ovsschema` file.
 * Where no table says `isRoot`, all are roots, as ovsdb-server holds it.
 * @throws OvsdbError MALFORMED_MESSAGE
 */
export function parseSchema(value: unknown): DatabaseSchema {
  const schema = record(value, "the schema");
  if (typeof schema.name !== "string") throw invalid("it has no name");
  const tables: Record<string, TableSchema> = {};
  for (const [name, table] of Object.entries(record(schema.tables, "tables"))) {
    tables[checkedName(name)] = parseTable(table, name);
  }
  const anyRoot = Object.values(tables).some((table) => table.isRoot);
  return {
    name: schema.name,
    version: typeof schema.version === "string" ? schema.version : "0.0.0",
    tables: anyRoot
      ? tables
      : Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, { ...table, isRoot: true }])),
  };
}
