import { expect, it } from "vitest";
import { createTokenBucket } from "./token-bucket.ts";

it("gives the burst at once, and then at the rate", () => {
  let now = 0;
  const bucket = createTokenBucket(10, 2, () => now);
  expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 100, 200]);
  now = 200;
  expect(bucket.take()).toBe(100);
  now = 10_000;
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 100]);
});
