import { type BaseType, type ColumnSchema, parseSchema } from "ovsdb-client-ts";
import type { BaseTypeMetadata, ColumnMetadata, DatabaseMetadata } from "../metadata.ts";

function baseType(type: BaseType): BaseTypeMetadata {
  // Bounds and enums beyond 2^53 would not survive as literals; no schema of OVN or OVS has one.
  return JSON.parse(JSON.stringify(type)) as BaseTypeMetadata;
}

function column({ key, value, min, max, ephemeral, mutable }: ColumnSchema): ColumnMetadata {
  const flags = {
    ...(ephemeral ? { ephemeral: true as const } : {}),
    ...(mutable ? {} : { mutable: false as const }),
  };
  const counts = { ...(min === 0 ? {} : { min }), ...(Number.isFinite(max) ? { max } : {}) };
  if (value !== undefined) return { kind: "map", key: baseType(key), value: baseType(value), ...counts, ...flags };
  if (max !== 1) return { kind: "set", key: baseType(key), ...counts, ...flags };
  return { kind: min === 0 ? "optional" : "scalar", key: baseType(key), ...flags };
}

const sorted = <T>(fields: Readonly<Record<string, T>>): (readonly [string, T])[] =>
  Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));

/**
 * Reads an `.ovsschema` document (`<database-schema>`, RFC 7047 section 3.2); tables and columns come back sorted.
 * @throws SyntaxError when it isn't JSON; OvsdbError MALFORMED_MESSAGE naming the table and column that is wrong
 */
export function describeSchema(document: string): DatabaseMetadata {
  const { name, version, tables } = parseSchema(JSON.parse(document));
  return {
    name,
    version,
    tables: Object.fromEntries(
      sorted(tables).map(([table, { columns, ...rest }]) => [
        table,
        { ...rest, columns: Object.fromEntries(sorted(columns).map(([key, schema]) => [key, column(schema)])) },
      ]),
    ),
  };
}
