import type { PolicyTier } from "../state/policy.ts";

/** What of the connected northbound schema decides between the layouts (`northboundCapabilities`). */
export interface AclCapabilities {
  readonly aclTiers: boolean;
  readonly aclPass: boolean;
}

/**
 * Where ACLs of policies stand: the whole of it as data. ovn-nb(5) gives an ACL a priority of 0 to 32767, of which the
 * highest that matches decides. Each level takes two priorities: ACLs stand on the even one, their logged twins, which
 * match some of the same traffic, on the odd one above it.
 */
export interface PolicyLayout {
  /** `tiers`: `ACL.tier` and `ACL.action=pass` keep the tiers apart. `bands`: their priorities do, and there is no pass. */
  readonly kind: "bands" | "tiers";
  /** The value of `ACL.tier`; absent where the column isn't written: there it is 0, or doesn't exist. */
  readonly tier: Readonly<Record<PolicyTier, number | undefined>>;
}

/** Above all policies: what no policy decides. */
export const infrastructurePriorities = {
  /** What hosts of a physical network say to a router of ours. */
  physical: 32750,
  /** What is for a service's address after load balancing is dropped, whatever policies allow. */
  serviceGuard: 32700,
  /** A pod and itself, by SCTP. */
  sctpHairpin: 32601,
  /** A node and its own pods; a pod and itself; answers by SCTP. */
  always: 32600,
  /** Endpoints of others that a tenant may ask answer, and ask nothing; what they answer is known by connection tracking. */
  sharedAnswers: 32550,
} as const;

/** Below all policies. */
export const lastPriorities = {
  /** What a tenant asks of others, where no policy says anything: so that the answers are known. */
  shared: 3,
  /** SCTP to the ports that a policy's subject may serve passes conntrack by. */
  sctpOfSubjects: 2,
  /** As all SCTP within the cluster. */
  sctp: 1,
  /** Of a tier that isn't the last: what it left undecided goes on to the next. */
  undecided: 0,
} as const;

/** The Admin tier: a slot for each value of `priority`, so that a policy which comes or goes shifts no other's ACLs. */
export const adminPriorities = {
  /** The highest, odd: of a twin. */
  first: 32499,
  /** The lowest, kept for policies that have no place. */
  last: 10476,
  /** Of one value of `priority`: 11 levels. Where a slot has too few, levels follow each other without gaps. */
  slot: 22,
} as const;

export const networkPolicyPriorities = {
  allow: 10400,
  /** Its logged twin is one above. */
  isolation: 10300,
} as const;

/** The Baseline tier: level after level, from the first on; the last is kept for policies that have no place. */
export const baselinePriorities = { first: 10299, last: 10 } as const;

/** For schemas without tiers. */
export const bands: PolicyLayout = Object.freeze({
  kind: "bands",
  tier: Object.freeze({ Admin: undefined, NetworkPolicy: undefined, Baseline: undefined }),
});

const tiers: PolicyLayout = Object.freeze({
  kind: "tiers",
  tier: Object.freeze({ Admin: undefined, NetworkPolicy: 1, Baseline: 2 }),
});

export function policyLayout({ aclTiers, aclPass }: AclCapabilities): PolicyLayout {
  return aclTiers && aclPass ? tiers : bands;
}
