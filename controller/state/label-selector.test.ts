import { describe, expect, it } from "vitest";
import { readLabelSelector } from "./label-selector.ts";

describe("a label selector", () => {
  it("that is empty has no condition", () => {
    expect(readLabelSelector({})).toEqual([]);
    expect(readLabelSelector({ matchLabels: null, matchExpressions: [] })).toEqual([]);
  });

  it("has the conditions of both its parts, each once and in one order", () => {
    const selector = {
      matchLabels: { tier: "db", app: "shop" },
      matchExpressions: [
        { key: "zone", operator: "NotIn", values: ["b", "a"] },
        { key: "app", operator: "In", values: ["shop"] },
        { key: "canary", operator: "DoesNotExist" },
        { key: "owner", operator: "Exists", values: [] },
      ],
    };
    expect(readLabelSelector(selector)).toEqual([
      { key: "canary", operator: "DoesNotExist" },
      { key: "app", operator: "In", values: ["shop"] },
      { key: "owner", operator: "Exists" },
      { key: "tier", operator: "In", values: ["db"] },
      { key: "zone", operator: "NotIn", values: ["a", "b"] },
    ]);
  });

  it.each([
    { key: "app", operator: "In", values: ["", "x.y_z-1"] },
    { key: "example.com/app.kubernetes_io", operator: "Exists" },
    { key: `${"a".repeat(253)}/${"b".repeat(63)}`, operator: "Exists" },
  ])("may say $key $operator", (expression) => {
    expect(readLabelSelector({ matchExpressions: [expression] })).toEqual([expression]);
  });

  it.each([
    ["is no object", "app=shop"],
    ["is a list", []],
    ["has labels that are no map", { matchLabels: ["app"] }],
    ["has a label value that is no text", { matchLabels: { app: 1 } }],
    ["has a value that no label can have, and that would read as two", { matchLabels: { app: "a,b" } }],
    ["names a port as if it were a label", { matchLabels: { "#tcp/http": "80" } }],
    ["has an empty key", { matchLabels: { "": "x" } }],
    ["has a key of two slashes", { matchLabels: { "a/b/c": "x" } }],
    ["has a key that is too long", { matchLabels: { ["b".repeat(64)]: "x" } }],
    ["has a value that is too long", { matchLabels: { app: "b".repeat(64) } }],
    ["has expressions that are no list", { matchExpressions: {} }],
    ["has an expression without a key", { matchExpressions: [{ operator: "Exists" }] }],
    ["has an unknown operator", { matchExpressions: [{ key: "app", operator: "Gt", values: ["1"] }] }],
    ["has In without values", { matchExpressions: [{ key: "app", operator: "In", values: [] }] }],
    ["has NotIn without values", { matchExpressions: [{ key: "app", operator: "NotIn" }] }],
    [
      "is longer than rows can bear",
      {
        matchExpressions: [{ key: "app", operator: "In", values: Array.from({ length: 4_000 }, (_, at) => `v${at}`) }],
      },
    ],
    ["has Exists with values", { matchExpressions: [{ key: "app", operator: "Exists", values: ["x"] }] }],
  ])("that %s can't be read", (_what, selector) => {
    expect(readLabelSelector(selector)).toBeTypeOf("string");
  });
});
