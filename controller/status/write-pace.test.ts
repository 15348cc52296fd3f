import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createWritePace } from "./write-pace.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("the same is written again after a pause that doubles up to a bound, anything else at once", () => {
  const pace = createWritePace({ firstPauseMs: 1_000, longestPauseMs: 3_000 });
  const allows = (text = "a", uid = "u") => pace.allows("key", uid, text);
  for (const pauseMs of [1_000, 2_000, 3_000, 3_000]) {
    expect(allows()).toBe(true);
    pace.wrote("key", "u", "a");
    expect(allows()).toBe(false);
    expect(allows("b")).toBe(true);
    expect(allows("a", "another object")).toBe(true);
    vi.advanceTimersByTime(pauseMs - 1);
    expect(allows()).toBe(false);
    vi.advanceTimersByTime(1);
  }
  pace.wrote("key", "u", "a");
  pace.forget("key");
  expect(allows()).toBe(true);
});
