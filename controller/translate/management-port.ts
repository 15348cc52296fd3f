import { isIP } from "node:net";
import { managementOffset } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow } from "./desired.ts";
import { defaultTenant, managementPort, tenantToSwitch } from "./names.ts";
import { nodeOwner } from "./node-owner.ts";
import { nodeSwitchUuid } from "./node-switch.ts";
import { macInBlock, type NodeFamily, type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterUuid } from "./tenant-router.ts";

/** The hardware address of a node's management port. */
export function managementMac(network: NetworkConfig, block: number): string {
  return macInBlock(network, block, managementOffset);
}

/** Pods reach the node at its own address over the management port of that node, without NAT. */
function nodeRoute(address: string, name: string, families: readonly NodeFamily[]): DesiredRow[] {
  const family = families.find((candidate) => candidate.family === isIP(address));
  if (family === undefined) return [];
  return [
    desiredRow("Logical_Router_Static_Route", nodeOwner(name), `address.${address}`, {
      ip_prefix: `${address}/${family.family === 4 ? 32 : 128}`,
      nexthop: family.management,
      policy: "dst-ip",
      output_port: tenantToSwitch(defaultTenant, name),
    }),
  ];
}

/**
 * The port through which node and pods meet, and the routes to the node's addresses over it. There is no port security:
 * the node answers pods from all of its addresses.
 */
export function managementPortBundle(network: NetworkConfig, topology: NodeTopology): Bundle {
  const { name, block, chassis } = topology;
  const families = nodeFamilies(network, block);
  const addresses = [managementMac(network, block), ...families.map(({ management }) => management)].join(" ");
  const port = desiredRow("Logical_Switch_Port", nodeOwner(name), "management", {
    name: managementPort(name),
    addresses: [addresses],
    options: chassis === undefined ? {} : { "requested-chassis": chassis.systemId },
  });
  const routes = topology.addresses.flatMap((address) => nodeRoute(address, name, families));
  return {
    rows: [port, ...routes],
    memberships: [
      { table: "Logical_Switch", row: nodeSwitchUuid(name), column: "ports", member: port.uuid },
      ...routes.map(({ uuid }) => ({
        table: "Logical_Router" as const,
        row: tenantRouterUuid,
        column: "static_routes",
        member: uuid,
      })),
    ],
  };
}
