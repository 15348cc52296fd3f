import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileColumn } from "./codec.ts";
import { CompactMap } from "./compact-map.ts";
import { CompactSet } from "./compact-set.ts";
import { OvsdbError } from "./errors.ts";
import { parseExact, stringifyExact } from "./json.ts";
import type { AtomicType, ColumnSchema } from "./schema.ts";

const int64 = fc.oneof(
  fc.maxSafeInteger(),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) => (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER ? value : Number(value))),
);
const atoms: Readonly<Record<AtomicType, fc.Arbitrary<unknown>>> = {
  integer: int64.map((value) => (value === 0 ? 0 : value)),
  real: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  boolean: fc.boolean(),
  string: fc.string({ unit: "grapheme" }),
  uuid: fc.uuid(),
};
const types = Object.keys(atoms) as AtomicType[];

function column(fields: Partial<ColumnSchema> & Pick<ColumnSchema, "key">): ColumnSchema {
  return { min: 1, max: 1, mutable: true, ephemeral: false, ...fields };
}

const overTheWire = (value: unknown): unknown => parseExact(stringifyExact(value));
const unlimited = Number.POSITIVE_INFINITY;

describe("values come back from the wire as they were sent", () => {
  for (const type of types) {
    it(`as scalar and as optional ${type}`, () => {
      const scalar = compileColumn("c", column({ key: { type } }));
      const optional = compileColumn("c", column({ key: { type }, min: 0 }));
      fc.assert(
        fc.property(atoms[type], (value) => {
          expect(scalar.decode(overTheWire(scalar.encode(value)))).toEqual(value);
          expect(optional.decode(overTheWire(optional.encode(value)))).toEqual(value);
        }),
      );
      expect(optional.decode(overTheWire(optional.encode(undefined)))).toBeUndefined();
    });

    it(`as set of ${type}`, () => {
      const codec = compileColumn("c", column({ key: { type }, min: 0, max: unlimited }));
      fc.assert(
        fc.property(fc.uniqueArray(atoms[type], { maxLength: 40 }), (values) => {
          const decoded = codec.decode(overTheWire(codec.encode(new Set(values)))) as ReadonlySet<unknown>;
          expect([...decoded]).toEqual(values);
          expect(decoded.size).toBe(values.length);
          for (const value of values) expect(decoded.has(value)).toBe(true);
        }),
      );
    });

    it(`as map from string to ${type} and back`, () => {
      for (const [key, value] of [
        ["string", type],
        [type, "string"],
      ] as const) {
        const codec = compileColumn(
          "c",
          column({ key: { type: key }, value: { type: value }, min: 0, max: unlimited }),
        );
        const entries = fc.uniqueArray(fc.tuple(atoms[key], atoms[value]), { maxLength: 20, selector: ([k]) => k });
        fc.assert(
          fc.property(entries, (pairs) => {
            const decoded = codec.decode(overTheWire(codec.encode(new Map(pairs)))) as ReadonlyMap<unknown, unknown>;
            expect([...decoded]).toEqual(pairs);
            for (const [k, v] of pairs) expect(decoded.get(k)).toEqual(v);
          }),
        );
      }
    });
  }
});

describe("the codec", () => {
  it("takes a one-element set bare or tagged", () => {
    const codec = compileColumn("c", column({ key: { type: "string" }, min: 0, max: unlimited }));
    expect([...(codec.decode("a") as ReadonlySet<string>)]).toEqual(["a"]);
    expect([...(codec.decode(["set", ["a"]]) as ReadonlySet<string>)]).toEqual(["a"]);
  });

  it("gives equal values of rows one string", () => {
    const codec = compileColumn(
      "c",
      column({ key: { type: "string" }, value: { type: "string" }, min: 0, max: unlimited }),
    );
    const wire = (): unknown => JSON.parse('["map",[["namespace-key","a value that repeats"]]]');
    expect(codec.decode(wire())).toEqual(codec.decode(wire()));
  });

  it("shares empty sets and maps, which can't be changed", () => {
    const set = compileColumn("c", column({ key: { type: "string" }, min: 0, max: unlimited }));
    expect(set.decode(["set", []])).toBe(set.defaultValue);
    expect(() => (set.defaultValue as CompactSet<string>).insert("a")).toThrow(TypeError);
  });

  it("takes plain objects for maps, also with integer keys, and leaves out undefined", () => {
    const codec = compileColumn(
      "c",
      column({ key: { type: "integer" }, value: { type: "string" }, min: 0, max: unlimited }),
    );
    expect(codec.encode({ 7: "seven", 8: undefined })).toEqual(["map", [[7, "seven"]]]);
  });

  it("refuses to send what doesn't fit", () => {
    const encode = (type: AtomicType, value: unknown) => () =>
      compileColumn("c", column({ key: { type } })).encode(value);
    for (const act of [
      encode("integer", 1.5),
      encode("integer", 2 ** 60),
      encode("integer", 2n ** 63n),
      encode("real", Number.NaN),
      encode("string", 1),
      encode("boolean", "true"),
      encode("uuid", "not a uuid"),
    ]) {
      expect(act).toThrow(OvsdbError);
    }
  });

  it("refuses what a server must not send", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.boolean(),
        fc.boolean(),
        fc.jsonValue(),
        (type, optional, many, wire) => {
          const codec = compileColumn(
            "c",
            column({
              key: { type },
              min: optional ? 0 : 1,
              max: many ? unlimited : 1,
              ...(many ? { value: { type } } : {}),
            }),
          );
          try {
            codec.decode(wire);
          } catch (error) {
            expect(error).toBeInstanceOf(OvsdbError);
            expect((error as OvsdbError).code).toBe("MALFORMED_MESSAGE");
          }
        },
      ),
    );
  });
});

describe("compact collections behave like the native ones", () => {
  const change = fc.tuple(fc.boolean(), fc.nat(30));

  it("a set through growing and shrinking", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const compact = new CompactSet<number>();
        const native = new Set<number>();
        for (const [add, value] of changes) {
          expect(add ? compact.insert(value) : compact.remove(value)).toBe(
            add ? !native.has(value) : native.has(value),
          );
          if (add) native.add(value);
          else native.delete(value);
          expect(compact.size).toBe(native.size);
        }
        expect(new Set(compact)).toEqual(native);
        expect(compact.union(new Set([99]))).toEqual(native.union(new Set([99])));
        expect(compact.isSubsetOf(native)).toBe(true);
      }),
    );
  });

  it("a map through growing and shrinking", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(change, fc.nat(3)), { maxLength: 200 }), (changes) => {
        const compact = new CompactMap<number, number>();
        const native = new Map<number, number>();
        for (const [[put, key], value] of changes) {
          if (put) {
            compact.put(key, value);
            native.set(key, value);
          } else expect(compact.remove(key)).toBe(native.delete(key));
          expect(compact.size).toBe(native.size);
          expect(compact.get(key)).toBe(native.get(key));
        }
        expect(new Map(compact)).toEqual(native);
        expect(new Set(compact.keys())).toEqual(new Set(native.keys()));
      }),
    );
  });
});
