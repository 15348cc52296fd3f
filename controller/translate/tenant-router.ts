import { formatAddress } from "../ipam/address.ts";
import { joinAddress } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, Membership, Owner } from "./desired.ts";
import { gatewaysGroup, groupRow, switchesGroup } from "./load-balancer-groups.ts";
import { defaultTenant, joinSwitch, joinToTenant, tenantToJoin } from "./names.ts";
import { macOnJoin, tenantJoinOffset } from "./node-topology.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";

/** The owner of what all nodes share. */
export const tenantOwner: Owner = { kind: "Tenant", key: defaultTenant };

/** The tenant's router; node bundles hang their ports and routes on it. */
export const tenantRouterUuid = rowUuid("Logical_Router", ownerText(tenantOwner, "router"));
/** The switch between the tenant's router and the nodes' gateway routers. */
export const joinSwitchUuid = rowUuid("Logical_Switch", ownerText(tenantOwner, "join"));

/**
 * The tenant router and the join switch with the link between them, and the load balancer groups that nodes share.
 * @param zones of all nodes, sorted, the empty one included
 */
export function tenantBundle(network: NetworkConfig, zones: readonly string[]): Bundle {
  const routerPort = desiredRow("Logical_Router_Port", tenantOwner, "join", {
    name: tenantToJoin(defaultTenant),
    mac: macOnJoin(network, tenantJoinOffset),
    networks: network.families.map(
      (family) => `${formatAddress(joinAddress(family, tenantJoinOffset))}/${family.join.prefixLength}`,
    ),
  });
  const switchPort = desiredRow("Logical_Switch_Port", tenantOwner, "join", {
    name: joinToTenant(defaultTenant),
    type: "router",
    addresses: ["router"],
    options: { "router-port": tenantToJoin(defaultTenant) },
  });
  const memberships: Membership[] = [
    { table: "Logical_Router", row: tenantRouterUuid, column: "ports", member: routerPort.uuid },
    { table: "Logical_Switch", row: joinSwitchUuid, column: "ports", member: switchPort.uuid },
  ];
  return {
    rows: [
      desiredRow("Logical_Router", tenantOwner, "router", {
        name: defaultTenant,
        // Only what it asked for itself: else each node's ARP would make a MAC_Binding row for every gateway.
        options: { always_learn_from_arp_request: "false" },
      }),
      desiredRow("Logical_Switch", tenantOwner, "join", { name: joinSwitch }),
      routerPort,
      switchPort,
      ...[gatewaysGroup, ...zones.map(switchesGroup)].map(groupRow),
    ],
    memberships,
  };
}
