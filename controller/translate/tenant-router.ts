import { formatAddress } from "../ipam/address.ts";
import { joinAddress } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, Membership } from "./desired.ts";
import { hubBundle } from "./hub.ts";
import { gatewaysGroup, groupRow } from "./load-balancer-groups.ts";
import { defaultTenant, joinSwitch, joinToTenant, tenantToJoin } from "./names.ts";
import { nodeAddressSets } from "./node-addresses.ts";
import { macOnJoin, tenantJoinOffset } from "./node-topology.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { policyInfrastructure } from "./policy-infrastructure.ts";
import { bands, type PolicyLayout } from "./policy-layout.ts";
import { tenantRouterPolicy, tenantRouterUuid } from "./router-policies.ts";
import type { HubTenancy } from "./tenancy.ts";
import { tenantOwner } from "./tenant-owner.ts";

export { tenantRouterUuid } from "./router-policies.ts";
export { tenantOwner } from "./tenant-owner.ts";

/** The switch between the tenant's router and the nodes' gateway routers. */
export const joinSwitchUuid = rowUuid("Logical_Switch", ownerText(tenantOwner, "join"));

/**
 * The tenant router and the join switch with the link between them, the load balancer group of all gateways, and what policies
 * stand on; and once there are subnets, what these have in common.
 */
export function tenantBundle(network: NetworkConfig, layout: PolicyLayout = bands, hub?: HubTenancy): Bundle {
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
  // Balanced addresses never come here: what does is of no service, or of one whose endpoints are on other nodes only.
  const leftovers = network.services.cidrs.map(({ family, text }) =>
    desiredRow("Logical_Router_Policy", tenantOwner, `services.ipv${family}`, {
      priority: 1500,
      match: `ip${family}.dst == ${text}`,
      action: "drop",
    }),
  );
  const policies = policyInfrastructure(layout);
  const subnets = hub === undefined ? undefined : hubBundle(network, hub, layout);
  const memberships: Membership[] = [
    ...policies.memberships,
    ...(subnets?.memberships ?? []),
    ...leftovers.map(tenantRouterPolicy),
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
      ...leftovers,
      ...nodeAddressSets(network),
      groupRow(gatewaysGroup),
      ...policies.rows,
      ...(subnets?.rows ?? []),
    ],
    memberships,
  };
}
