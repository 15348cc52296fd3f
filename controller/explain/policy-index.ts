import type { Labels } from "../state/labels.ts";
import { comparePolicies, type PolicyRecord } from "../state/policy.ts";
import { selects } from "../state/selector.ts";

/** The policies that select one pod, tier by tier, each in the order in which they decide. */
export interface PolicyStack {
  readonly admin: readonly PolicyRecord[];
  readonly network: readonly PolicyRecord[];
  readonly baseline: readonly PolicyRecord[];
}

/** All of them, in the order in which they decide. */
export function policiesOf({ admin, network, baseline }: PolicyStack): readonly PolicyRecord[] {
  return [...admin, ...network, ...baseline];
}

export interface PolicyIndex {
  stackOf(pod: { readonly namespace: string; readonly namespaceLabels: Labels; readonly labels: Labels }): PolicyStack;
}

/** Finds the policies of a pod: those of its namespace, and those that span the cluster, are looked at. */
export function createPolicyIndex(policies: Iterable<PolicyRecord>): PolicyIndex {
  const everywhere: PolicyRecord[] = [];
  const byNamespace = new Map<string, PolicyRecord[]>();
  for (const policy of policies) {
    if (policy.subject === undefined) continue;
    const { namespace } = policy.subject;
    if (namespace === undefined) {
      everywhere.push(policy);
      continue;
    }
    const there = byNamespace.get(namespace);
    if (there === undefined) byNamespace.set(namespace, [policy]);
    else there.push(policy);
  }
  return {
    stackOf({ namespace, namespaceLabels, labels }) {
      const candidates = [...everywhere, ...(byNamespace.get(namespace) ?? [])];
      const selected = candidates
        .filter(({ subject }) => subject !== undefined && selects(subject, namespace, namespaceLabels, labels))
        .sort(comparePolicies);
      return {
        admin: selected.filter(({ tier }) => tier === "Admin"),
        network: selected.filter(({ tier }) => tier === "NetworkPolicy"),
        baseline: selected.filter(({ tier }) => tier === "Baseline"),
      };
    },
  };
}
