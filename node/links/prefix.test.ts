import { describe, expect, it } from "vitest";
import { covers } from "./prefix.ts";

describe("a network", () => {
  it.each([
    ["10.244.0.3/24", "10.244.0.1", true],
    ["10.244.0.3/24", "10.244.1.1", false],
    ["10.244.0.3/20", "10.244.15.1", true],
    ["10.244.0.3/32", "10.244.0.1", false],
    ["0.0.0.0/0", "192.0.2.1", true],
    ["fd00:10:244::3/64", "fd00:10:244::1", true],
    ["fd00:10:244::3/64", "fd00:10:244:1::1", false],
    ["fd00:10:244::3/64", "10.244.0.1", false],
  ])("%s: %s lies in it: %s", (network, address, expected) => {
    expect(covers(network, address)).toBe(expected);
  });
});
