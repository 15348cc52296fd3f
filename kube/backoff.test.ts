import { expect, it } from "vitest";
import { createBackoff } from "./backoff.ts";

it("pauses double up to the bound, and begin anew after a reset", () => {
  const backoff = createBackoff({ minMs: 100, maxMs: 500 }, () => 1);
  expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([100, 200, 400, 500, 500]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

it("pauses lie between half and all of their base", () => {
  expect(createBackoff({ minMs: 100, maxMs: 500 }, () => 0).next()).toBe(50);
});
