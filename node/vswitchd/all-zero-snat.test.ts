import { expect, it } from "vitest";
import { abortsOverAllZeroSnat } from "./all-zero-snat.ts";

it.each([
  ["2.16.9", true],
  ["2.17.7", true],
  ["2.17.8", false],
  ["3.0.4", true],
  ["3.0.5", false],
  ["3.1.0", true],
  ["3.1.3", false],
  ["3.2.0", true],
  ["3.2.2", true],
  ["3.2.3", false],
  ["3.3.0", false],
  ["4.0.0", false],
  [undefined, true],
  ["unknown", true],
])("Open vSwitch %s aborts over all-zero SNAT: %s", (version, expected) => {
  expect(abortsOverAllZeroSnat(version)).toBe(expected);
});
