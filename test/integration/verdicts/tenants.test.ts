import { describe, expect, it } from "vitest";
import { cases } from "../../policies/cases/all.ts";
import { createTown } from "../policies-town.ts";
import { counts, expectNoneInCases, expectNoneInHistories, ownAsks, timeoutMs } from "./differences.ts";

describe.each([
  ["PerNode", cases],
  ["Cluster", cases.filter((_, position) => position % 4 === 0)],
] as const)("policies inside a tenant, in a subnet of mode %s", (mode, own) => {
  const newTown = () => createTown(undefined, mode);

  it(
    "the rows and why say what the specifications say, for each of their lines",
    () => {
      const before = counts.judgedInTenants;
      expectNoneInCases(newTown, own);
      expect(counts.judgedInTenants - before).toBeGreaterThan(own.length * ownAsks.length * 0.9);
    },
    timeoutMs,
  );

  it(
    "they say so in any state, however it came about",
    () => expectNoneInHistories(newTown, { seed: 20_261_122, numRuns: 6, maxLength: 16 }),
    timeoutMs,
  );
});
