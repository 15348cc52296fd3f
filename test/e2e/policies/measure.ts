import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import type { Lab } from "../../../lab/index.ts";
import { createEvaluator } from "../../policies/evaluator.ts";
import type { State } from "../../policies/scene.ts";
import { isAsExpected, type PlannedProbe, planProbes, type SctpWay, sctpWays, send, textOf } from "./probes.ts";
import type { Settling } from "./settle.ts";
import type { LabTown } from "./town.ts";
import { differencesOfTraces, differencesOfWhy } from "./why.ts";

/** So long what differs is asked again; what differs still is a failure. A packet that should be dropped has less time. */
const patienceMs = { leak: 2000, loss: 4000 } as const;
/** A packet that passes is answered in some ms, or in some 100 on a busy machine; what is to be dropped needs no waiting. */
const silenceMs = 250;
const answerMs = 700;
const shownDifferences = 12;
const turnsOfSctpWay = 5;

/** Some of all, from the first to the last. */
function spread<T>(all: readonly T[]): readonly T[] {
  const step = Math.max(1, all.length / shownDifferences);
  return Array.from(
    { length: Math.min(all.length, shownDifferences) },
    (_, place) => all[Math.floor(place * step)],
  ).flatMap((one) => (one === undefined ? [] : [one]));
}

/** Brings the town into states, one after another, and looks what passes. */
export interface TruthTable {
  /** @returns a report of what differs; empty when nothing does */
  measure(name: string, state: State, traced: number): Promise<string>;
  readonly counts: { readonly states: number; readonly traces: number };
  /** What was done, in one line. */
  figures(): string;
}

export async function createTruthTable(lab: Lab, town: LabTown, settling: Settling): Promise<TruthTable> {
  const pids = new Map((await lab.status()).map(({ name, pid }) => [name, pid]));
  const sums = { states: 0, probes: 0, passing: 0, sent: 0, repeated: 0, refusedPolicies: 0, why: 0, traces: 0 };
  const times = { apply: 0, settle: 0, probe: 0, explain: 0 };
  const begun = performance.now();
  let turn = 0;

  /** Daemons that are not who they were: what they should have held is lost for a while. */
  async function restarted(): Promise<readonly string[]> {
    return (await lab.status()).flatMap(({ name, pid }) => {
      const same = pids.get(name) === pid;
      pids.set(name, pid);
      return same ? [] : [`meanwhile ${name} was started anew`];
    });
  }

  /** Turns from one way to the next now and then; what the former left in connection tracking is taken away. */
  async function sctpWay(): Promise<SctpWay> {
    if (turn % turnsOfSctpWay === 0) {
      await Promise.all(lab.nodes.map((node) => lab.exec(node, ["ovs-appctl", "dpctl/flush-conntrack"])));
    }
    return sctpWays[Math.floor(turn / turnsOfSctpWay) % sctpWays.length] ?? "address";
  }

  async function differing(probes: readonly PlannedProbe[]) {
    sums.sent += probes.length;
    const results = await send(lab, probes, ({ answer }) => (answer.allowed ? answerMs : silenceMs));
    return probes.flatMap((probe, position) => {
      const result = results[position];
      return result === undefined || isAsExpected(probe, result) ? [] : [{ probe, result }];
    });
  }

  return {
    counts: sums,
    async measure(name, state, traced) {
      turn += 1;
      const started = performance.now();
      const policies = [...state.policies, settling.marker(turn)];
      const { world, refused } = await town.become({ ...state, policies });
      const applied = performance.now();
      await settling.settled(turn);
      const settled = performance.now();
      const probes = planProbes(town, createEvaluator(world), turn, await sctpWay());
      let left = await differing(probes);
      sums.repeated += left.length;
      const patience = (): number =>
        left.some(({ probe }) => !probe.answer.allowed) ? patienceMs.leak : patienceMs.loss;
      while (left.length > 0 && performance.now() < settled + patience()) {
        await delay(50);
        left = await differing(left.map(({ probe }) => probe));
      }
      const probed = performance.now();
      const whys = await differencesOfWhy(lab, probes);
      const step = Math.max(1, Math.floor(probes.length / Math.max(1, traced)));
      const sample = probes.filter((_, position) => (position + turn) % step === 0).slice(0, traced);
      const traces = await differencesOfTraces(lab, sample);
      const explained = performance.now();

      sums.states += 1;
      sums.probes += probes.length;
      sums.passing += probes.filter(({ answer }) => answer.allowed).length;
      sums.refusedPolicies += refused.length;
      sums.why += probes.length;
      sums.traces += traces.traced;
      times.apply += applied - started;
      times.settle += settled - applied;
      times.probe += probed - settled;
      times.explain += explained - probed;

      const lines = [
        ...spread(left).map(({ probe, result }) => `${textOf(probe)}, but on the wire: ${JSON.stringify(result)}`),
        ...whys,
        ...traces.differences,
      ];
      if (lines.length === 0) return "";
      return [
        `${name}: ${left.length} of ${probes.length} probes differ, ${whys.length} answers of why, ${traces.differences.length} traces`,
        ...lines.slice(0, shownDifferences).map((line) => `  ${line.slice(0, 600)}`),
        ...(await restarted()),
        stringify({ ...state, policies: world.policies }),
      ].join("\n");
    },
    figures() {
      const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
      const { states, probes, passing, sent, repeated, refusedPolicies, why, traces } = sums;
      return [
        `${states} states in ${seconds(performance.now() - begun)}: ${probes} probes, of which ${passing} are to pass;`,
        `${sent} were sent, ${repeated} not as they should be at first; the API refused ${refusedPolicies} policies;`,
        `why was asked ${why} times and ovn-trace ${traces} times;`,
        ...Object.entries(times).map(([what, ms]) => `${what} ${seconds(ms)}`),
      ].join(" ");
    },
  };
}
