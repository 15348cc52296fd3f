import { setKey } from "./hub-sets.ts";
import { defaultTenant } from "./names.ts";
import { ownerText, rowUuid } from "./owner.ts";
import type { PortGroup } from "./policy-groups.ts";
import { tenantOwner } from "./tenant-owner.ts";

function group(owner: string, name: string): PortGroup {
  return { name, uuid: rowUuid("Port_Group", owner) };
}

/**
 * All subnets' switches: each has its router's port in it, so that ACLs of the group, which name no port, hold on the whole
 * switch, however many switches there are.
 */
export const subnetsGroup = group(ownerText(tenantOwner, "subnets"), `${defaultTenant}.subnets`);

/** All switches of one tenant's subnets, likewise. */
export function tenantGroup(tenant: string): PortGroup {
  return group(ownerText({ kind: "Tenant", key: tenant }, "ports"), setKey("Tenant", tenant));
}
