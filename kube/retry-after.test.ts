import { expect, it } from "vitest";
import { parseRetryAfter } from "./retry-after.ts";

it.each([
  ["5", 5000],
  [" 0 ", 0],
  ["Sat, 21 Nov 2026 00:00:10 GMT", 10_000],
  ["Fri, 20 Nov 2026 00:00:00 GMT", 0],
  ["soon", undefined],
  ["-1", undefined],
  ["99999999999999999999", undefined],
  ["", undefined],
  [undefined, undefined],
  [["5", "6"], undefined],
])("Retry-After %j is %j ms", (value, expected) => {
  expect(parseRetryAfter(value, Date.UTC(2026, 10, 21))).toBe(expected);
});
