import { expect, it } from "vitest";
import { isFaulty } from "./version.ts";

const soundSince = [
  [2, 17, 8],
  [3, 1, 3],
] as const;

it.each([
  ["2.16.9", true],
  ["2.17.7", true],
  ["2.17.8", false],
  ["2.18.0", false],
  ["3.1.2", true],
  ["3.1.3", false],
  ["3.1.10", false],
  ["3.2.0", false],
  ["4.0.0", false],
  ["1.99.9", true],
  [undefined, true],
  ["unknown", true],
])("Open vSwitch %s has a fault that 2.17.8 and 3.1.3 are without: %s", (version, expected) => {
  expect(isFaulty(version, soundSince)).toBe(expected);
});
