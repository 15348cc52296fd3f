import { expect, it } from "vitest";
import { jsonPointer } from "./patch.ts";

it("a JSON pointer escapes slashes and tildes", () => {
  expect(jsonPointer("metadata", "annotations", "ovenbird.io/network")).toBe(
    "/metadata/annotations/ovenbird.io~1network",
  );
  expect(jsonPointer("a~b", 0, "-")).toBe("/a~0b/0/-");
  expect(jsonPointer()).toBe("");
});
