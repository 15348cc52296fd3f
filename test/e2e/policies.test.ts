import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cases } from "../policies/cases/all.ts";
import { type PolicyLab, startPolicyLab } from "./policies/lab.ts";

/**
 * The truth table of policies on real packets: states one after another, with no reset between, and in each of them all
 * pairs of pods in all protocols, by address and by service, in both families; nodes and the outside too. What must pass is
 * computed from the Kubernetes objects alone; `why` says the same of each, and `ovn-trace` of some.
 */

/** Of each state; some can't be traced. */
const tracedProbes = 2;

let lab: PolicyLab;

beforeAll(async () => {
  lab = await startPolicyLab("policies");
});

afterAll(async () => {
  await lab?.down();
});

describe("on the wire", () => {
  it.each(cases)("$name", async ({ name, passes: _p, drops: _d, ...state }) => {
    expect(await lab.table.measure(name, state, tracedProbes)).toBe("");
  });
});

it("has been tried in the state of each case, of which ovn-trace followed 160 packets", () => {
  expect(lab.table.counts.states).toBe(cases.length);
  expect(lab.table.counts.traces).toBeGreaterThanOrEqual(160);
});
