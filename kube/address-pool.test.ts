import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { addressPool } from "./address-pool.ts";
import { generate, generatedDefinitions } from "./generate.ts";

describe("the AddressPool", () => {
  it.each(generatedDefinitions)("has the definition in $path that `npm run generate` makes", (generated) => {
    expect(readFileSync(generated.path, "utf8")).toBe(generate(generated));
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
