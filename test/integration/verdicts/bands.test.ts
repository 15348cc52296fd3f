import { describe, it } from "vitest";
import { policyLayout } from "../../../controller/translate/policy-layout.ts";
import { cases } from "../../policies/cases/all.ts";
import { createTown } from "../policies-town.ts";
import { differences, expectNoneInCases, expectNoneInHistories, timeoutMs } from "./differences.ts";

const layout = policyLayout({ aclTiers: false, aclPass: false });
const newTown = () => createTown(layout);

describe("policies in bands of priorities", () => {
  it(
    "the rows and why say what the specifications say, for each of their lines",
    () =>
      expectNoneInCases(newTown(), cases, (state, position) => {
        const fresh = newTown();
        fresh.become(state);
        return differences(fresh, position % 2 === 0 ? "ipv6" : "ipv4");
      }),
    timeoutMs,
  );

  it(
    "they say so in any state, however it came about",
    () => expectNoneInHistories(newTown, { seed: 20_261_121, numRuns: 60, maxLength: 24 }),
    timeoutMs,
  );
});
