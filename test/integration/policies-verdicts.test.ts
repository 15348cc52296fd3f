import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createExplainer } from "../../controller/explain/why.ts";
import { policyLayout } from "../../controller/translate/policy-layout.ts";
import { type AclVerdict, createAclEvaluator } from "../policies/acl-evaluator.ts";
import type { Family } from "../policies/address-blocks.ts";
import { cases } from "../policies/cases/all.ts";
import { type Answer, createEvaluator } from "../policies/evaluator.ts";
import { afterStep, anyStepWithPods, type Step } from "../policies/generate.ts";
import { keyOf } from "../policies/objects.ts";
import { type Ask, nodeAsks, podAsks, type State, serviceAsks } from "../policies/scene.ts";
import { createTown, type Town } from "./policies-town.ts";

/**
 * Thousands of states without a packet: what the specifications let through, what the rows of the controller's graph let
 * through, and what `why` says of it are one and the same, whichever way the state came about.
 */

const layouts = [
  ["bands of priorities", policyLayout({ aclTiers: false, aclPass: false })],
  ["tiers", policyLayout({ aclTiers: true, aclPass: true })],
] as const;
const hairpins: Readonly<Record<Family, string>> = { ipv4: "169.254.0.5", ipv6: "fd69::5" };
/** On a busy machine. */
const timeoutMs = 400_000;
const asks: readonly Ask[] = [...podAsks, ...nodeAsks, ...serviceAsks];
/** Within a tenant pods have addresses that it alone knows. */
const ownAsks: readonly Ask[] = podAsks.map((ask) => ({ ...ask, from: `own:${ask.from}`, to: `own:${ask.to}` }));

function rowsAnswer(
  town: Town,
  judge: (connection: never) => AclVerdict,
  ask: Ask,
  { packet }: Answer,
  family: Family,
) {
  const from = town.end(packet.source.name, family, "source");
  const to = town.end(packet.destination.name, family, "destination");
  if (from === undefined || to === undefined) return undefined;
  const isSelf = packet.source.pod !== undefined && packet.source.pod === packet.destination.pod;
  const connection = {
    ...{ from, to, protocol: ask.protocol, port: packet.port },
    ...(isSelf ? { hairpin: hairpins[family] } : {}),
  };
  return judge(connection as never);
}

let judged = 0;
/** Of these, those between addresses that a tenant alone knows. */
let judgedInTenants = 0;
let states = 0;

/** @returns what differs, in words; the first few */
function differences(town: Town, family: Family): readonly string[] {
  const found: string[] = [];
  const evaluator = createEvaluator(town.world());
  const { judge } = createAclEvaluator(town.rows());
  const explainer = createExplainer(town.graph.model);
  states += 1;
  for (const ask of town.isInTenant ? [...ownAsks, ...asks] : asks) {
    const { from, to, protocol, port } = ask;
    for (const answer of evaluator.answer({ ...ask, family })) {
      judged += 1;
      if (from.startsWith("own:")) judgedInTenants += 1;
      const what = `${from} > ${to} ${protocol} ${port ?? ""} ${family}`;
      const rows = rowsAnswer(town, judge as never, ask, answer, family);
      if (rows === undefined) found.push(`${what}: no port`);
      else if (rows.allowed !== answer.allowed)
        found.push(
          `${what}: ${answer.allowed} by ${answer.reasons.join("; ")}, but rows: ${rows.steps.slice(-3).join(" | ")}`,
        );
      const { source, destination, port: number } = answer.packet;
      // Where a pod of another tenant may have the address, the pod is asked for.
      const sender = source.pod === undefined ? from : town.isInTenant ? keyOf(source.pod) : source.address;
      const query = {
        ...{ from: sender, protocol },
        to: destination.address,
        ...(number === undefined ? {} : { port: String(number) }),
      };
      const why = explainer.why(query);
      const path = why.paths.find((one) => one.family === (family === "ipv4" ? 4 : 6));
      if ((path?.verdict === "allowed") !== answer.allowed)
        found.push(`${what}: ${answer.allowed} by ${answer.reasons.join("; ")}, but why: ${JSON.stringify(path)}`);
    }
    if (found.length > 2) break;
  }
  return found;
}

describe.each(layouts)("in %s", (_, layout) => {
  it(
    "the rows and why say what the specifications say, for each of their lines",
    () => {
      // One after another, and each from scratch.
      const town = createTown(layout);
      for (const [position, { name, passes: _p, drops: _d, ...state }] of cases.entries()) {
        town.become(state);
        expect([name, ...differences(town, position % 2 === 0 ? "ipv4" : "ipv6")]).toEqual([name]);
        const fresh = createTown(layout);
        fresh.become(state);
        expect([name, ...differences(fresh, position % 2 === 0 ? "ipv6" : "ipv4")]).toEqual([name]);
      }
    },
    timeoutMs,
  );

  it(
    "they say so in any state, however it came about",
    () => {
      fc.assert(
        fc.property(
          fc.array(anyStepWithPods, { minLength: 1, maxLength: 24, size: "max" }),
          (steps: readonly Step[]) => {
            const town = createTown(layout);
            let state: State = { policies: [] };
            for (const [position, step] of steps.entries()) {
              state = afterStep(state, step);
              town.become(state);
              expect(differences(town, position % 2 === 0 ? "ipv4" : "ipv6")).toEqual([]);
            }
          },
        ),
        { numRuns: 60, seed: 20_261_121, endOnFailure: false },
      );
      console.info(`${states} states, ${judged} verdicts`);
    },
    timeoutMs,
  );
});

describe.each([
  ["PerNode", cases],
  ["Cluster", cases.filter((_, position) => position % 4 === 0)],
] as const)("inside a tenant, in a subnet of mode %s", (mode, own) => {
  it(
    "the rows and why say what the specifications say, for each of their lines",
    () => {
      const town = createTown(undefined, mode);
      const before = judgedInTenants;
      for (const [position, { name, passes: _p, drops: _d, ...state }] of own.entries()) {
        town.become(state);
        expect([name, ...differences(town, position % 2 === 0 ? "ipv4" : "ipv6")]).toEqual([name]);
      }
      expect(judgedInTenants - before).toBeGreaterThan(own.length * ownAsks.length * 0.9);
    },
    timeoutMs,
  );

  it(
    "they say so in any state, however it came about",
    () => {
      fc.assert(
        fc.property(
          fc.array(anyStepWithPods, { minLength: 1, maxLength: 16, size: "max" }),
          (steps: readonly Step[]) => {
            const town = createTown(undefined, mode);
            let state: State = { policies: [] };
            for (const [position, step] of steps.entries()) {
              state = afterStep(state, step);
              town.become(state);
              expect(differences(town, position % 2 === 0 ? "ipv4" : "ipv6")).toEqual([]);
            }
          },
        ),
        { numRuns: 6, seed: 20_261_122, endOnFailure: false },
      );
    },
    timeoutMs,
  );
});
