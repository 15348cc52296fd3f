import { describe, expect, it } from "vitest";
import type { JsonValue } from "../object.ts";
import { compileRule } from "./cel.ts";

const self: JsonValue = { mode: "Cluster", list: ["a", "b"], nested: { count: 3 }, flag: true };
const met = (rule: string, value: JsonValue = self, old?: JsonValue) => compileRule(rule)?.isMet(value, old);

describe("a rule in CEL", () => {
  it.each<readonly [string, boolean | undefined]>([
    ["self.mode == 'Cluster'", true],
    ['self.mode != "Cluster"', false],
    ["has(self.mode) && size(self.list) == 2", true],
    ["has(self.missing)", false],
    ["has(self.nested.count) && self.nested.count >= 3 && self.nested.count < 4", true],
    ["(self.mode == 'Underlay') == has(self.missing)", true],
    ["!has(self.missing) || self.missing == 1", true],
    ["self.missing == 1 || self.flag", true],
    ["self.missing == 1", undefined],
    ["self.list[1] == 'b'", true],
    ["self.list[2] == 'b'", undefined],
    ["!self.flag", false],
    ["size(self.mode) > 6 && !(self.nested.count <= 2)", true],
  ])("%s is %j", (rule, expected) => expect(met(rule)).toBe(expected));

  it("about what was before is one of changes", () => {
    expect(compileRule("self == oldSelf")?.isTransition).toBe(true);
    expect(compileRule("self == 'oldself'")?.isTransition).toBe(false);
    expect(met("self == oldSelf", "a", "a")).toBe(true);
    expect(met("self == oldSelf", "a", "b")).toBe(false);
  });

  it.each(["self.all(x, x > 1)", "self.list[x] == 'a'", "self +", "", "other == 1", "has(self)", "isCIDR(self)"])(
    "isn't understood where it is %j",
    (rule) => expect(compileRule(rule)).toBeUndefined(),
  );
});
