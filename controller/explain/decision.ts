import type { Labels } from "../state/labels.ts";
import type { Direction, PolicyRecord, PolicyRule } from "../state/policy.ts";
import type { Party } from "./party.ts";
import type { PolicyStack } from "./policy-index.ts";
import { type DomainAddresses, type PacketProtocol, ruleMatches } from "./rule-match.ts";

/** A rule and the policy that it belongs to. */
export interface DecidingRule {
  readonly policy: PolicyRecord;
  readonly rule: PolicyRule;
}

/** What one direction says of a packet, and why. */
export type Decision = {
  readonly verdict: "allowed" | "denied";
  /** Rules that passed the packet on to the next tier, in order. */
  readonly passes: readonly DecidingRule[];
} & (
  | {
      /** Rules decided: one of the Admin or Baseline tier, or all of NetworkPolicies that allow. */
      readonly by: "rule";
      readonly rules: readonly DecidingRule[];
      /** The NetworkPolicies that isolate the pod, when it is they that allow. */
      readonly isolatedBy: readonly PolicyRecord[];
    }
  /** NetworkPolicies isolate the pod in this direction, and no rule of theirs allows. */
  | { readonly by: "isolation"; readonly isolatedBy: readonly PolicyRecord[] }
  /** No policy says anything: allowed. */
  | { readonly by: "default" }
  /** No policy can say anything: the pod itself, its own node, or nobody whom policies select. */
  | { readonly by: "exemption"; readonly exemption: Exemption }
);

/** Why policies don't count: a pod and itself, a node and its own pods, or an end that is no pod. */
export type Exemption = "itself" | "own-node" | "no-subject";

export interface Packet {
  readonly protocol: PacketProtocol;
  /** Of the destination; 0 with `icmp`. */
  readonly port: number;
  /** The labels of the destination, when that is a pod. */
  readonly destination: Labels | undefined;
}

const none: readonly never[] = Object.freeze([]);

/** What decides for a pod with these policies, one direction alone. */
export function decide(
  stack: PolicyStack,
  direction: Direction,
  peer: Party,
  packet: Packet,
  domains: DomainAddresses,
): Decision {
  const matches = (rule: PolicyRule): boolean =>
    rule.direction === direction && ruleMatches(rule, peer, packet, domains);
  const firstOf = (policies: readonly PolicyRecord[]): DecidingRule | undefined => {
    for (const policy of policies) {
      const rule = policy.rules.find(matches);
      if (rule !== undefined) return { policy, rule };
    }
    return undefined;
  };

  const admin = firstOf(stack.admin);
  if (admin !== undefined && admin.rule.action !== "pass") {
    return {
      verdict: admin.rule.action === "allow" ? "allowed" : "denied",
      by: "rule",
      rules: [admin],
      isolatedBy: none,
      passes: none,
    };
  }
  const passes = admin === undefined ? none : [admin];
  const isolatedBy = stack.network.filter(({ isolates }) => isolates.includes(direction));
  if (isolatedBy.length > 0) {
    const rules = isolatedBy.flatMap((policy) => policy.rules.filter(matches).map((rule) => ({ policy, rule })));
    return rules.length > 0
      ? { verdict: "allowed", by: "rule", rules, isolatedBy, passes }
      : { verdict: "denied", by: "isolation", isolatedBy, passes };
  }
  const baseline = firstOf(stack.baseline);
  if (baseline === undefined) return { verdict: "allowed", by: "default", passes };
  if (baseline.rule.action === "pass") return { verdict: "allowed", by: "default", passes: [...passes, baseline] };
  return {
    verdict: baseline.rule.action === "allow" ? "allowed" : "denied",
    by: "rule",
    rules: [baseline],
    isolatedBy: none,
    passes,
  };
}

/** What the ends are, before any policy: undefined when policies count. */
export function exemptionOf(
  direction: Direction,
  from: Party,
  to: Party,
  managementAddresses: (node: string) => readonly string[],
): Exemption | undefined {
  const subject = direction === "egress" ? from : to;
  if (subject.kind !== "pod") return "no-subject";
  if (from.kind === "pod" && to.kind === "pod" && from.key === to.key) return "itself";
  if (
    direction === "ingress" &&
    subject.node !== undefined &&
    managementAddresses(subject.node).includes(from.address)
  ) {
    return "own-node";
  }
  return undefined;
}
