import type { DesiredRow } from "./desired.ts";
import { defaultTenant } from "./names.ts";
import { ownerText, rowUuid } from "./owner.ts";

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

function groupOf(kind: "Tenant" | "Node", key: string, part: string, name: string): LoadBalancerGroup {
  const owner = ownerText({ kind, key }, part);
  return { uuid: rowUuid("Load_Balancer_Group", owner), name, owner };
}

/** On the gateway router of every node. */
export const gatewaysGroup: LoadBalancerGroup = groupOf(
  "Tenant",
  defaultTenant,
  "gateways",
  `${defaultTenant}.gateways`,
);

/**
 * On the switches of all nodes of a zone; a node's switch is in one of these groups.
 * @param zone the label `topology.kubernetes.io/zone`, empty for nodes without it
 */
export function switchesGroup(zone: string): LoadBalancerGroup {
  return groupOf("Tenant", defaultTenant, `switches@${zone}`, `${defaultTenant}.switches@${zone}`);
}

/** On the switch of one node alone. */
export function nodeSwitchGroup(node: string): LoadBalancerGroup {
  return groupOf("Node", node, "switch", `switch.${node}`);
}

/** On the gateway router of one node alone. */
export function nodeGatewayGroup(node: string): LoadBalancerGroup {
  return groupOf("Node", node, "gateway", `gateway.${node}`);
}
