import { describe, expect, it } from "vitest";
import type { JsonValue, KubeObject } from "../object.ts";
import { parseJsonPath } from "./json-path.ts";
import { applyDefaults, pruneUnknown } from "./structural-schema.ts";
import { compileValidator } from "./validator.ts";

describe("JSON paths of printer columns", () => {
  const object: JsonValue = {
    spec: { size: 3, list: [{ name: "a" }, { name: "b" }], "dotted.key": "d" },
    status: {
      conditions: [
        { type: "Ready", status: "True" },
        { type: "Other", status: "False" },
      ],
    },
  };
  it.each([
    [".spec.size", [3]],
    ["{.spec.list[*].name}", ["a", "b"]],
    [".spec.list[1].name", ["b"]],
    [".spec.list[-1].name", ["b"]],
    [".spec['dotted.key']", ["d"]],
    [".spec.dotted\\.key", ["d"]],
    ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
    [".status.conditions[?(@.type != 'Ready')].status", ["False"]],
    [".spec.missing.deeper", []],
  ])("%s", (path, expected) => expect(parseJsonPath(path)?.(object)).toEqual(expected));

  it("doesn't understand what it doesn't understand", () => expect(parseJsonPath(".a[?(x)]")).toBeUndefined());
});

describe("structural schemas", () => {
  const schema = {
    type: "object",
    properties: {
      spec: {
        type: "object",
        required: ["name"],
        properties: {
          name: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
          mode: { type: "string", default: "auto", nullable: true },
          nested: {
            type: "object",
            default: {},
            properties: { depth: { type: "integer", default: 1, minimum: 0, exclusiveMinimum: true } },
          },
          open: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
          map: { type: "object", additionalProperties: { type: "object", properties: { a: { type: "string" } } } },
          address: { type: "string", format: "ipv4" },
        },
      },
    },
  };
  const custom = (spec: JsonValue) =>
    ({ kind: "K", apiVersion: "v1", metadata: { name: "x" }, spec }) as unknown as KubeObject;

  it("prune what they don't know, and only that", () => {
    const object = custom({ name: "a", junk: 1, open: { any: 1 }, map: { k: { a: "1", b: "2" } } });
    expect(pruneUnknown(object, schema).sort()).toEqual(["spec.junk", "spec.map.k.b"]);
    expect(object.spec).toEqual({ name: "a", open: { any: 1 }, map: { k: { a: "1" } } });
    expect(object.metadata).toEqual({ name: "x" });
  });

  it("fill in defaults, also below defaults", () => {
    const object = custom({ name: "a", mode: null });
    applyDefaults(object as unknown as JsonValue, schema);
    expect(object.spec).toEqual({ name: "a", mode: null, nested: { depth: 1 } });
  });

  it.each<[JsonValue, string, string]>([
    [{}, "FieldValueRequired", "spec.name"],
    [{ name: 7 }, "FieldValueTypeInvalid", "spec.name"],
    [{ name: "A" }, "FieldValueInvalid", "spec.name"],
    [{ name: "abcdef" }, "FieldValueTooLong", "spec.name"],
    [{ name: "a", nested: { depth: 0 } }, "FieldValueInvalid", "spec.nested.depth"],
    [{ name: "a", address: "1.2.3" }, "FieldValueInvalid", "spec.address"],
  ])("%j is %s in %s", (spec, reason, field) => {
    expect(compileValidator(schema)(custom(spec))).toMatchObject([{ reason, field }]);
  });

  it("accept null where it is nullable", () =>
    expect(compileValidator(schema)(custom({ name: "a", mode: null }))).toEqual([]));
});
