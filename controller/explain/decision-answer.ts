import type { PolicyRecord } from "../state/policy.ts";
import type { PolicyReference, RuleReference, WhyDecision, WhyEnd } from "./answer.ts";
import type { DecidingRule, Decision } from "./decision.ts";
import type { Party } from "./party.ts";

export function endOf({ kind, key, address }: Party): WhyEnd {
  return { kind, name: key, address };
}

function policyReference({ kind, key, tier, priority }: PolicyRecord): PolicyReference {
  const hasPriority = kind === "AdminNetworkPolicy" || kind === "ClusterNetworkPolicy";
  return { kind, name: key, tier, ...(hasPriority ? { priority } : {}) };
}

function ruleReference({ policy, rule }: DecidingRule): RuleReference {
  return {
    policy: policyReference(policy),
    direction: rule.direction,
    rule: rule.index,
    ...(rule.name === undefined ? {} : { name: rule.name }),
    action: rule.action,
  };
}

/** A decision in its published shape. */
export function decisionAnswer(decision: Decision): WhyDecision {
  const { verdict, by, passes } = decision;
  return {
    verdict,
    by,
    ...(decision.by === "rule" ? { rules: decision.rules.map(ruleReference) } : {}),
    ...("isolatedBy" in decision && decision.isolatedBy.length > 0
      ? { isolatedBy: decision.isolatedBy.map(policyReference) }
      : {}),
    ...(decision.by === "exemption" ? { exemption: decision.exemption } : {}),
    ...(passes.length > 0 ? { passes: passes.map(ruleReference) } : {}),
  };
}
