import { comparePolicies, type Direction, type PolicyRecord, type PolicyRule, policyId } from "../state/policy.ts";
import type { PodSelector } from "../state/selector.ts";
import { adminPriorities, baselinePriorities, type PolicyLayout } from "./policy-layout.ts";

/**
 * A rule of the Admin tier that leaves what it matches to the next tiers, where ACLs have no `pass` and rules of lower
 * precedence could decide otherwise: what the next tiers say of that traffic stands again above those, at these priorities.
 */
export interface Pass {
  readonly policy: PolicyRecord;
  readonly subject: PodSelector;
  readonly rule: PolicyRule;
  /** Of what NetworkPolicies allow. */
  readonly allow: number;
  /** Of what is isolated and not allowed. */
  readonly isolation: number;
  /** What to add to a priority of the Baseline tier. */
  readonly baselineOffset: number;
  /** Of what nobody decided. */
  readonly rest: number;
}

/** At which priorities the ACLs of the Admin and the Baseline tier stand; equal policies have equal ranks. */
export interface PolicyRanks {
  /** Undefined for a rule that needs no ACL. */
  priority(policy: PolicyRecord, rule: PolicyRule): number | undefined;
  /** The priority of dropping all, where those for its rules are too few; undefined as long as there are enough. */
  overflow(policy: PolicyRecord, direction: Direction): number | undefined;
  passes(direction: Direction): readonly Pass[];
  /** What {@link changedRanks} compares. */
  readonly texts: ReadonlyMap<string, string>;
  readonly passTexts: Readonly<Record<Direction, string>>;
}

export interface ChangedRanks {
  /** `policyId`s of policies that are in both and whose priorities differ. */
  readonly policies: readonly string[];
  /** Where passes differ: NetworkPolicies and policies of the Baseline tier with rules there are concerned. */
  readonly passes: readonly Direction[];
}

const directions: readonly Direction[] = ["ingress", "egress"];

interface Level {
  readonly action: PolicyRule["action"];
  readonly rules: readonly PolicyRule[];
}

interface DirectionRanks {
  /** Priorities by rule index, by policy. */
  readonly priorities: ReadonlyMap<string, ReadonlyMap<number, number>>;
  readonly overflows: ReadonlyMap<string, number>;
  readonly passes: readonly Pass[];
}

const isEmpty = (list: readonly unknown[] | "any"): boolean => list.length === 0;

/** A rule that matches nothing needs no ACL. */
export function matchesNothing({ peers, ports }: PolicyRule): boolean {
  return isEmpty(peers) || isEmpty(ports);
}

/** Rules of one action that follow each other decide the same, whichever comes first. */
function levelsOf(policy: PolicyRecord, direction: Direction): Level[] {
  const levels: { action: PolicyRule["action"]; rules: PolicyRule[] }[] = [];
  for (const rule of policy.rules) {
    if (rule.direction !== direction || matchesNothing(rule)) continue;
    const last = levels.at(-1);
    if (last?.action === rule.action) last.rules.push(rule);
    else levels.push({ action: rule.action, rules: [rule] });
  }
  return levels;
}

interface Ranked {
  readonly policy: PolicyRecord;
  readonly subject: PodSelector;
  readonly levels: readonly Level[];
}

function rankable(policies: readonly PolicyRecord[], direction: Direction): Ranked[] {
  return policies.flatMap((policy) => {
    const levels = policy.subject === undefined ? [] : levelsOf(policy, direction);
    return policy.subject === undefined || levels.length === 0 ? [] : [{ policy, subject: policy.subject, levels }];
  });
}

/** Without the passes below which there is nothing that could decide otherwise. */
function withoutIdlePasses(ranked: readonly Ranked[]): Ranked[] {
  const kept: Ranked[] = [];
  let decided = false;
  for (const entry of ranked.toReversed()) {
    const levels: Level[] = [];
    for (const level of entry.levels.toReversed()) {
      if (level.action !== "pass") decided = true;
      if (decided) levels.unshift(level);
    }
    if (levels.length > 0) kept.unshift({ ...entry, levels });
  }
  return kept;
}

/** Level after level downwards from the first priority, which is odd. */
function rankBaseline(policies: readonly PolicyRecord[], direction: Direction) {
  const priorities = new Map<string, Map<number, number>>();
  const overflows = new Map<string, number>();
  let next = baselinePriorities.first - 1;
  let count = 0;
  for (const { policy, levels } of rankable(policies, direction)) {
    if (next - 2 * levels.length < baselinePriorities.last) {
      overflows.set(policyId(policy), baselinePriorities.last);
      // Those after it may not decide before it.
      next = baselinePriorities.last;
      continue;
    }
    const ofPolicy = new Map<number, number>();
    for (const { rules } of levels) {
      for (const { index } of rules) ofPolicy.set(index, next);
      next -= 2;
      count++;
    }
    priorities.set(policyId(policy), ofPolicy);
  }
  return { priorities, overflows, levels: count + (overflows.size > 0 ? 1 : 0) };
}

function rankAdmin(
  policies: readonly PolicyRecord[],
  direction: Direction,
  layout: PolicyLayout,
  baselineLevels: number,
): DirectionRanks {
  const ranked = withoutIdlePasses(rankable(policies, direction));
  const levelsFor = ({ action }: Level): number =>
    layout.kind === "bands" && action === "pass" ? baselineLevels + 3 : 1;
  const sizeOf = ({ levels }: Ranked): number => levels.reduce((sum, level) => sum + levelsFor(level), 0);

  const bySlot = new Map<number, number>();
  for (const entry of ranked) {
    const { priority } = entry.policy;
    bySlot.set(priority, (bySlot.get(priority) ?? 0) + sizeOf(entry));
  }
  const fits = [...bySlot.values()].every((levels) => levels * 2 <= adminPriorities.slot);

  const priorities = new Map<string, Map<number, number>>();
  const overflows = new Map<string, number>();
  const passes: Pass[] = [];
  let next = adminPriorities.first - 1;
  for (const entry of ranked) {
    const { policy, subject, levels } = entry;
    if (fits) next = Math.min(next, adminPriorities.first - 1 - policy.priority * adminPriorities.slot);
    // The lowest level is kept for those that don't fit.
    if (next - 2 * sizeOf(entry) < adminPriorities.last) {
      overflows.set(policyId(policy), adminPriorities.last);
      next = adminPriorities.last;
      continue;
    }
    const ofPolicy = new Map<number, number>();
    for (const level of levels) {
      if (levelsFor(level) === 1) {
        for (const { index } of level.rules) ofPolicy.set(index, next);
      } else {
        const rest = next - 2 * (baselineLevels + 2);
        for (const rule of level.rules) {
          passes.push({
            policy,
            subject,
            rule,
            allow: next,
            isolation: next - 2,
            baselineOffset: next - 4 - (baselinePriorities.first - 1),
            rest,
          });
        }
      }
      next -= 2 * levelsFor(level);
    }
    priorities.set(policyId(policy), ofPolicy);
  }
  return { priorities, overflows, passes };
}

const passText = ({ policy, subject, rule, allow, isolation, baselineOffset, rest }: Pass): string =>
  JSON.stringify([policyId(policy), subject.text, rule, allow, isolation, baselineOffset, rest]);

/** @param policies those of the Admin and the Baseline tier, in any order; NetworkPolicies among them change nothing */
export function rankPolicies(policies: readonly PolicyRecord[], layout: PolicyLayout): PolicyRanks {
  const sorted = policies.filter(({ tier }) => tier !== "NetworkPolicy").sort(comparePolicies);
  const admin = sorted.filter(({ tier }) => tier === "Admin");
  const baseline = sorted.filter(({ tier }) => tier === "Baseline");
  const ranksOf = (direction: Direction) => {
    const low = rankBaseline(baseline, direction);
    const high = rankAdmin(admin, direction, layout, low.levels);
    return { Admin: high, Baseline: low, NetworkPolicy: undefined, passes: high.passes };
  };
  const ranks = { ingress: ranksOf("ingress"), egress: ranksOf("egress") };
  const passesOf = Map.groupBy([...ranks.ingress.passes, ...ranks.egress.passes], ({ policy }) => policyId(policy));
  const text = (policy: PolicyRecord): string =>
    JSON.stringify([
      ...directions.map((direction) => {
        const ofTier = ranks[direction][policy.tier];
        return [[...(ofTier?.priorities.get(policyId(policy)) ?? [])], ofTier?.overflows.get(policyId(policy))];
      }),
      // Its own ACLs stand for these too.
      passesOf.get(policyId(policy))?.map(passText),
    ]);
  return {
    priority: (policy, { direction, index }) =>
      ranks[direction][policy.tier]?.priorities.get(policyId(policy))?.get(index),
    overflow: (policy, direction) => ranks[direction][policy.tier]?.overflows.get(policyId(policy)),
    passes: (direction) => ranks[direction].passes,
    texts: new Map(sorted.map((policy) => [policyId(policy), text(policy)])),
    passTexts: {
      ingress: ranks.ingress.passes.map(passText).join("\n"),
      egress: ranks.egress.passes.map(passText).join("\n"),
    },
  };
}

/** What of the ranks is another than before. */
export function changedRanks(before: PolicyRanks, after: PolicyRanks): ChangedRanks {
  return {
    policies: [...after.texts].flatMap(([id, text]) => {
      const former = before.texts.get(id);
      return former === undefined || former === text ? [] : [id];
    }),
    passes: directions.filter((direction) => before.passTexts[direction] !== after.passTexts[direction]),
  };
}
