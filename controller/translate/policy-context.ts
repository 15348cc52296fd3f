import type { Cidr, Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Complain } from "../state/policy-problem.ts";
import type { PolicyLayout } from "./policy-layout.ts";
import type { PolicyRanks } from "./policy-ranks.ts";
import type { PolicySets } from "./policy-sets.ts";

/** In which namespaces decisions are logged (`ovenbird.io/log-policy`); each sorted. */
export interface LoggedNamespaces {
  /** Those with `allow` or `all`. */
  readonly allow: readonly string[];
  /** Those with `deny` or `all`. */
  readonly deny: readonly string[];
}

/**
 * What the rows of a policy depend on beside the policy. They have to be made anew when
 *   - an answer that `sets` gave them would be another now (which numbers a named port has, which tenants; names never change),
 *   - `podNetworks` changed,
 *   - `changedRanks` names the policy, or, of one of the tiers below Admin, a direction in which it has rules or isolates,
 *   - `logged` changed: rows of a NetworkPolicy depend only on whether its own namespace is in it.
 */
export interface PolicyContext {
  readonly sets: PolicySets;
  readonly layout: PolicyLayout;
  readonly network: Pick<NetworkConfig, "families">;
  /** In which networks of a family pods have the addresses that are one of a kind in the cluster. */
  podNetworks(family: Family): readonly Cidr[];
  readonly ranks: PolicyRanks;
  readonly logged: LoggedNamespaces;
  /** Takes what of the policy goes beyond what all can bear. */
  readonly complain: Complain;
}
