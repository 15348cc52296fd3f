import { describe, expect, it } from "vitest";
import { bondName, bridgeName } from "./names.ts";

describe("the names of a provider network's bridge and bond", () => {
  it("are its own where they fit a device, and never those of other bridges", () => {
    expect([bridgeName("datacenter-a"), bondName("blue")]).toEqual(["br-datacenter-a", "bond-blue"]);
    for (const network of ["ex", "int", "datacenter-of-munich", "x".repeat(253)]) {
      expect(bridgeName(network)).toMatch(/^br-[0-9a-f]{12}$/);
    }
    expect(bridgeName("datacenter-of-munich")).not.toBe(bridgeName("datacenter-of-berlin"));
  });
});
