import { isIP } from "node:net";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow } from "./desired.ts";
import { hubSet } from "./hub-sets.ts";
import { oneOf } from "./match.ts";
import { defaultTenant, managementPort, tenantToSwitch } from "./names.ts";
import { nodeAddressSet } from "./node-addresses.ts";
import { nodeOwner } from "./node-owner.ts";
import { type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterPolicy } from "./router-policies.ts";
import { policyRow } from "./router-rows.ts";
import type { HubTenancy } from "./tenancy.ts";

/**
 * A pod's way to NodePorts of other nodes: out by its own node's gateway and over the underlay, as a client from
 * outside comes. Over the other node's management port, where pods meet nodes otherwise, it would pass no load
 * balancer: a switch's load balancers act on what its own ports send.
 */
export function nodePortPolicies(
  network: NetworkConfig,
  { name, block, addresses }: NodeTopology,
  hub?: HubTenancy,
): Bundle {
  const owner = nodeOwner(name);
  const { first, last } = network.services.nodePorts;
  const ports = ["tcp", "udp", "sctp"].map((protocol) => `${first} <= ${protocol}.dst <= ${last}`).join(" || ");
  // Only what the node's own pods send passes the router on this chassis; elsewhere these would be flows for nothing,
  // as many as there are pairs of nodes.
  const fromHere = `is_chassis_resident("${managementPort(name)}") && inport == "${tenantToSwitch(defaultTenant, name)}"`;
  const rows = nodeFamilies(network, block).flatMap(({ family, gatewayOnJoin }): DesiredRow[] => {
    const own = addresses.filter((address) => isIP(address) === family);
    if (own.length === 0) return [];
    const destination = `ip${family}.dst`;
    // Of subnets, the same by source: what they send comes in by other ports.
    const subnets = `is_chassis_resident("${managementPort(name)}") && ip${family}.src == {$${hubSet("tenants", family).name}, $${hubSet("overlays", family).name}}`;
    const ofSubnets: DesiredRow[] =
      hub === undefined
        ? []
        : [
            policyRow(owner, `nodeport.subnets.own.ipv${family}`, {
              priority: 1401,
              match: `${subnets} && ${destination} == ${oneOf(own)}`,
              action: "allow",
            }),
            policyRow(owner, `nodeport.subnets.ipv${family}`, {
              priority: 1400,
              match: `${subnets} && ${destination} == $${nodeAddressSet(family)} && (${ports})`,
              action: "reroute",
              nextHops: [gatewayOnJoin],
            }),
          ];
    return [
      ...ofSubnets,
      // An address of its own is balanced on the switch; what isn't balanced is for the node itself.
      desiredRow("Logical_Router_Policy", owner, `nodeport.own.ipv${family}`, {
        priority: 1401,
        match: `${fromHere} && ${destination} == ${oneOf(own)}`,
        action: "allow",
      }),
      desiredRow("Logical_Router_Policy", owner, `nodeport.ipv${family}`, {
        priority: 1400,
        match: `${fromHere} && ${destination} == $${nodeAddressSet(family)} && (${ports})`,
        action: "reroute",
        nexthops: [gatewayOnJoin],
      }),
    ];
  });
  return { rows, memberships: rows.map(tenantRouterPolicy) };
}
