import { expect, it } from "vitest";
import { isOlderVersion } from "./resource-version.ts";

it.each([
  ["9", "10", true],
  ["10", "9", false],
  ["10", "10", false],
  ["abc", "def", false],
  ["", "1", false],
])("version %s is older than %s: %j", (version, other, older) => {
  expect(isOlderVersion(version, other)).toBe(older);
});
