import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { markOf } from "./probe.ts";

it("silence is neither good nor bad where nothing was expected", () => {
  const mark = (...how: Parameters<typeof markOf>) => stripVTControlCharacters(markOf(...how));
  expect(mark(undefined, "dropped", true)).toBe("•");
  expect(mark(undefined, "refused", true)).toBe("•");
  expect(mark(undefined, "connected", true)).toBe("✓");
  expect(mark("dropped", "dropped", true)).toBe("✓");
  expect(mark("connected", "dropped", false)).toBe("✗");
  expect(mark(undefined, "error", false)).toBe("✗");
});
