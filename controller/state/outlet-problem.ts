/** Why an EgressIP, a FloatingIP or a Subnet's egress addresses don't do what they say; the pods that they are about leave as without them. */
export const outletProblemCodes = {
  OUTLET_ADDRESS_TAKEN:
    "The address is a node's, its router's, or that of an older EgressIP, FloatingIP or Subnet, which has it.",
  OUTLET_NO_NETWORK: "No node's gateway is on a network of which all the addresses are, or no node that may have them.",
  OUTLET_EXHAUSTED: "There are more EgressIPs and Subnets with egress addresses than links for them.",
  FLOATING_POD_MISSING: "The pod of a FloatingIP isn't there, or has no address yet.",
  FLOATING_POD_UNDERLAY: "The pod of a FloatingIP is in an Underlay subnet, where the physical router decides.",
} as const satisfies Record<string, string>;

export type OutletProblemCode = keyof typeof outletProblemCodes;
