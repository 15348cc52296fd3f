import {
  adminNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  networkPolicies,
  type Resource,
} from "@ovenbird/kube";
import { projectAdminNetworkPolicy, projectBaselineAdminNetworkPolicy } from "./admin-network-policy.ts";
import { projectClusterNetworkPolicy } from "./cluster-network-policy.ts";
import { projectNetworkPolicy } from "./network-policy.ts";
import type { PolicyKind, PolicyRecord } from "./policy.ts";

/** Where each kind of policy comes from, and how it is read. */
export const policyKinds: Readonly<
  Record<PolicyKind, { readonly resource: Resource; readonly project: (raw: unknown) => PolicyRecord }>
> = {
  NetworkPolicy: { resource: networkPolicies, project: projectNetworkPolicy },
  AdminNetworkPolicy: { resource: adminNetworkPolicies, project: projectAdminNetworkPolicy },
  BaselineAdminNetworkPolicy: { resource: baselineAdminNetworkPolicies, project: projectBaselineAdminNetworkPolicy },
  ClusterNetworkPolicy: { resource: clusterNetworkPolicies, project: projectClusterNetworkPolicy },
};

export function isPolicyKind(kind: string): kind is PolicyKind {
  return Object.hasOwn(policyKinds, kind);
}
