import { describe, expect, it } from "vitest";
import { logColumns, logName } from "./policy-log.ts";

const place = { direction: "ingress", rule: 0, piece: "ipv4-tcp", pass: undefined } as const;

describe("names in the log", () => {
  it("say the kind, the policy and the rule", () => {
    expect(logName({ kind: "NetworkPolicy", key: "shop/web", ...place })).toBe("NP/shop/web:ingress:0.ipv4-tcp");
    expect(logName({ kind: "ClusterNetworkPolicy", key: "a", ...place, piece: "all" })).toBe("CNP/a:ingress:0");
    expect(logName({ kind: "NetworkPolicy", key: "shop/web", ...place, rule: "isolation", piece: "all" })).toBe(
      "NP/shop/web:ingress:isolation",
    );
  });

  it("are no longer than the column takes, and differ nevertheless", () => {
    const key = `${"n".repeat(63)}/${"p".repeat(200)}`;
    const names = [0, 1, 2].map((rule) => logName({ kind: "NetworkPolicy", key, ...place, rule }));
    expect(names.map(({ length }) => length)).toEqual([63, 63, 63]);
    expect(new Set(names).size).toBe(3);
  });

  it("go from the row with what made it log", () => {
    expect(Object.keys(logColumns(undefined)).sort()).toEqual(Object.keys(logColumns("a")).sort());
    expect(logColumns(undefined)).toEqual({ log: false, meter: undefined, name: undefined, severity: undefined });
  });
});
