import type { BaseTypeMetadata, ColumnMetadata, DatabaseMetadata, TableMetadata } from "../metadata.ts";
import { printLiteral } from "./print-literal.ts";

export interface ModelNames {
  /** The interface from table name to row type, for example `OvnNorthbound`. */
  readonly model: string;
  /** The constant that holds the metadata, for example `northboundMetadata`. */
  readonly metadata: string;
}

const lineWidth = 120;

/** `Logical_Switch_Port` → `LogicalSwitchPort`, `DHCP_Options` → `DhcpOptions`, `QoS` → `QoS`. */
export function rowTypeName(table: string): string {
  return table
    .split("_")
    .map((word) => (/^[A-Z0-9]+$/.test(word) ? word[0] + word.slice(1).toLowerCase() : word))
    .map((word) => word[0]?.toUpperCase() + word.slice(1))
    .join("");
}

function isSafe(type: BaseTypeMetadata): boolean {
  const { minInteger, maxInteger } = type;
  return Number.isSafeInteger(minInteger) && Number.isSafeInteger(maxInteger);
}

function atomType(type: BaseTypeMetadata, alias: string): string {
  if (type.enum !== undefined) return hasAlias(type) ? alias : enumUnion(type.enum);
  switch (type.type) {
    case "integer":
      // Without bounds any 64-bit integer may come, and those beyond ±(2^53−1) come as bigint.
      return isSafe(type) ? "number" : "number | bigint";
    case "real":
      return "number";
    case "uuid":
      return "Uuid";
    default:
      return type.type;
  }
}

const enumUnion = (members: readonly (string | number)[]): string =>
  members.map((value) => JSON.stringify(value)).join(" | ");

/** Enums that would not fit into a line beside their column get a name of their own. */
const hasAlias = ({ enum: members }: BaseTypeMetadata): boolean =>
  members !== undefined && enumUnion(members).length > 70;

function columnType({ kind, key, value }: ColumnMetadata, alias: string): string {
  switch (kind) {
    case "scalar":
      return atomType(key, alias);
    case "optional":
      return `${atomType(key, alias)} | undefined`;
    case "set":
      return `ReadonlySet<${atomType(key, alias)}>`;
    case "map":
      return `ReadonlyMap<${atomType(key, alias)}, ${value === undefined ? "never" : atomType(value, `${alias}Value`)}>`;
  }
}

function aliasOf(name: string, table: string, column: string, type: BaseTypeMetadata | undefined): string {
  if (type?.enum === undefined || !hasAlias(type)) return "";
  const line = `export type ${name} = ${enumUnion(type.enum)};`;
  const printed =
    line.length <= lineWidth
      ? line
      : `export type ${name} =\n${type.enum.map((value) => `  | ${JSON.stringify(value)}`).join("\n")};`;
  return `/** What \`${table}.${column}\` may hold. */\n${printed}\n\n`;
}

function range(type: BaseTypeMetadata): string[] {
  const [low, high] = [type.minInteger ?? type.minReal, type.maxInteger ?? type.maxReal];
  return [
    ...(low !== undefined || high !== undefined ? [`${low ?? "−∞"} to ${high ?? "∞"}`] : []),
    ...(type.maxLength !== undefined ? [`at most ${type.maxLength} characters`] : []),
    ...(type.minLength !== undefined ? [`at least ${type.minLength} characters`] : []),
    ...(type.refTable !== undefined ? [`${type.refType} reference to ${type.refTable}`] : []),
  ];
}

function columnRemark(column: ColumnMetadata): string {
  const many = column.kind === "set" || column.kind === "map";
  const value = column.value === undefined ? [] : range(column.value);
  return [
    ...range(column.key),
    ...(value.length > 0 ? [`values ${value.join(", ")}`] : []),
    ...(many && column.min !== undefined ? [`at least ${column.min}`] : []),
    ...(many && column.max !== undefined ? [`at most ${column.max}`] : []),
    ...(column.ephemeral ? ["ephemeral"] : []),
    ...(column.mutable === false ? ["given on insert only"] : []),
  ].join("; ");
}

function property(name: string, column: ColumnMetadata, alias: string): string {
  const remark = columnRemark(column);
  return [
    remark === "" ? "" : `  /** ${remark[0]?.toUpperCase()}${remark.slice(1)}. */\n`,
    `  readonly ${name}: ${columnType(column, alias)};\n`,
  ].join("");
}

function row(name: string, table: TableMetadata): string {
  const remarks = [
    table.isRoot ? "Root table" : "Goes when no strong reference names it",
    ...(table.maxRows !== undefined ? [`at most ${table.maxRows} row${table.maxRows === 1 ? "" : "s"}`] : []),
    ...table.indexes.map((index) => `unique by ${index.join(", ")}`),
  ];
  const columns = Object.entries(table.columns).map(([column, type]) => ({
    column,
    type,
    alias: `${rowTypeName(name)}${rowTypeName(column)}`,
  }));
  return [
    ...columns.flatMap(({ column, type, alias }) => [
      aliasOf(alias, name, column, type.key),
      aliasOf(`${alias}Value`, name, column, type.value),
    ]),
    `/** A row of \`${name}\`. ${remarks.join("; ")}. */\n`,
    `export interface ${rowTypeName(name)} {\n`,
    "  readonly _uuid: Uuid;\n",
    ...columns.map(({ column, type, alias }) => property(column, type, alias)),
    "}\n",
  ].join("");
}

function metadata(database: DatabaseMetadata): string {
  const tables = Object.entries(database.tables).map(([name, table]) => {
    const columns = Object.entries(table.columns).map(
      ([column, type]) => `        ${column}: ${printLiteral(type, 8, 8 + column.length + 3)},\n`,
    );
    return [
      `    ${name}: {\n`,
      `      isRoot: ${table.isRoot},\n`,
      ...(table.maxRows === undefined ? [] : [`      maxRows: ${table.maxRows},\n`]),
      `      indexes: ${printLiteral(table.indexes, 6, 6 + "indexes: ,".length)},\n`,
      columns.length === 0 ? "      columns: {},\n" : `      columns: {\n${columns.join("")}      },\n`,
      "    },\n",
    ].join("");
  });
  return tables.join("");
}

/**
 * Writes the TypeScript module of one database: a row interface per table, the model, and the metadata.
 * The same schema always gives the same text, and the formatter leaves it as it is.
 */
export function emitModel(database: DatabaseMetadata, names: ModelNames): string {
  const tables = Object.entries(database.tables);
  return [
    `// Generated by \`npm run generate\` from the schema of ${database.name} ${database.version}. Do not edit.\n`,
    'import type { Uuid } from "ovsdb-client-ts";\n',
    'import type { DatabaseMetadata } from "../metadata.ts";\n\n',
    tables.map(([name, table]) => row(name, table)).join("\n"),
    `\n/** The tables of ${database.name} ${database.version} and the rows in them. */\n`,
    `export interface ${names.model} {\n`,
    ...tables.map(([name]) => `  readonly ${name}: ${rowTypeName(name)};\n`),
    "}\n\n",
    `/** What the schema of ${database.name} ${database.version} says beyond types. */\n`,
    `export const ${names.metadata} = {\n`,
    `  name: ${JSON.stringify(database.name)},\n`,
    `  version: ${JSON.stringify(database.version)},\n`,
    "  tables: {\n",
    metadata(database),
    "  },\n",
    "} as const satisfies DatabaseMetadata;\n",
  ].join("");
}
