import { isIP } from "node:net";
import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Membership } from "./desired.ts";
import { defaultTenant } from "./names.ts";
import type { NodeTopology } from "./node-topology.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { tenantOwner } from "./tenant-owner.ts";

/** The Address_Set of all nodes' own addresses of a family; a dot may stand in its name, a dash could not. */
export const nodeAddressSet = (family: Family): string => `${defaultTenant}.nodes.ipv${family}`;

const part = (family: Family): string => `nodes.ipv${family}`;

/** The sets' rows, which the nodes fill. */
export function nodeAddressSets({ families }: NetworkConfig): readonly DesiredRow[] {
  return families.map(({ family }) =>
    desiredRow("Address_Set", tenantOwner, part(family), { name: nodeAddressSet(family) }),
  );
}

/** The node's own addresses in the sets. */
export function nodeAddressesBundle({ families }: NetworkConfig, { addresses }: NodeTopology): Bundle {
  const memberships = families.flatMap(({ family }) => {
    const row = rowUuid("Address_Set", ownerText(tenantOwner, part(family)));
    return addresses
      .filter((address) => isIP(address) === family)
      .map((member): Membership => ({ table: "Address_Set", row, column: "addresses", member }));
  });
  return { rows: [], memberships };
}
