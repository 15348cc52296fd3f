import type { Uuid } from "ovsdb-client-ts";
import { rowUuid } from "../translate/owner.ts";

/**
 * Load_Balancer_Group has no external_ids to bear the owner, but our groups' names tell it:
 *   `default.gateways`       Tenant/default#gateways
 *   `default.switches@z`     Zone/default@z#switches
 *   `switch.n`, `gateway.n`  Node/n#switch, Node/n#gateway
 * A tenant's name has no dot, so the names can't be mistaken for each other.
 */
function ownerTextOf(name: string): string | undefined {
  const ofNode = /^(switch|gateway)\.(.+)$/s.exec(name);
  if (ofNode !== null) return `Node/${ofNode[2]}#${ofNode[1]}`;
  const ofZone = /^([^.]+)\.switches(@.*)$/s.exec(name);
  if (ofZone !== null) return `Zone/${ofZone[1]}${ofZone[2]}#switches`;
  const ofTenant = /^([^.]+)\.gateways$/s.exec(name);
  return ofTenant === null ? undefined : `Tenant/${ofTenant[1]}#gateways`;
}

/**
 * Whose load balancer group it is, as `kind/key#part`: ours is the one that has the very UUID which we give to its name.
 * @returns undefined for a group that isn't ours
 */
export function groupOwner(name: string, uuid: Uuid): string | undefined {
  const owner = ownerTextOf(name);
  return owner !== undefined && rowUuid("Load_Balancer_Group", owner) === uuid ? owner : undefined;
}
