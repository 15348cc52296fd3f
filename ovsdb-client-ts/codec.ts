import { CompactMap } from "./compact-map.ts";
import { CompactSet } from "./compact-set.ts";
import { OvsdbError } from "./errors.ts";
import { createInterner, type Intern } from "./interner.ts";
import type { WireValue } from "./operation.ts";
import type { BaseType, ColumnSchema } from "./schema.ts";
import type { SharedTexts } from "./shared-texts.ts";

/** Values between their wire form (RFC 7047 section 5.1) and ours, compiled for one column. */
export interface ColumnCodec {
  readonly name: string;
  readonly schema: ColumnSchema;
  readonly kind: "scalar" | "optional" | "set" | "map";
  /** What a column holds that an insert update leaves out. Empty sets and maps are shared: never change them. */
  readonly defaultValue: unknown;
  /** @throws OvsdbError MALFORMED_MESSAGE */
  decode(wire: unknown): unknown;
  /** The members of a wire set (kind "set") or the flat entries of a wire map (kind "map"), decoded. */
  decodeItems(wire: unknown): unknown[];
  /** @throws OvsdbError INVALID_ARGUMENT */
  encode(value: unknown): WireValue;
  /** Members of a set, or keys of a map, as a wire set. @throws OvsdbError INVALID_ARGUMENT */
  encodeKeys(value: unknown): WireValue;
}

export const emptySet: ReadonlySet<never> = Object.freeze(new CompactSet<never>());
export const emptyMap: ReadonlyMap<never, never> = Object.freeze(new CompactMap<never, never>());

const zeroUuid = "00000000-0000-0000-0000-000000000000";
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const nameOfNew = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function malformed(column: string, wire: unknown): OvsdbError {
  const shown = typeof wire === "bigint" ? `${wire}` : (JSON.stringify(wire) ?? "nothing").slice(0, 120);
  return new OvsdbError("MALFORMED_MESSAGE", `The server sent ${shown} as a value of column ${column}`);
}

function invalid(column: string, value: unknown, type: string): OvsdbError {
  return new OvsdbError("INVALID_ARGUMENT", `${String(value).slice(0, 120)} is no ${type} for column ${column}`);
}

type AtomCodec = { decode(wire: unknown): unknown; encode(value: unknown): WireValue; readonly zero: unknown };

function integerOf(value: number | bigint): number | bigint {
  return typeof value === "bigint" && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;
}

function atomCodec(column: string, base: BaseType, intern: Intern, shared?: SharedTexts): AtomCodec {
  switch (base.type) {
    case "string":
      return {
        zero: "",
        decode(wire) {
          if (typeof wire !== "string") throw malformed(column, wire);
          return intern(wire);
        },
        encode(value) {
          if (typeof value !== "string") throw invalid(column, value, "string");
          return value;
        },
      };
    case "uuid":
      return {
        zero: zeroUuid,
        decode(wire) {
          if (!Array.isArray(wire) || wire[0] !== "uuid" || typeof wire[1] !== "string") throw malformed(column, wire);
          return shared === undefined ? wire[1] : shared.reference(base.refTable, wire[1]);
        },
        encode(value) {
          if (typeof value !== "string") throw invalid(column, value, "uuid");
          if (value.length === 36 && uuidPattern.test(value)) return ["uuid", value];
          if (nameOfNew.test(value)) return ["named-uuid", value];
          throw invalid(column, value, "uuid");
        },
      };
    case "boolean":
      return {
        zero: false,
        decode(wire) {
          if (typeof wire !== "boolean") throw malformed(column, wire);
          return wire;
        },
        encode(value) {
          if (typeof value !== "boolean") throw invalid(column, value, "boolean");
          return value;
        },
      };
    case "integer":
      return {
        zero: 0,
        decode(wire) {
          if (Number.isSafeInteger(wire)) return wire;
          if (typeof wire === "bigint") return integerOf(wire);
          throw malformed(column, wire);
        },
        encode(value) {
          if (Number.isSafeInteger(value)) return value as number;
          if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value;
          throw invalid(column, value, "64-bit integer (beyond 2^53 it takes a bigint)");
        },
      };
    case "real":
      return {
        zero: 0,
        decode(wire) {
          if (typeof wire === "number") return wire;
          if (typeof wire === "bigint") return Number(wire);
          throw malformed(column, wire);
        },
        encode(value) {
          if (typeof value === "number" && Number.isFinite(value)) return value;
          throw invalid(column, value, "finite number");
        },
      };
  }
}

function isTagged(wire: unknown, tag: "set" | "map"): wire is [string, unknown[]] {
  return Array.isArray(wire) && wire[0] === tag && Array.isArray(wire[1]);
}

/** Encodes each item of an iterable, or a bare value as one item. */
function encodeEach(value: unknown, encode: (item: unknown) => WireValue): WireValue[] {
  const wire: WireValue[] = [];
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) wire.push(encode(value[index]));
  } else if (typeof value === "object" && value !== null && Symbol.iterator in value) {
    for (const item of value as Iterable<unknown>) wire.push(encode(item));
  } else if (value !== undefined) wire.push(encode(value));
  return wire;
}

/** Encodes the entries of a Map, of an iterable of pairs, or of a plain object. */
function encodeEntries(
  value: unknown,
  encodeKey: (key: unknown) => WireValue,
  encodeValue: (value: unknown) => WireValue,
): WireValue[] {
  const wire: WireValue[] = [];
  if (value === undefined) return wire;
  if (typeof value !== "object" || value === null) {
    throw new OvsdbError("INVALID_ARGUMENT", "A map column takes a Map or an object");
  }
  if (Symbol.iterator in value) {
    for (const [key, item] of value as Iterable<readonly [unknown, unknown]>) {
      wire.push([encodeKey(key), encodeValue(item)]);
    }
    return wire;
  }
  const entries = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(entries)) {
    const item = entries[key];
    if (item !== undefined) wire.push([encodeKey(key), encodeValue(item)]);
  }
  return wire;
}

/** Compiles the codec of one column. Repeated strings come out as one object; with `shared`, also those of other columns. */
export function compileColumn(name: string, schema: ColumnSchema, shared?: SharedTexts): ColumnCodec {
  const ofColumn = createInterner();
  // Members of sets are in other rows' sets too, and other values in the same column of other rows.
  const isShared = shared !== undefined && schema.max > 1 && schema.value === undefined;
  const intern = isShared ? shared.text : ofColumn;
  const key = atomCodec(name, schema.key, intern, shared);
  const oneByOne = {
    decodeItems(wire: unknown): unknown[] {
      if (!isTagged(wire, "set")) return [key.decode(wire)];
      const items: unknown[] = [];
      for (const item of wire[1]) items.push(key.decode(item));
      return items;
    },
    encodeKeys: (value: unknown): WireValue => ["set", encodeEach(value, key.encode)],
  };
  if (schema.value !== undefined) return mapCodec(name, schema, schema.value, intern);
  if (schema.max > 1) {
    const decodeItems = oneByOne.decodeItems;
    return {
      name,
      schema,
      kind: "set",
      defaultValue: schema.min === 0 ? emptySet : new CompactSet([key.zero]),
      ...oneByOne,
      decode(wire) {
        if (!isTagged(wire, "set")) return new CompactSet([key.decode(wire)]);
        const items = decodeItems(wire);
        return items.length === 0 ? emptySet : new CompactSet(items);
      },
      encode(value) {
        const items = encodeEach(value, key.encode);
        return items.length === 1 && items[0] !== undefined ? items[0] : ["set", items];
      },
    };
  }
  if (schema.min === 0) {
    return {
      name,
      schema,
      kind: "optional",
      defaultValue: undefined,
      ...oneByOne,
      decode(wire) {
        if (!isTagged(wire, "set")) return key.decode(wire);
        if (wire[1].length > 1) throw malformed(name, wire);
        return wire[1].length === 0 ? undefined : key.decode(wire[1][0]);
      },
      encode: (value) => (value === undefined ? ["set", []] : key.encode(value)),
    };
  }
  return {
    name,
    schema,
    kind: "scalar",
    defaultValue: key.zero,
    ...oneByOne,
    decode(wire) {
      // A scalar may come as a set of one.
      if (isTagged(wire, "set") && wire[1].length === 1) return key.decode(wire[1][0]);
      return key.decode(wire);
    },
    encode: key.encode,
  };
}

function mapCodec(name: string, schema: ColumnSchema, valueType: BaseType, internKey: Intern): ColumnCodec {
  const key = atomCodec(name, schema.key, internKey);
  // One interner per key: one key's values repeat (a namespace), another's never do (a pod's uid).
  const internOfKey = new Map<unknown, Intern>();
  const anyKey = createInterner();
  let internValue: Intern = anyKey;
  const value = atomCodec(name, valueType, (text) => internValue(text));
  function chooseIntern(decodedKey: unknown): void {
    if (valueType.type !== "string") return;
    let found = internOfKey.get(decodedKey);
    if (found === undefined) {
      found = internOfKey.size < 64 ? createInterner(256) : anyKey;
      if (found !== anyKey) internOfKey.set(decodedKey, found);
    }
    internValue = found;
  }
  function decodeItems(wire: unknown): unknown[] {
    if (!isTagged(wire, "map")) throw malformed(name, wire);
    const pairs = wire[1];
    const flat: unknown[] = new Array(2 * pairs.length);
    for (let index = 0; index < pairs.length; index++) {
      const pair = pairs[index];
      if (!Array.isArray(pair) || pair.length !== 2) throw malformed(name, pair);
      const decodedKey = key.decode(pair[0]);
      chooseIntern(decodedKey);
      flat[2 * index] = decodedKey;
      flat[2 * index + 1] = value.decode(pair[1]);
    }
    return flat;
  }
  const encodeKey =
    schema.key.type === "integer" || schema.key.type === "real"
      ? (item: unknown) => key.encode(typeof item === "string" ? numberKey(item) : item)
      : key.encode;
  return {
    name,
    schema,
    kind: "map",
    defaultValue: emptyMap,
    decodeItems,
    encodeKeys: (keys) => ["set", encodeEach(keys, encodeKey)],
    decode(wire) {
      const flat = decodeItems(wire);
      return flat.length === 0 ? emptyMap : new CompactMap(flat);
    },
    encode: (entries) => ["map", encodeEntries(entries, encodeKey, value.encode)],
  };
}

/** A plain object's keys are strings, also where the column's are numbers. */
function numberKey(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) || !/^-?\d+$/.test(text) ? number : BigInt(text);
}
