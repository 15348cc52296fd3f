import type { PolicyRule } from "./policy.ts";

/**
 * What one NetworkPolicy may have in all. Whoever may write in a namespace writes these, and every controller, northd and
 * ovn-controller pays for them: a rule by its ACLs, a selector by its address sets, a port name by an ACL for each number that
 * pods give it, an except by the many networks that are left around it. The kinds that span the cluster have bounds of their own.
 */
export const policyLimits = {
  rules: 1_000,
  selectors: 2_000,
  networks: 10_000,
  excepts: 250,
  ports: 5_000,
  "named ports": 200,
} as const;

type Counted = keyof typeof policyLimits;

/** @returns of what there is too much, in words; undefined where there is not */
export function tooMuchOf(rules: readonly PolicyRule[]): string | undefined {
  const counts: Record<Counted, number> = {
    rules: rules.length,
    selectors: 0,
    networks: 0,
    excepts: 0,
    ports: 0,
    "named ports": 0,
  };
  for (const { peers, ports } of rules) {
    for (const peer of peers === "any" ? [] : peers) {
      counts[peer.kind === "networks" ? "networks" : "selectors"] += 1;
      if (peer.kind === "networks") counts.excepts += peer.block.except.length;
    }
    for (const port of ports === "any" ? [] : ports) counts[port.kind === "named" ? "named ports" : "ports"] += 1;
  }
  const over = (Object.keys(policyLimits) as Counted[]).find((what) => counts[what] > policyLimits[what]);
  return over && `${counts[over]} ${over}, ${policyLimits[over]} at most may be`;
}
