import type { AddressProblemCode } from "./address-problem.ts";
import type { OutletProblemCode } from "./outlet-problem.ts";
import type { PolicyKind } from "./policy.ts";
import type { PolicyProblemCode } from "./policy-problem.ts";
import type { ServiceProblemCode } from "./service-problem.ts";
import type { TenancyProblemCode } from "./tenancy-problem.ts";

/**
 * Everything about a node or a pod that its user has to act on, with what it means. The object is left without
 * network (or without the part named) until its cause is gone; no other object is held up.
 */
export const objectProblemCodes = {
  BLOCK_EXHAUSTED: "The node's block has no free address for the pod; it gets one as soon as another pod goes.",
  ADDRESS_CONFLICT: "The address announced for the pod belongs to another pod; recreate one of the two.",
  ADDRESS_OUTSIDE_BLOCK: "The address announced for the pod isn't in its node's block; recreate the pod.",
  INVALID_NETWORK_ANNOTATION: "The pod's ovenbird.io/network annotation can't be read; it is written anew.",
  NODE_BLOCKS_EXHAUSTED: "All blocks of the cluster's networks are taken; the node gets one when another node goes.",
  NODE_BLOCK_CONFLICT: "The block announced for the node belongs to another node; the node gets a new one.",
  NODE_ADDRESS_IN_CLUSTER_NETWORK: "An address of the node lies in a network of the cluster and is not routed.",
  INVALID_CHASSIS_ANNOTATION: "The node's ovenbird.io/chassis annotation can't be read; the node has no gateway.",
} as const satisfies Record<string, string>;

export type ObjectProblemCode =
  | keyof typeof objectProblemCodes
  | ServiceProblemCode
  | PolicyProblemCode
  | TenancyProblemCode
  | AddressProblemCode
  | OutletProblemCode;

/** Ovenbird's own kinds that the graph reads. */
export type ResourceKind = "Tenant" | "Subnet" | "IPPool" | "IPAddress" | "ProviderNetwork" | "EgressIP" | "FloatingIP";

export interface Problem {
  readonly code: ObjectProblemCode;
  /** One sentence for the user, with the values at fault. */
  readonly message: string;
}

export interface ObjectReference {
  readonly kind: "Node" | "Namespace" | "Pod" | "Service" | PolicyKind | ResourceKind;
  /** `name` or `namespace/name`. */
  readonly key: string;
  readonly uid: string;
}

export interface ObjectProblem extends Problem {
  readonly object: ObjectReference;
}
