import { routerOffset } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle } from "./desired.ts";
import { groupRow, nodeSwitchGroup, switchesGroup } from "./load-balancer-groups.ts";
import { defaultTenant, nodeSwitch, switchToTenant, tenantToSwitch } from "./names.ts";
import { nodeOwner } from "./node-owner.ts";
import { macInBlock, type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { ownNodeAcl, serviceGuardAcls } from "./pod-switch-acls.ts";
import { switchAcls } from "./policy-infrastructure.ts";
import type { PolicyLayout } from "./policy-layout.ts";
import { tenantRouterUuid } from "./tenant-router.ts";

export { nodeOwner } from "./node-owner.ts";

/** The switch on which a node's pods and its management port are. */
export function nodeSwitchUuid(name: string): string {
  return rowUuid("Logical_Switch", ownerText(nodeOwner(name), "switch"));
}

/**
 * The node's switch and its link to the tenant router. `other_config:subnet` stays unset: addresses are given here, and
 * northd's own allocator would only cost it a bitmap per switch and a look at every port.
 */
export function nodeSwitchBundle(network: NetworkConfig, topology: NodeTopology, layout: PolicyLayout): Bundle {
  const { name, block, zone } = topology;
  const owner = nodeOwner(name);
  const row = desiredRow("Logical_Switch", owner, "switch", { name: nodeSwitch(name) });
  const routerPort = desiredRow("Logical_Router_Port", owner, "switch", {
    name: tenantToSwitch(defaultTenant, name),
    mac: macInBlock(network, block, routerOffset),
    networks: nodeFamilies(network, block).map(({ router, blockPrefixLength }) => `${router}/${blockPrefixLength}`),
  });
  const switchPort = desiredRow("Logical_Switch_Port", owner, "router", {
    name: switchToTenant(defaultTenant, name),
    type: "router",
    addresses: ["router"],
    options: { "router-port": tenantToSwitch(defaultTenant, name) },
  });
  const group = nodeSwitchGroup(name);
  const acls = [
    ...serviceGuardAcls(network, owner),
    ownNodeAcl(network, topology, owner),
    ...switchAcls(network, owner, layout),
  ];
  return {
    rows: [row, routerPort, switchPort, groupRow(group), ...acls],
    memberships: [
      { table: "Logical_Router", row: tenantRouterUuid, column: "ports", member: routerPort.uuid },
      { table: "Logical_Switch", row: row.uuid, column: "ports", member: switchPort.uuid },
      ...[switchesGroup(zone), group].map(({ uuid }) => ({
        table: "Logical_Switch" as const,
        row: row.uuid,
        column: "load_balancer_group",
        member: uuid,
      })),
      ...acls.map(({ uuid }) => ({
        table: "Logical_Switch" as const,
        row: row.uuid,
        column: "acls",
        member: uuid,
      })),
    ],
  };
}
