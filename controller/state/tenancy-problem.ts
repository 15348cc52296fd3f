/**
 * What is wrong with tenants, subnets and pools, and with pods that would be in them. What runs goes on; what is named gets
 * nothing new until its cause is gone.
 */
export const tenancyProblemCodes = {
  INVALID_RESOURCE: "The object's spec can't be used; what it would open stays shut.",
  NAMESPACE_CLAIMED: "A namespace that the tenant claims belongs to an older one.",
  NAMESPACE_MOVED: "A pod stays in the tenant that its namespace has left; recreate the pod.",
  PEER_ONE_SIDED: "A peer is not there, or doesn't name the tenant; nothing is opened.",
  PEER_OVERLAP: "The networks of two peers share addresses; nothing is opened.",
  SUBNET_OVERLAP: "The subnet shares addresses with a network that has to be apart; it gets no pods.",
  SUBNET_VLAN_TAKEN: "Another subnet is in the same VLAN of the same physical network; the younger gets no pods.",
  SUBNET_FAMILY: "The subnet is of a family that the cluster doesn't have; pods get no address of it.",
  SUBNET_WITHOUT_TENANT: "The subnet's tenant isn't there, or is deleted; the subnet gets no new pods.",
  NO_SUBNET: "The pod's tenant has no subnet that it could be in.",
  SUBNET_NOT_FOUND: "The subnet that is asked for isn't there, can't be used or is about to go.",
  SUBNET_OF_OTHER_TENANT: "The subnet that is asked for is another tenant's.",
  SUBNET_NEEDED: "What the pod asks for is had in a subnet only, and the pod would be in its node's block.",
  POOL_NOT_FOUND: "The pool isn't there, or its subnet isn't.",
  POOL_OUTSIDE_SUBNET: "A range of the pool isn't in its subnet.",
  PROVIDER_NETWORK_NOT_FOUND:
    "The physical network of an underlay isn't there; its pods meet nobody outside the cluster.",
  PROVIDER_NETWORK_NOT_READY: "A node's agent could not put the node on the physical network.",
  INVALID_POD_REQUEST: "An annotation of the pod that asks for addresses or bandwidth can't be read.",
} as const satisfies Record<string, string>;

export type TenancyProblemCode = keyof typeof tenancyProblemCodes;
