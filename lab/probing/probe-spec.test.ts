import { describe, expect, it } from "vitest";
import { isAsExpected, probeSpec } from "./probe-spec.ts";

describe("a probe", () => {
  it("is TCP unless it says otherwise", () => {
    expect(probeSpec.parse({ from: "default/a", to: "default/b", port: 80 })).toMatchObject({
      protocol: "tcp",
      port: 80,
    });
  });

  it("is refused with an impossible port or protocol", () => {
    expect(probeSpec.safeParse({ from: "a", to: "b", port: 70_000 }).success).toBe(false);
    expect(probeSpec.safeParse({ from: "a", to: "b", protocol: "arp" }).success).toBe(false);
  });

  it("without an expectation is satisfied by any outcome", () => {
    expect(isAsExpected({}, { verdict: "dropped" })).toBe(true);
  });

  it("may expect a verdict, or single fields", () => {
    const outcome = { verdict: "connected", peer: "default/b", sourceSeen: "10.244.0.3" } as const;
    expect(isAsExpected({ expect: "connected" }, outcome)).toBe(true);
    expect(isAsExpected({ expect: "refused" }, outcome)).toBe(false);
    expect(isAsExpected({ expect: { peer: "default/b" } }, outcome)).toBe(true);
    expect(isAsExpected({ expect: { verdict: "connected", sourceSeen: "10.244.0.4" } }, outcome)).toBe(false);
  });
});
