import type {
  AdminNetworkPolicy,
  AdminRule,
  AdminSubject,
  ClusterNetworkPolicy,
  ClusterRule,
  LabelSelector,
  NetworkPolicy,
  Policy,
} from "../objects.ts";
import type { State } from "../scene.ts";

/**
 * A state picked by hand for one line of the specifications, with what that line says of it: `FROM > TO PROTOCOL PORT`, or
 * without a port for ICMP. What is said here was thought out by hand; the evaluator is held to it.
 */
export interface Case extends State {
  readonly name: string;
  readonly passes: readonly string[];
  readonly drops: readonly string[];
}

export function networkPolicy(id: string, spec: NetworkPolicy["spec"]): NetworkPolicy {
  const [namespace = "", name = ""] = id.split("/");
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { namespace, name }, spec };
}

interface Rules<R> {
  readonly ingress?: readonly R[];
  readonly egress?: readonly R[];
}

export function adminPolicy(
  name: string,
  priority: number,
  subject: AdminSubject,
  rules: Rules<AdminRule>,
): AdminNetworkPolicy {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind: "AdminNetworkPolicy",
    metadata: { name },
    spec: { priority, subject, ...rules },
  };
}

export function baselinePolicy(subject: AdminSubject, rules: Rules<AdminRule>, name = "default"): AdminNetworkPolicy {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha1",
    kind: "BaselineAdminNetworkPolicy",
    metadata: { name },
    spec: { subject, ...rules },
  };
}

export function clusterPolicy(
  name: string,
  tier: string,
  priority: number,
  subject: AdminSubject,
  rules: Rules<ClusterRule>,
): ClusterNetworkPolicy {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name },
    spec: { tier, priority, subject, ...rules },
  };
}

export const matching = (labels: Readonly<Record<string, string>>): LabelSelector => ({ matchLabels: labels });
export const all: LabelSelector = {};
export const web = matching({ app: "web" });
export const red = matching({ team: "red" });
export const blue = matching({ team: "blue" });
export const everybody: AdminSubject = { namespaces: all };
export const shop: AdminSubject = { namespaces: matching({ "kubernetes.io/metadata.name": "shop" }) };
export const inShop = (podSelector: LabelSelector) => ({
  pods: { namespaceSelector: matching({ "kubernetes.io/metadata.name": "shop" }), podSelector },
});
export const denyAll = { action: "Deny", from: [{ namespaces: all }] } as const;
export const denyAllEgress = { action: "Deny", to: [{ namespaces: all }] } as const;

export function one(name: string, policies: readonly Policy[], expected: Partial<Case>): Case {
  return { name, policies, passes: [], drops: [], ...expected };
}
