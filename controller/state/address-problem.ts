/** Why a pod gets no address of a Subnet, or an IPAddress doesn't keep what it says. */
export const addressProblemCodes = {
  ADDRESS_HELD: "The address, hardware address or sticky key that is asked for has a holder, which the message names.",
  ADDRESS_OUTSIDE_SUBNET: "The address that is asked for isn't one that a pod of the subnet on that node may have.",
  ADDRESS_LIST_TOO_SHORT: "The list of addresses has none for the pod's ordinal.",
  SUBNET_EXHAUSTED: "The subnet, or the node's block of it, has no free address.",
  SUBNET_POOL_EXHAUSTED: "The pools that the pod may use have no free address.",
  POOL_NOT_ALLOWED: "The pool, or the pool in which the address lies, is kept for others.",
  INFRASTRUCTURE_EXHAUSTED: "The infrastructure networks have no room left.",
} as const satisfies Record<string, string>;

export type AddressProblemCode = keyof typeof addressProblemCodes;
