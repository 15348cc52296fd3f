/** A row's identifier: 36 characters, lower case. */
export type Uuid = string;

/** A value as it goes over the wire (RFC 7047 section 5.1): a scalar, `["uuid", x]`, `["set", […]]` or `["map", […]]`. */
export type WireValue = string | number | bigint | boolean | readonly unknown[];

export type WireRow = Readonly<Record<string, WireValue>>;

/** `[column, function, value]` (RFC 7047 section 5.1); a monitor also takes the bare booleans. */
export type Condition =
  | readonly [
      column: string,
      relation: "==" | "!=" | "<" | "<=" | ">" | ">=" | "includes" | "excludes",
      value: WireValue,
    ]
  | boolean;

export type Mutation = readonly [
  column: string,
  mutator: "+=" | "-=" | "*=" | "/=" | "%=" | "insert" | "delete",
  value: WireValue,
];

/** One operation of a transaction, as it goes over the wire (RFC 7047 section 5.2; `uuid` of insert: ovsdb-server(7)). */
export type Operation =
  | {
      readonly op: "insert";
      readonly table: string;
      readonly row: WireRow;
      readonly uuid?: Uuid;
      readonly "uuid-name"?: string;
    }
  | {
      readonly op: "select";
      readonly table: string;
      readonly where: readonly Condition[];
      readonly columns?: readonly string[];
    }
  | { readonly op: "update"; readonly table: string; readonly where: readonly Condition[]; readonly row: WireRow }
  | {
      readonly op: "mutate";
      readonly table: string;
      readonly where: readonly Condition[];
      readonly mutations: readonly Mutation[];
    }
  | { readonly op: "delete"; readonly table: string; readonly where: readonly Condition[] }
  | {
      readonly op: "wait";
      readonly table: string;
      readonly where: readonly Condition[];
      readonly columns: readonly string[];
      readonly until: "==" | "!=";
      readonly rows: readonly WireRow[];
      readonly timeout?: number;
    }
  | { readonly op: "commit"; readonly durable: boolean }
  | { readonly op: "abort" }
  | { readonly op: "comment"; readonly comment: string }
  | { readonly op: "assert"; readonly lock: string };

/** What one operation gave: the new row's uuid (insert), how many rows it touched, or the decoded rows (select). */
export interface OperationResult {
  readonly uuid?: Uuid;
  readonly count?: number;
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
}
