import { describe, expect, it } from "vitest";
import { isAsExpected, probeSpec, readProbes } from "./probe-spec.ts";

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

  it("without an expectation is satisfied by any answer and by silence, not by a failure to ask", () => {
    for (const verdict of ["connected", "refused", "dropped"] as const)
      expect(isAsExpected({}, { verdict })).toBe(true);
    expect(isAsExpected({}, { verdict: "error" })).toBe(false);
    expect(isAsExpected({ expect: "error" }, { verdict: "error" })).toBe(true);
  });

  it("that is written wrongly is named by its place, with the field", () => {
    const good = { from: "outside", to: "outside" };
    expect(readProbes([good])).toHaveLength(1);
    expect(() => readProbes([good, { ...good, prot: "udp" }])).toThrow("probe 1: unknown key prot");
    expect(() => readProbes([{ ...good, port: 70_000 }])).toThrow(/^probe 0, port: /);
    expect(() => readProbes([{ ...good, expect: { verdcit: "dropped" } }])).toThrow(
      "probe 0, expect: unknown key verdcit",
    );
    expect(() => readProbes({ from: "outside" })).toThrow("must be an array of probes");
  });

  it("may expect a verdict, or single fields", () => {
    const outcome = { verdict: "connected", peer: "default/b", sourceSeen: "10.244.0.3" } as const;
    expect(isAsExpected({ expect: "connected" }, outcome)).toBe(true);
    expect(isAsExpected({ expect: "refused" }, outcome)).toBe(false);
    expect(isAsExpected({ expect: { peer: "default/b" } }, outcome)).toBe(true);
    expect(isAsExpected({ expect: { verdict: "connected", sourceSeen: "10.244.0.4" } }, outcome)).toBe(false);
  });
});
