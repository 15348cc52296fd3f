import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cases } from "../policies/cases/all.ts";
import { statesFrom } from "../policies/generate.ts";
import type { State } from "../policies/scene.ts";
import { type PolicyLab, startPolicyLab } from "./policies/lab.ts";

/** The truth table of policies with what chance makes of policies and labels, each state out of the one before. */

const seed = 20_261_121;
const chunks = 11;
const chunkSize = 19;
/** Of each state; some can't be traced. */
const tracedProbes = 2;

let lab: PolicyLab;

beforeAll(async () => {
  lab = await startPolicyLab("policies-chance");
});

afterAll(async () => {
  await lab?.down();
});

const states = statesFrom(seed, chunks * chunkSize);
const parts = Array.from({ length: chunks }, (_, part): readonly [number, readonly State[]] => [
  part * chunkSize,
  states.slice(part * chunkSize, (part + 1) * chunkSize),
]);

describe("what chance makes of policies and labels", () => {
  it.each(parts)("lets through what it should, from state %i on", async (first, part) => {
    const reports: string[] = [];
    for (const [position, state] of part.entries()) {
      reports.push(await lab.table.measure(`state ${first + position}`, state, tracedProbes));
    }
    expect(reports.filter((report) => report !== "").join("\n")).toBe("");
  });
});

it("has been tried, with the cases, in 300 states or more, of which ovn-trace followed 500 packets: 340 here", () => {
  expect(lab.table.counts.states).toBeGreaterThanOrEqual(300 - cases.length);
  expect(lab.table.counts.traces).toBeGreaterThanOrEqual(340);
});
