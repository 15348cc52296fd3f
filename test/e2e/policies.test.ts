import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../lab/index.ts";
import { cases } from "../policies/cases/all.ts";
import { createEvaluator } from "../policies/evaluator.ts";
import { statesFrom } from "../policies/generate.ts";
import type { State } from "../policies/scene.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { northboundOf } from "./network.ts";
import { isAsExpected, type PlannedProbe, planProbes, send, textOf } from "./policies/probes.ts";
import { createSettling, type Settling } from "./policies/settle.ts";
import { buildTown, type LabTown } from "./policies/town.ts";

/**
 * The truth table of policies on real packets: states one after another, with no reset between, and in each of them all
 * pairs of pods in all protocols, by address and by service. What must pass is computed from the Kubernetes objects alone.
 */

const seed = 20_261_121;
const generatedStates = 210;
/** So long what differs is asked again; what differs still is a failure. */
const patienceMs = 2000;
const silenceMs = 300;
const answerMs = 700;

let lab: Lab;
let cluster: Cluster;
let town: LabTown;
let settling: Settling;
const figures = {
  states: 0,
  probes: 0,
  asked: 0,
  allowed: 0,
  refused: 0,
  applyMs: 0,
  settleMs: 0,
  probeMs: 0,
  late: 0,
};

beforeAll(async () => {
  lab = await startLab({ name: "policies", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  town = await buildTown(lab, cluster);
  settling = await createSettling(northboundOf(lab), "default");
});

afterAll(async () => {
  console.info(JSON.stringify(figures, (_, value) => (typeof value === "number" ? Math.round(value) : value)));
  await settling?.close();
  await cluster?.close();
  await lab?.down();
});

async function measure(name: string, state: State, turn: number): Promise<readonly string[]> {
  const begun = performance.now();
  const { world, refused } = await town.become({ ...state, policies: [...state.policies, settling.marker(turn)] });
  const written = performance.now();
  await settling.settled(turn);
  const settledAt = performance.now();
  const probes = planProbes(town, createEvaluator(world), turn);
  let differing: readonly { readonly probe: PlannedProbe; readonly got: string }[] = [];
  const ask = async (asked: readonly PlannedProbe[]) => {
    figures.asked += asked.length;
    const results = await send(lab, asked, ({ answer }) => (answer.allowed ? answerMs : silenceMs));
    differing = asked.flatMap((probe, position) => {
      const result = results[position];
      return result === undefined || isAsExpected(probe, result) ? [] : [{ probe, got: JSON.stringify(result) }];
    });
  };
  await ask(probes);
  if (differing.length > 0) figures.late += 1;
  while (differing.length > 0 && performance.now() < settledAt + patienceMs) {
    await delay(100);
    await ask(differing.map(({ probe }) => probe));
  }
  const ended = performance.now();
  figures.states += 1;
  figures.probes += probes.length;
  figures.allowed += probes.filter(({ answer }) => answer.allowed).length;
  figures.refused += refused.length;
  figures.applyMs += written - begun;
  figures.settleMs += settledAt - written;
  figures.probeMs += ended - settledAt;
  if (differing.length === 0) return [];
  return [
    `${name}: ${differing.length} of ${probes.length} probes differ`,
    ...differing.slice(0, 12).map(({ probe, got }) => `  ${textOf(probe)}, but ${got}`),
    JSON.stringify({ ...state, policies: world.policies }, undefined, 1),
  ];
}

describe("packets go where policies let them", () => {
  it("in each state that was picked for a line of the specifications", async () => {
    const report: string[] = [];
    for (const [turn, { passes: _p, drops: _d, name, ...state }] of cases.entries()) {
      report.push(...(await measure(name, state, turn)));
    }
    expect(report.join("\n")).toBe("");
  });

  it("in states that chance made, each out of the one before", async () => {
    const report: string[] = [];
    for (const [turn, state] of statesFrom(seed, generatedStates).entries()) {
      report.push(...(await measure(`state ${turn}`, state, cases.length + turn)));
      if (report.length > 200) break;
    }
    expect(report.join("\n")).toBe("");
  });
});
