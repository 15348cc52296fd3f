import { describe, expect, it } from "vitest";
import { parseFieldSelector, parseLabelSelector } from "./selectors.ts";
import { ApiError } from "./status.ts";
import type { Entry } from "./storage/entry.ts";

const entry = (labels: Record<string, string>, fields: Record<string, string> = {}): Entry => ({
  key: "default/x",
  namespace: "default",
  name: "x",
  uid: "1",
  revision: 1,
  text: "",
  labels,
  fields,
  owners: undefined,
  deleting: false,
});

describe("label selectors", () => {
  it.each([
    ["a=1", { a: "1" }, true],
    ["a==1", { a: "2" }, false],
    ["a!=1", {}, true],
    ["a in (1, 2),b", { a: "2", b: "" }, true],
    ["a notin (1,2)", { a: "3" }, true],
    ["a notin (1,2)", {}, true],
    ["!a", { a: "" }, false],
    ["a>5", { a: "10" }, true],
    ["a<5", { a: "x" }, false],
    ["example.com/a=b", { "example.com/a": "b" }, true],
    ["a=", { a: "" }, true],
    ["toString", {}, false],
  ])("%s", (text, labels, expected) => {
    expect(parseLabelSelector(text)?.(entry(labels))).toBe(expected);
  });

  it.each(["a b", "=x", "a in 1", "a in (1", "-a", "a=b=c", ",", "a>x"])("refuses %s", (text) => {
    expect(() => parseLabelSelector(text)).toThrow(ApiError);
  });

  it("selects everything when empty", () => expect(parseLabelSelector("")).toBeUndefined());
});

describe("field selectors", () => {
  it("compare names and the kind's own fields", () => {
    const { matches, name } = parseFieldSelector("metadata.name=x,spec.nodeName!=n1", ["spec.nodeName"]);
    expect(name).toBe("x");
    expect(matches?.(entry({}, { "spec.nodeName": "n2" }))).toBe(true);
    expect(matches?.(entry({}, { "spec.nodeName": "n1" }))).toBe(false);
  });

  it("take a field that isn't set for empty", () => {
    expect(parseFieldSelector("spec.nodeName=", ["spec.nodeName"]).matches?.(entry({}))).toBe(true);
  });

  it("refuse unknown fields", () =>
    expect(() => parseFieldSelector("spec.other=1", ["spec.nodeName"])).toThrow(/not supported: spec.other/));
});
