import type { PolicyModel } from "../graph/policy-model.ts";
import type { Family } from "../ipam/address.ts";
import type { Labels } from "../state/labels.ts";
import { type Direction, type PolicyRecord, policyId } from "../state/policy.ts";
import { selects } from "../state/selector.ts";
import type { PlanAnswer } from "./answer.ts";
import { createPace } from "./pace.ts";
import type { Party } from "./party.ts";
import { createChangeCollector } from "./plan-changes.ts";
import { type PlanClass, planClasses } from "./plan-classes.ts";
import { createMeetings } from "./plan-meetings.ts";
import { readPlannedPolicies } from "./plan-objects.ts";
import { createVectors, judgeOf, type StackJudge, type Vector } from "./plan-vectors.ts";
import { createPolicyIndex, type PolicyIndex, type PolicyStack, policiesOf } from "./policy-index.ts";

export interface PlanRequest {
  /** Policies as the API has them. */
  readonly objects: readonly unknown[];
  /** Whether they go instead of coming. */
  readonly delete: boolean;
}

/** What a plan may cost, from the question on: classes of pairs are compared until then. */
const maxMs = 20_000;
const maxCollected = 8_000_000;
const turnMs = 10;
const maxListed = 500;

const directions = ["ingress", "egress"] as const satisfies readonly Direction[];

type PolicyChange = PlanAnswer["policies"][number]["change"];

/** What of a record decides: all but what the API server adds. */
function content({ tier, priority, subject, isolates, rules }: PolicyRecord): string {
  return JSON.stringify([tier, priority, subject?.text, isolates, rules]);
}

interface Planned {
  readonly before: PolicyRecord | undefined;
  readonly after: PolicyRecord | undefined;
  readonly change: PolicyChange;
}

function plannedChange(before: PolicyRecord | undefined, given: PolicyRecord, isDeletion: boolean): Planned {
  if (isDeletion) return { before, after: undefined, change: before === undefined ? "absent" : "deleted" };
  // A new one is the youngest; one that is there keeps its age.
  const after: PolicyRecord = { ...given, createdAt: before?.createdAt ?? Number.MAX_SAFE_INTEGER };
  if (before === undefined) return { before, after, change: "added" };
  return content(before) === content(after)
    ? { before, after: before, change: "unchanged" }
    : { before, after, change: "changed" };
}

/** Before and after of the policies of pods that the same ones select. */
interface Judges {
  readonly stacks: { readonly before: PolicyStack; readonly after: PolicyStack };
  readonly byDirection: Readonly<Record<Direction, StackJudge>>;
}

function stackKey(stack: PolicyStack): string {
  return policiesOf(stack).map(policyId).join(" ");
}

/**
 * Which verdicts change if policies came, changed or went. Works on what was there when it was asked; lets other work have
 * its turns meanwhile.
 * @throws ExplainError INVALID_OBJECT, TOO_MUCH
 */
export async function planOf(model: PolicyModel, request: PlanRequest, ms = maxMs): Promise<PlanAnswer> {
  const pace = createPace(turnMs, ms);
  const given = readPlannedPolicies(request.objects, !request.delete);
  const planned = given.map((record) => plannedChange(model.policies.get(policyId(record)), record, request.delete));
  const policies = given.map(({ kind, key }, position) => ({
    kind,
    name: key,
    change: planned[position]?.change ?? "absent",
  }));
  const real = planned.filter(({ before, after }) => before !== after);
  const notes = notesOn(model, real);
  if (real.length === 0) return { policies, changes: [], pairs: 0, truncated: false, notes };

  const before = new Map(model.policies);
  const after = new Map(model.policies);
  for (const { before: old, after: now } of real) {
    if (now !== undefined) after.set(policyId(now), now);
    else if (old !== undefined) after.delete(policyId(old));
  }
  const changed = real.flatMap(({ before: old, after: now }) => [old, now].filter((each) => each !== undefined));
  const domainSets = new Map<string, readonly string[]>();
  const domains = (names: readonly string[]): readonly string[] => {
    const key = names.join(" ");
    const known = domainSets.get(key) ?? model.domainAddresses(names);
    domainSets.set(key, known);
    return known;
  };
  const index = { before: createPolicyIndex(before.values()), after: createPolicyIndex(after.values()) };
  const classes = await planClasses(model, [...before.values(), ...changed], changed, pace);
  const vectors = createVectors();
  const judges = createJudges(index, (stacks, direction) => judgeOf(stacks, direction, vectors, domains));

  const mayMeet = createMeetings(model);
  const collector = createChangeCollector(classes);
  let truncated = false;
  let looked = 0;
  for (const direction of directions) {
    const opposite = direction === "ingress" ? "egress" : "ingress";
    for (const subject of classes) {
      if (pace.isDue()) await pace.rest();
      const judge = isConcerned(subject, changed) ? judges.of(subject)?.[direction] : undefined;
      if (judge?.changes !== true || truncated) continue;
      for (const peer of classes) {
        looked++;
        if (pace.isDue()) {
          await pace.rest();
          truncated = pace.isOver() || collector.size > maxCollected;
          if (truncated) break;
        }
        const [from, to] = direction === "ingress" ? [peer, subject] : [subject, peer];
        if (from === to && from.members.length === 1) continue;
        if (!mayMeet(from, to)) continue;
        const inFamily = (family: Family): Vector | undefined => {
          const sender = from.sender[family];
          const receiver = to.receiver[family];
          if (sender === undefined || receiver === undefined) return undefined;
          const [self, other] = direction === "ingress" ? [receiver, sender] : [sender, receiver];
          const vector = judge.vectorOf(other, labelsOf(receiver));
          if (!vector.changes) return undefined;
          const back = judges.of(peer)?.[opposite].vectorOf(self, labelsOf(receiver)) ?? vectors.open;
          // Where both ends change it was found from the receiver's already.
          if (direction === "egress" && back.changes) return undefined;
          const both = vectors.both(vector, back);
          return both.changes ? both : undefined;
        };
        collector.add(subject, direction, peer, inFamily(4), inFamily(6));
      }
      collector.next();
    }
  }
  const { changes, pairs, rest } = collector.result(maxListed);
  if (truncated)
    notes.push(`only ${looked} classes of pairs were compared in the time there is: plan with fewer policies at once`);
  if (rest > 0) notes.push(`${rest} more changes are not listed`);
  return { policies, changes, pairs, truncated: truncated || rest > 0, notes };
}

function labelsOf(party: Party): Labels | undefined {
  return party.kind === "pod" ? party.labels : undefined;
}

/** Whether one of the policies that change selects the pods. */
function isConcerned({ kind, sender }: PlanClass, changed: readonly PolicyRecord[]): boolean {
  const pod = kind === "pods" ? (sender[4] ?? sender[6]) : undefined;
  if (pod?.kind !== "pod") return false;
  return changed.some(
    ({ subject }) => subject !== undefined && selects(subject, pod.namespace, pod.namespaceLabels, pod.labels),
  );
}

function createJudges(
  index: { readonly before: PolicyIndex; readonly after: PolicyIndex },
  judge: (stacks: Judges["stacks"], direction: Direction) => StackJudge,
): { of(each: PlanClass): Judges["byDirection"] | undefined } {
  const byStack = new Map<string, Judges["byDirection"]>();
  const byClass = new Map<PlanClass, Judges["byDirection"] | undefined>();
  function made(each: PlanClass): Judges["byDirection"] | undefined {
    const pod = each.kind === "pods" ? (each.sender[4] ?? each.sender[6]) : undefined;
    if (pod?.kind !== "pod") return undefined;
    const stacks = { before: index.before.stackOf(pod), after: index.after.stackOf(pod) };
    const key = `${stackKey(stacks.before)} | ${stackKey(stacks.after)}`;
    const known = byStack.get(key);
    if (known !== undefined) return known;
    const judges = { ingress: judge(stacks, "ingress"), egress: judge(stacks, "egress") };
    byStack.set(key, judges);
    return judges;
  }
  return {
    of(each) {
      if (!byClass.has(each)) byClass.set(each, made(each));
      return byClass.get(each);
    },
  };
}

function notesOn(model: PolicyModel, planned: readonly Planned[]): string[] {
  const notes = new Set<string>();
  for (const { after } of planned) {
    for (const { message } of after?.problems ?? [])
      notes.add(`${after?.kind} ${after?.key} has a problem: ${message}`);
    const namespace = after?.kind === "NetworkPolicy" ? after.key.slice(0, after.key.indexOf("/")) : undefined;
    if (namespace !== undefined && !model.namespaces.has(namespace)) notes.add(`there is no namespace ${namespace}`);
    for (const { peers } of after?.rules ?? []) {
      if (peers === "any") continue;
      for (const peer of peers) {
        if (peer.kind !== "domains") continue;
        const unknown = peer.names.filter((name) => model.domainAddresses([name]).length === 0);
        if (unknown.length > 0)
          notes.add(`no address of ${unknown.join(", ")} is known yet: the first answer to a pod tells`);
      }
    }
  }
  return [...notes];
}
