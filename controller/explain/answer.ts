import type { Family } from "../ipam/address.ts";
import type { Direction, PolicyKind, PolicyTier } from "../state/policy.ts";
import type { Exemption } from "./decision.ts";
import type { PacketProtocol } from "./rule-match.ts";

/** The published shape of what `why` answers; docs/why.md describes it. Members are added, never changed or taken away. */
export interface WhyAnswer {
  readonly from: NamedEnd;
  readonly to: NamedEnd;
  /** Of all paths: `partly` when some are allowed and some denied, `unserved` when a Service has nobody to serve it. */
  readonly verdict: "allowed" | "denied" | "partly" | "unserved";
  /** One for each family, backend, and run of ports with the same reasons. */
  readonly paths: readonly WhyPath[];
  /** What else is to be known of the answer, in words. */
  readonly notes: readonly string[];
}

export interface NamedEnd {
  readonly kind: "pod" | "node" | "address" | "service" | "domain";
  /** `namespace/name`, a name, or the address. */
  readonly name: string;
}

export interface WhyEnd extends NamedEnd {
  readonly kind: "pod" | "node" | "address";
  readonly address: string;
}

export interface WhyPath {
  readonly family: Family;
  readonly protocol: PacketProtocol;
  /** Destination ports, after load balancing; absent with `icmp`. */
  readonly ports?: { readonly first: number; readonly last: number };
  readonly from: WhyEnd;
  readonly to: WhyEnd;
  /** The Service that the packet is sent to. */
  readonly service?: { readonly name: string; readonly address: string; readonly port: number };
  /** Allowed when both directions allow, and the network doesn't keep the ends apart. */
  readonly verdict: "allowed" | "denied";
  /** Where the ends' tenants or subnets say something of their own; policies are judged all the same. */
  readonly network?: WhyNetwork;
  /** What the sender's egress says, and the receiver's ingress. */
  readonly egress: WhyDecision;
  readonly ingress: WhyDecision;
  /** What `ovn-trace` is to be asked; only when wanted. */
  readonly flow?: Microflow;
}

/** What is decided by whose networks the ends are in. */
export interface WhyNetwork {
  readonly verdict: "allowed" | "denied";
  /**
   * `tenants`: they are in two tenants that have nothing to do with each other; `peers`: in two that are joined;
   * `shared-service`: one may use the other's Service; `egress-none`: the sender's Subnet lets nothing out of the cluster.
   */
  readonly reason: "tenants" | "peers" | "shared-service" | "egress-none";
  /** Of ends that are pods. */
  readonly tenants: { readonly from?: string; readonly to?: string };
  /** In words. */
  readonly message: string;
}

export interface WhyDecision {
  readonly verdict: "allowed" | "denied";
  readonly by: "rule" | "isolation" | "default" | "exemption";
  /** With `rule`: those that decide; of NetworkPolicies all that allow. */
  readonly rules?: readonly RuleReference[];
  /** NetworkPolicies that isolate the pod in this direction, where they come to a say. */
  readonly isolatedBy?: readonly PolicyReference[];
  /** With `exemption`: `itself`, `own-node` (a node reaches its pods) or `no-subject` (this end is no pod). */
  readonly exemption?: Exemption;
  /** Rules that passed it on to the next tier. */
  readonly passes?: readonly RuleReference[];
  /** What would change the verdict, in words; only when wanted. */
  readonly changes?: readonly string[];
}

export interface PolicyReference {
  readonly kind: PolicyKind;
  /** `namespace/name` or the name. */
  readonly name: string;
  readonly tier: PolicyTier;
  /** Of kinds that have one. */
  readonly priority?: number;
}

export interface RuleReference {
  readonly policy: PolicyReference;
  readonly direction: Direction;
  /** Place among the policy's rules of the direction, from 0. */
  readonly rule: number;
  readonly name?: string;
  readonly action: "allow" | "deny" | "pass";
}

/** A packet as `ovn-trace` takes it. */
export interface Microflow {
  /** The switch where it comes in. */
  readonly datapath: string;
  readonly expression: string;
  /** For `--lb-dst`, when a Service is asked for. */
  readonly lbDestination?: string;
  /** The port where it arrives, when it does. */
  readonly outport: string;
}

/** What `GET /v1/acls/…` answers: one row, and what it is for. */
export interface AclAnswer {
  readonly uuid: string;
  readonly name: string | undefined;
  readonly direction: "ingress" | "egress";
  readonly priority: number;
  /** Of the southbound flows that are made of it. */
  readonly flowPriority: number;
  /** Undefined where the database's schema knows none. */
  readonly tier: number | undefined;
  readonly match: string;
  readonly action: string;
  readonly log: boolean;
  /** Value of `external_ids:ovenbird.io/owner`; absent for rows that aren't ours. */
  readonly owner: string | undefined;
  /** The policy and rule that the row is for; absent for rows of the network itself. */
  readonly origin: AclRuleOrigin | undefined;
  /** What the row does, in words. */
  readonly meaning: string;
}

export interface AclRuleOrigin {
  readonly policy: { readonly kind: PolicyKind; readonly name: string };
  readonly direction: Direction;
  /** Present with parts `rule` and `rest`. */
  readonly rule?: number;
  readonly ruleName?: string;
  /**
   * What of the policy it stands for: a rule; `isolation`: what a NetworkPolicy doesn't allow; `rest`: what a Pass passes on
   * and nobody decides; `overflow`: the whole policy, when priorities are too few for its rules.
   */
  readonly part: "rule" | "isolation" | "rest" | "overflow";
  /** It stands for the same as another row, over pods whose namespace logs. */
  readonly logged: boolean;
  /** It stands for the same as another row, for pods of this tenant and by the addresses that it and its peers alone know. */
  readonly tenant?: string;
  /** The rule whose Pass this row carries out: it stands above the rules that it passes by. */
  readonly pass?: { readonly policy: string; readonly rule: number };
}

/** What `POST /v1/plan` answers. */
export interface PlanAnswer {
  readonly policies: readonly {
    readonly kind: PolicyKind;
    readonly name: string;
    readonly change: "added" | "changed" | "deleted" | "unchanged" | "absent";
  }[];
  /** Runs of pods and ports whose verdict changes, those that are newly denied first. */
  readonly changes: readonly PlanChange[];
  /** How many pairs of pods change in some port; nodes and addresses not counted. */
  readonly pairs: number;
  /** More changes than are listed, or than could be computed in the time there is. */
  readonly truncated: boolean;
  readonly notes: readonly string[];
}

export interface PlanChange {
  readonly from: PlanGroup;
  readonly to: PlanGroup;
  /** Absent when both change alike. */
  readonly family?: Family;
  /** Empty: everything changes, all ports and what has none. */
  readonly ports: readonly { readonly protocol: PacketProtocol; readonly first?: number; readonly last?: number }[];
  readonly before: "allowed" | "denied";
  readonly after: "allowed" | "denied";
}

export interface PlanGroup {
  /** In words: `shop: app=web`, `all pods of namespaces a, b`, `nodes`, `10.0.0.0/8`. */
  readonly text: string;
  /** How many pods it has; 0 for nodes and addresses. */
  readonly pods: number;
  /** Some of them, by `namespace/name`. */
  readonly examples: readonly string[];
}
