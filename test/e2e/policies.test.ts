import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../lab/index.ts";
import { cases } from "../policies/cases/all.ts";
import { statesFrom } from "../policies/generate.ts";
import type { State } from "../policies/scene.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { northboundOf } from "./network.ts";
import { createTruthTable, type TruthTable } from "./policies/measure.ts";
import { createSettling, type Settling } from "./policies/settle.ts";
import { buildTown } from "./policies/town.ts";

/**
 * The truth table of policies on real packets: states one after another, with no reset between, and in each of them all
 * pairs of pods in all protocols, by address and by service, in both families; nodes and the outside too. What must pass is
 * computed from the Kubernetes objects alone; `why` says the same of each, and `ovn-trace` of some.
 */

const seed = 20_261_121;
const chunks = 11;
const chunkSize = 19;
/** Of each state; some can't be traced. */
const tracedProbes = 2;

let lab: Lab;
let cluster: Cluster;
let settling: Settling;
let table: TruthTable;

beforeAll(async () => {
  lab = await startLab({ name: "policies", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  const town = await buildTown(lab, cluster);
  settling = await createSettling(northboundOf(lab), "default");
  table = await createTruthTable(lab, town, settling);
});

afterAll(async () => {
  console.info(table?.figures());
  await settling?.close();
  await cluster?.close();
  await lab?.down();
});

describe("on the wire", () => {
  it.each(cases)("$name", async ({ name, passes: _p, drops: _d, ...state }) => {
    expect(await table.measure(name, state, tracedProbes)).toBe("");
  });
});

describe("what chance makes of policies and labels, each state out of the one before", () => {
  const states = statesFrom(seed, chunks * chunkSize);
  const parts = Array.from({ length: chunks }, (_, part): readonly [number, readonly State[]] => [
    part * chunkSize,
    states.slice(part * chunkSize, (part + 1) * chunkSize),
  ]);

  it.each(parts)("lets through what it should, from state %i on", async (first, part) => {
    const reports: string[] = [];
    for (const [position, state] of part.entries()) {
      reports.push(await table.measure(`state ${first + position}`, state, tracedProbes));
    }
    expect(reports.filter((report) => report !== "").join("\n")).toBe("");
  });
});

it("has been tried in 300 states or more, of which ovn-trace followed 500 packets", () => {
  expect(table.counts.states).toBeGreaterThanOrEqual(300);
  expect(table.counts.traces).toBeGreaterThanOrEqual(500);
});
