import { describe, expect, it } from "vitest";
import type { PolicyRecord, PolicyRule } from "../state/policy.ts";
import { podSelector } from "../state/selector.ts";
import { adminPriorities, bands, baselinePriorities, policyLayout } from "./policy-layout.ts";
import { changedRanks, rankPolicies } from "./policy-ranks.ts";

const tiers = policyLayout({ aclTiers: true, aclPass: true });

function rules(...actions: PolicyRule["action"][]): PolicyRule[] {
  return actions.map((action, index) => ({
    direction: "ingress",
    index,
    name: undefined,
    action,
    peers: "any",
    ports: "any",
  }));
}

function admin(key: string, priority: number, ...actions: PolicyRule["action"][]): PolicyRecord {
  return {
    kind: "AdminNetworkPolicy",
    key,
    uid: key,
    generation: 1,
    createdAt: 0,
    tier: "Admin",
    priority,
    subject: podSelector({}),
    isolates: [],
    rules: rules(...actions),
    problems: [],
    conditions: undefined,
  };
}

function baseline(...actions: PolicyRule["action"][]): PolicyRecord {
  return { ...admin("default", 0, ...actions), kind: "BaselineAdminNetworkPolicy", tier: "Baseline" };
}

const prioritiesOf = (policies: readonly PolicyRecord[], layout = bands) => {
  const ranks = rankPolicies(policies, layout);
  return policies.map((policy) => policy.rules.map((rule) => ranks.priority(policy, rule)));
};

describe("rules of the Admin tier", () => {
  it("share a level where they say the same one after the other, and stand one below the other where not", () => {
    expect(prioritiesOf([admin("a", 0, "allow", "allow", "deny", "allow")])).toEqual([[32498, 32498, 32496, 32494]]);
  });

  it("stand where their policy's priority says, whatever other policies there are", () => {
    const policy = admin("b", 10, "deny");
    expect(prioritiesOf([policy])).toEqual([[32498 - 220]]);
    expect(prioritiesOf([admin("a", 9, "allow"), policy, admin("c", 11, "allow")])[1]).toEqual([32498 - 220]);
  });

  it("follow each other without gaps where one priority has too many levels", () => {
    const many = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? ("allow" as const) : ("deny" as const)));
    const [first = [], second] = prioritiesOf([admin("a", 5, ...many), admin("b", 900, "deny")]);
    expect(first[0]).toBe(32498);
    expect(second).toEqual([32498 - 24]);
  });

  it("that match nothing need no place", () => {
    const policy = admin("a", 0, "allow", "deny");
    const [allow, deny] = policy.rules;
    if (allow === undefined || deny === undefined) throw new Error("two rules");
    expect(prioritiesOf([{ ...policy, rules: [{ ...allow, peers: [] }, deny] }])).toEqual([[undefined, 32498]]);
  });

  it("of the lowest priority of all stand above NetworkPolicies", () => {
    const [[lowest] = []] = prioritiesOf([admin("a", 1000, "deny")]);
    expect(lowest).toBe(10498);
  });

  it("drop all of their subject's when there are more than priorities", () => {
    const alternating = Array.from({ length: 100 }, (_, index) =>
      index % 2 === 0 ? ("allow" as const) : ("deny" as const),
    );
    const policies = Array.from({ length: 120 }, (_, index) => admin(`p${index}`, index, ...alternating));
    const ranks = rankPolicies(policies, bands);
    expect(policies.filter((policy) => ranks.overflow(policy, "ingress") !== undefined)).toHaveLength(10);
    const last = policies.at(-1);
    expect(last && ranks.overflow(last, "ingress")).toBe(adminPriorities.last);
    expect(last && ranks.overflow(last, "egress")).toBeUndefined();
  });
});

describe("rules of the Baseline tier", () => {
  it("of policies after one without a place have none either, for they may not decide before it", () => {
    const alternating = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? ("allow" as const) : ("deny" as const)));
    const policies = [...Array.from({ length: 52 }, () => alternating), ["allow" as const]].map(
      (actions, at): PolicyRecord => ({
        ...admin(`p${at}`, at, ...actions),
        kind: "ClusterNetworkPolicy",
        tier: "Baseline",
      }),
    );
    const ranks = rankPolicies(policies, bands);
    expect(policies.flatMap((policy, at) => (ranks.overflow(policy, "ingress") === undefined ? [] : [at]))).toEqual([
      51, 52,
    ]);
  });
});

describe("a Pass", () => {
  it("needs nothing where no rule below could decide otherwise", () => {
    expect(rankPolicies([admin("a", 0, "deny", "pass")], bands).passes("ingress")).toEqual([]);
  });

  it("has room for what the next tiers say between the rules above and those below", () => {
    const policy = admin("a", 0, "allow", "pass", "deny");
    const ranks = rankPolicies([policy, baseline("allow", "deny")], bands);
    expect(ranks.passes("ingress")).toMatchObject([
      { allow: 32496, isolation: 32494, baselineOffset: 32492 - (baselinePriorities.first - 1), rest: 32488 },
    ]);
    expect(policy.rules.map((rule) => ranks.priority(policy, rule))).toEqual([32498, undefined, 32486]);
  });

  it("is a level as any other where ACLs can pass", () => {
    const policy = admin("a", 0, "allow", "pass", "deny");
    expect(prioritiesOf([policy], tiers)).toEqual([[32498, 32496, 32494]]);
    expect(rankPolicies([policy], tiers).passes("ingress")).toEqual([]);
  });
});

describe("ranks that change", () => {
  it("name the policies whose places are others, and the directions whose passes are", () => {
    const [a, b] = [admin("a", 5, "pass", "deny"), admin("b", 5, "deny")];
    const before = rankPolicies([a, b], bands);
    expect(changedRanks(before, rankPolicies([b, a], bands))).toEqual({ policies: [], passes: [] });
    expect(changedRanks(before, rankPolicies([a, b, baseline("deny")], bands))).toEqual({
      policies: ["AdminNetworkPolicy/a", "AdminNetworkPolicy/b"],
      passes: ["ingress"],
    });
    expect(changedRanks(before, rankPolicies([a, b, admin("c", 5, "allow")], bands))).toEqual({
      policies: [],
      passes: [],
    });
  });
});
