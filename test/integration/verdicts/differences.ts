import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createExplainer } from "../../../controller/explain/why.ts";
import type { PolicyLayout } from "../../../controller/translate/policy-layout.ts";
import { type AclVerdict, createAclEvaluator } from "../../policies/acl-evaluator.ts";
import type { Family } from "../../policies/address-blocks.ts";
import { cases as everyCase } from "../../policies/cases/all.ts";
import type { Case } from "../../policies/cases/case.ts";
import { type Answer, createEvaluator } from "../../policies/evaluator.ts";
import { afterStep, anyStepWithPods, type Step } from "../../policies/generate.ts";
import { keyOf } from "../../policies/objects.ts";
import { type Ask, nodeAsks, podAsks, type State, serviceAsks } from "../../policies/scene.ts";
import { createTown, type Town } from "../policies-town.ts";

const hairpins: Readonly<Record<Family, string>> = { ipv4: "169.254.0.5", ipv6: "fd69::5" };
/** Of a test, on a busy machine. */
export const timeoutMs = 400_000;
const asks: readonly Ask[] = [...podAsks, ...nodeAsks, ...serviceAsks];
/** Within a tenant pods have addresses that it alone knows. */
export const ownAsks: readonly Ask[] = podAsks.map((ask) => ({ ...ask, from: `own:${ask.from}`, to: `own:${ask.to}` }));

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

/** Of all states so far. */
export const counts = { states: 0, judged: 0, judgedInTenants: 0 };

/**
 * Without a packet: what the specifications let through, what the rows of the controller's graph let through, and what
 * `why` says of it are one and the same, whichever way a state came about.
 * @returns what differs, in words; the first few
 */
function differences(town: Town, family: Family): readonly string[] {
  const found: string[] = [];
  const evaluator = createEvaluator(town.world());
  const { judge } = createAclEvaluator(town.rows());
  const explainer = createExplainer(town.graph.model);
  counts.states += 1;
  for (const ask of town.isInTenant ? [...ownAsks, ...asks] : asks) {
    const { from, to, protocol, port } = ask;
    for (const answer of evaluator.answer({ ...ask, family })) {
      counts.judged += 1;
      if (from.startsWith("own:")) counts.judgedInTenants += 1;
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

/** One case after another in the same town. @param options.fromScratch each in a town of its own too, in the other family */
export function expectNoneInCases(
  newTown: () => Town,
  cases: readonly Case[],
  { fromScratch = false }: { readonly fromScratch?: boolean } = {},
): void {
  const town = newTown();
  for (const [position, { name, passes: _p, drops: _d, ...state }] of cases.entries()) {
    town.become(state);
    expect([name, ...differences(town, position % 2 === 0 ? "ipv4" : "ipv6")]).toEqual([name]);
    if (!fromScratch) continue;
    const fresh = newTown();
    fresh.become(state);
    expect([name, ...differences(fresh, position % 2 === 0 ? "ipv6" : "ipv4")]).toEqual([name]);
  }
}

/** What chance makes of policies, labels and pods. */
export function expectNoneInHistories(
  newTown: () => Town,
  { seed, numRuns, maxLength }: { readonly seed: number; readonly numRuns: number; readonly maxLength: number },
): void {
  fc.assert(
    fc.property(fc.array(anyStepWithPods, { minLength: 1, maxLength, size: "max" }), (steps: readonly Step[]) => {
      const town = newTown();
      let state: State = { policies: [] };
      for (const [position, step] of steps.entries()) {
        state = afterStep(state, step);
        town.become(state);
        expect(differences(town, position % 2 === 0 ? "ipv4" : "ipv6")).toEqual([]);
      }
    }),
    { numRuns, seed, endOnFailure: false },
  );
  console.info(`${counts.states} states, ${counts.judged} verdicts`);
}

/** The tests of policies in one layout of their ACLs. */
export function describeLayout(name: string, layout: PolicyLayout): void {
  const newTown = () => createTown(layout);
  describe(`policies in ${name}`, () => {
    it(
      "the rows and why say what the specifications say, for each of their lines",
      () => expectNoneInCases(newTown, everyCase, { fromScratch: true }),
      timeoutMs,
    );

    it(
      "they say so in any state, however it came about",
      () => expectNoneInHistories(newTown, { seed: 20_261_121, numRuns: 60, maxLength: 24 }),
      timeoutMs,
    );
  });
}
