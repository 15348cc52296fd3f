import { describe, expect, it } from "vitest";
import { selects } from "./label-selector.ts";

const labels = { rack: "a", disk: "ssd" };
const expression = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }],
});

describe("a node selector", () => {
  it.each([
    ["nothing asked", {}, true],
    ["a label", { matchLabels: { rack: "a" } }, true],
    ["another value", { matchLabels: { rack: "b" } }, false],
    ["one of some", expression("rack", "In", "a", "b"), true],
    ["none of some", expression("rack", "NotIn", "a"), false],
    ["none of some, and no such label", expression("zone", "NotIn", "a"), true],
    ["that it is there", expression("zone", "Exists"), false],
    ["that it is not there", expression("zone", "DoesNotExist"), true],
    ["what nobody knows", expression("rack", "Gt", "1"), false],
  ])("with %s", (_, selector, expected) => {
    expect(selects(selector, labels)).toBe(expected);
  });
});
