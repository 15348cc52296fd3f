import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { addressPool } from "./address-pool.ts";
import { generatedFiles } from "./generate.ts";

describe("the AddressPool", () => {
  it.each(generatedFiles)("has what `npm run generate` makes in $path", ({ path, text }) => {
    expect(readFileSync(path, "utf8")).toBe(text());
  });

  it("assigns and announces unless it says otherwise", () => {
    expect(addressPool.parse({ spec: { addresses: ["192.0.2.0/28"] } }).spec).toEqual({
      addresses: ["192.0.2.0/28"],
      autoAssign: true,
      announce: true,
    });
  });

  it("needs an address", () => {
    expect(addressPool.safeParse({ spec: { addresses: [] } }).success).toBe(false);
    expect(addressPool.safeParse({ spec: {} }).success).toBe(false);
  });
});
