import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { defaultTenant } from "./names.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { tenantOwner } from "./tenant-owner.ts";

/**
 * A Load_Balancer_Group: switches and routers name it once, load balancers join it; so a service costs one reference
 * for all nodes and not one for each. The table has no `external_ids`: the UUID, which follows from the owner, is what
 * makes a row ours.
 */
export interface LoadBalancerGroup {
  readonly uuid: string;
  readonly name: string;
  /** The owner that its row belongs to, with its part: `Node/n1#switch`. */
  readonly owner: string;
}

/** The group's row; its members are memberships of the load balancers. */
export function groupRow({ uuid, name, owner }: LoadBalancerGroup): DesiredRow {
  return { table: "Load_Balancer_Group", uuid, owner, columns: { name } };
}

function groupOf({ kind, key }: Owner, part: string, name: string): LoadBalancerGroup {
  const owner = ownerText({ kind, key }, part);
  return { uuid: rowUuid("Load_Balancer_Group", owner), name, owner };
}

/** On the gateway router of every node. */
export const gatewaysGroup: LoadBalancerGroup = groupOf(tenantOwner, "gateways", `${defaultTenant}.gateways`);

/** A zone is an owner of its own: its group may go only once the last node has left it, which others' commits decide. */
export function zoneOwner(zone: string): Owner {
  return { kind: "Zone", key: `${defaultTenant}@${zone}` };
}

/**
 * On the switches of all nodes of a zone; a node's switch is in one of these groups.
 * @param zone the label `topology.kubernetes.io/zone`, empty for nodes without it
 */
export function switchesGroup(zone: string): LoadBalancerGroup {
  return groupOf(zoneOwner(zone), "switches", `${defaultTenant}.switches@${zone}`);
}

/** The bundle of a zone that has nodes. */
export function zoneBundle(zone: string): Bundle {
  return { rows: [groupRow(switchesGroup(zone))], memberships: [] };
}

/** On the switch of one node alone. */
export function nodeSwitchGroup(node: string): LoadBalancerGroup {
  return groupOf({ kind: "Node", key: node }, "switch", `switch.${node}`);
}

/** On the gateway router of one node alone. */
export function nodeGatewayGroup(node: string): LoadBalancerGroup {
  return groupOf({ kind: "Node", key: node }, "gateway", `gateway.${node}`);
}
