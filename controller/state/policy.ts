import type { Problem } from "./object-problem.ts";
import type { PodSelector, Requirement } from "./selector.ts";

export type PolicyKind = "NetworkPolicy" | "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" | "ClusterNetworkPolicy";

/** In the order in which they decide. */
export type PolicyTier = "Admin" | "NetworkPolicy" | "Baseline";

export type Direction = "ingress" | "egress";
export type TransportProtocol = "tcp" | "udp" | "sctp";

/** A network without some of its parts; both in canonical text (`10.0.0.0/8`), parts of this block's family and inside it. */
export interface AddressBlock {
  readonly cidr: string;
  readonly except: readonly string[];
}

/** Whom a rule is about: the source of ingress, the destination of egress. */
export type Peer =
  | { readonly kind: "pods"; readonly selector: PodSelector }
  | { readonly kind: "networks"; readonly block: AddressBlock }
  /** Nodes by their labels; egress only. */
  | { readonly kind: "nodes"; readonly requirements: readonly Requirement[] }
  /** A name (`example.com`) or all below one (`*.example.com`), in lower case and without the dot at its end; egress only. */
  | { readonly kind: "domains"; readonly names: readonly string[] };

/** Destination ports. */
export type PortMatch =
  /** Both ends belong to it; 0–65535 is the whole protocol. */
  | { readonly kind: "range"; readonly protocol: TransportProtocol; readonly first: number; readonly last: number }
  /** What the destination pod calls so. */
  | { readonly kind: "named"; readonly protocol: TransportProtocol; readonly name: string };

export interface PolicyRule {
  readonly direction: Direction;
  /** Place among the object's rules of this direction, from 0: the first that matches decides, where actions differ. */
  readonly index: number;
  readonly name: string | undefined;
  readonly action: "allow" | "deny" | "pass";
  /** An empty list matches nothing (what couldn't be understood of an allow), `any` everything and everybody. */
  readonly peers: readonly Peer[] | "any";
  /** An empty list matches nothing; `any` is all of IP, ICMP included. */
  readonly ports: readonly PortMatch[] | "any";
}

/** What the controller keeps of a policy, whichever of the four kinds: one form for all that reads them. */
export interface PolicyRecord {
  readonly kind: PolicyKind;
  /** `namespace/name`, or the name of a kind that spans the cluster. */
  readonly key: string;
  readonly uid: string;
  /** `metadata.generation`, for the condition's `observedGeneration`. */
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly tier: PolicyTier;
  /** 0–1000, the lower decides first; 0 where the kind has none. Equal ones: the older, then by kind and key. */
  readonly priority: number;
  /** Undefined selects nobody. */
  readonly subject: PodSelector | undefined;
  /** In which directions a NetworkPolicy isolates whom it selects; empty for the other kinds. */
  readonly isolates: readonly Direction[];
  /** Of both directions, ingress first, each in its order. */
  readonly rules: readonly PolicyRule[];
  /** What is wrong with the object; what it is about fails closed. */
  readonly problems: readonly Problem[];
  /** `status.conditions` as text that is compared with what it should be; absent for kinds without. */
  readonly conditions: string | undefined;
}

export const policyTiers = ["Admin", "NetworkPolicy", "Baseline"] as const satisfies readonly PolicyTier[];

/** `kind/key`: names a policy among those of all kinds. */
export function policyId({ kind, key }: Pick<PolicyRecord, "kind" | "key">): string {
  return `${kind}/${key}`;
}

/** The order in which policies of one tier decide. */
export function comparePolicies(a: PolicyRecord, b: PolicyRecord): number {
  const rank = (policy: PolicyRecord): number => (policy.kind === "BaselineAdminNetworkPolicy" ? 1 : 0);
  return (
    rank(a) - rank(b) ||
    a.priority - b.priority ||
    a.createdAt - b.createdAt ||
    (policyId(a) < policyId(b) ? -1 : policyId(a) > policyId(b) ? 1 : 0)
  );
}
