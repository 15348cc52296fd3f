import { isIP } from "node:net";
import type { Family } from "../ipam/address.ts";
import type { Bundle } from "./desired.ts";
import { nodeOwner } from "./node-owner.ts";
import type { NodeTopology } from "./node-topology.ts";
import { desiredRow } from "./owner.ts";

/** The variable that holds, on each chassis, one of its node's own addresses: a NodePort is one row for all nodes. */
export const nodeAddressVariable = (family: Family, slot: number): string => `NODE_IPV${family}_${slot}`;

/**
 * What templates of load balancers become on the node's chassis. A variable that a node has no address for stays
 * undefined: ovn-controller then makes no flows of that virtual address there.
 */
export function chassisTemplateVarBundle({ name, addresses, chassis }: NodeTopology): Bundle {
  if (chassis === undefined) return { rows: [], memberships: [] };
  const variables = ([4, 6] as const).flatMap((family) =>
    addresses
      .filter((address) => isIP(address) === family)
      .map((address, slot) => [nodeAddressVariable(family, slot), address] as const),
  );
  const sorted = variables.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const columns = { chassis: chassis.systemId, variables: Object.fromEntries(sorted) };
  return { rows: [desiredRow("Chassis_Template_Var", nodeOwner(name), "template", columns)], memberships: [] };
}
