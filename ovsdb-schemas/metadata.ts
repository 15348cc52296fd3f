/**
 * What a schema says of a database beyond the TypeScript types: root tables, indexes, ranges and references.
 * The shapes follow RFC 7047 section 3.2, with the value mapping of `ovsdb-client-ts` made explicit in `kind`.
 */

/** An atom's type with its constraints (`<base-type>` in RFC 7047 section 3.2). */
export interface BaseTypeMetadata {
  readonly type: "integer" | "real" | "boolean" | "string" | "uuid";
  readonly enum?: readonly (string | number)[];
  readonly minInteger?: number;
  readonly maxInteger?: number;
  readonly minReal?: number;
  readonly maxReal?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** The table that a `uuid` refers to. A row that a strong reference names can't go; a weak one is pruned instead. */
  readonly refTable?: string;
  readonly refType?: "strong" | "weak";
}

export interface ColumnMetadata {
  /** `scalar`: exactly one; `optional`: none or one; `set`: more than one possible; `map`: has `value`. */
  readonly kind: "scalar" | "optional" | "set" | "map";
  readonly key: BaseTypeMetadata;
  readonly value?: BaseTypeMetadata;
  /** Least and greatest number of elements, where they aren't 0 and unlimited (sets and maps only). */
  readonly min?: number;
  readonly max?: number;
  /** Not kept over a restart of the server. */
  readonly ephemeral?: true;
  /** False: can be given on insert only. */
  readonly mutable?: false;
}

export interface TableMetadata {
  /** A row of a table that is no root table goes as soon as no strong reference names it. */
  readonly isRoot: boolean;
  readonly maxRows?: number;
  /** Each a list of columns whose values together are unique in the table. */
  readonly indexes: readonly (readonly string[])[];
  readonly columns: Readonly<Record<string, ColumnMetadata>>;
}

export interface DatabaseMetadata {
  readonly name: string;
  /** The version of the schema that the model was generated from; the connected server's may be older or newer. */
  readonly version: string;
  readonly tables: Readonly<Record<string, TableMetadata>>;
}
