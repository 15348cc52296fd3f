import type { DesiredRow, Membership } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { tenantOwner } from "./tenant-owner.ts";

/** The tenant's router; node bundles hang their ports and routes on it. */
export const tenantRouterUuid = rowUuid("Logical_Router", ownerText(tenantOwner, "router"));

/** Puts a Logical_Router_Policy on the tenant's router. */
export function tenantRouterPolicy({ uuid }: DesiredRow): Membership {
  return { table: "Logical_Router", row: tenantRouterUuid, column: "policies", member: uuid };
}
