import { infrastructureAddresses, routerNumber, sliceBits } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { dhcpOptionsRows, routerAdvertisements } from "./dhcp-options.ts";
import { egressParts, hasInfrastructure, slicesOf } from "./egress-modes.ts";
import { nodeSwitchGroup, switchesGroup } from "./load-balancer-groups.ts";
import { macOfText } from "./mac.ts";
import {
  defaultTenant,
  hubToTenant,
  subnetLocalnet,
  subnetSwitchKey,
  subnetSwitchName,
  subnetToTenant,
  tenantToSubnet,
} from "./names.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { infrastructurePriorities, type PolicyLayout } from "./policy-layout.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { members, routeRow, routerUuidOf } from "./router-rows.ts";
import { stormControlRow } from "./storm-control.ts";
import { subnetsGroup, tenantGroup } from "./subnet-groups.ts";
import type { SubnetSwitch } from "./tenancy.ts";
import { tenantLink } from "./tenant-link.ts";

type SwitchIdentity = Pick<SubnetSwitch, "subnet" | "node">;

/** `Subnet/<name>` of a flat one, `Subnet/<name>@<node>` of a node's. */
export function subnetSwitchOwner({ subnet, node }: SwitchIdentity): Owner {
  return { kind: "Subnet", key: subnetSwitchKey(subnet, node) };
}

export function subnetSwitchUuid(on: SwitchIdentity): string {
  return rowUuid("Logical_Switch", ownerText(subnetSwitchOwner(on), "switch"));
}

/** The router's port's, which stays while slices come and go; in an underlay no other may have it, of whichever cluster. */
export function subnetRouterMac(on: SwitchIdentity): string {
  return macOfText(ownerText(subnetSwitchOwner(on), "router"));
}

/** Gateways of our own, and in each slice the router's address. */
function routerNetworks(
  { infrastructure }: NetworkConfig,
  { mode, networks, slices }: SubnetSwitch,
): readonly string[] {
  const gateways = mode === "Underlay" ? [] : networks.map(({ gateway, prefixLength }) => `${gateway}/${prefixLength}`);
  const inSlices = slices.flatMap((slice) =>
    infrastructureAddresses(infrastructure, routerNumber(slice)).map(
      (address) => `${address}/${(address.includes(":") ? 128 : 32) - sliceBits}`,
    ),
  );
  return [...gateways, ...inSlices].toSorted();
}

/** The link between the tenant's router and the switch; none while there is no address that the router could have. */
function routerLink(network: NetworkConfig, owner: Owner, on: SubnetSwitch): Bundle {
  const networks = routerNetworks(network, on);
  if (networks.length === 0) return { rows: [], memberships: [] };
  const key = subnetSwitchKey(on.subnet, on.node);
  const name = tenantToSubnet(on.tenant, key);
  const advertisements = routerAdvertisements(on);
  const routerPort = desiredRow("Logical_Router_Port", owner, "router", {
    name,
    mac: subnetRouterMac(on),
    networks,
    ipv6_ra_configs: advertisements,
  });
  const switchPort = desiredRow("Logical_Switch_Port", owner, "router", {
    name: subnetToTenant(on.tenant, key),
    type: "router",
    addresses: ["router"],
    options: { "router-port": name },
  });
  return {
    rows: [routerPort, switchPort],
    memberships: [
      ...members("Logical_Router", routerUuidOf(on.tenant), "ports", [routerPort]),
      ...members("Logical_Switch", subnetSwitchUuid(on), "ports", [switchPort]),
      ...(on.mode === "Underlay" ? [] : inGroups(on.tenant, switchPort)),
    ],
  };
}

/** A port of the switch in the groups whose ACLs are to hold on it. */
function inGroups(tenant: string, port: DesiredRow): readonly Membership[] {
  const groups = tenant === defaultTenant ? [subnetsGroup] : [subnetsGroup, tenantGroup(tenant)];
  return groups.flatMap(({ uuid }) => members("Port_Group", uuid, "ports", [port]));
}

/** The port through which an underlay's pods and the physical network are one. */
function localnet(owner: Owner, on: SubnetSwitch): Bundle {
  if (on.mode !== "Underlay" || on.physicalNetwork === undefined) return { rows: [], memberships: [] };
  const port = desiredRow("Logical_Switch_Port", owner, "localnet", {
    name: subnetLocalnet(subnetSwitchKey(on.subnet, on.node)),
    type: "localnet",
    addresses: ["unknown"],
    options: { network_name: on.physicalNetwork },
    tag: on.vlan,
  });
  // The router is there for pods. A host of the physical network would be led by it to whoever is in the cluster, as whomever it
  // says it is: a node's word opens every pod.
  const guard = desiredRow("ACL", owner, "localnet", {
    direction: "from-lport",
    priority: infrastructurePriorities.physical,
    match: `inport == ${JSON.stringify(port.columns.name)} && eth.dst == ${subnetRouterMac(on)}`,
    action: "drop",
  });
  return {
    rows: [port, guard],
    memberships: [
      ...members("Logical_Switch", subnetSwitchUuid(on), "ports", [port]),
      ...members("Logical_Switch", subnetSwitchUuid(on), "acls", [guard]),
      ...inGroups(on.tenant, port),
    ],
  };
}

/** How the default tenant's router finds the pods: by their infrastructure addresses, and by their own where those leave as they are. */
function routesFromHub(network: NetworkConfig, owner: Owner, on: SubnetSwitch): readonly DesiredRow[] {
  if (on.tenantNumber === undefined) return [];
  const nextHops = tenantLink(network, on.tenantNumber).tenant.addresses;
  const port = hubToTenant(on.tenant);
  const own = on.egress === "Routed" && on.mode !== "Underlay" ? on.networks : [];
  return [...slicesOf(network, on), ...own].flatMap(({ family, cidr }) => {
    const nextHop = nextHops[family];
    return nextHop === undefined ? [] : routeRow(owner, `in.${cidr}`, { destination: cidr, nextHop, port });
  });
}

/**
 * A subnet's switch, or a node's part of it: its link to the tenant's router, the routes to its pods, its way out, storm control
 * and DHCP. ACLs stand on the groups that it is in. Load balancers are those of the node's own switch; of a switch over all
 * nodes, those of nodes without zone.
 */
export function subnetSwitchBundle(network: NetworkConfig, _layout: PolicyLayout, on: SubnetSwitch): Bundle {
  const owner = subnetSwitchOwner(on);
  const { tenant, node, subnet } = on;
  const row = desiredRow("Logical_Switch", owner, "switch", {
    name: subnetSwitchName(subnetSwitchKey(subnet, node)),
  });
  const storm = stormControlRow(owner, on.stormKbps);
  const egress = egressParts(network, owner, on);
  const routes = hasInfrastructure(on) ? routesFromHub(network, owner, on) : [];
  const link = routerLink(network, owner, on);
  const physical = localnet(owner, on);
  const dhcp = dhcpOptionsRows(owner, on, subnetRouterMac(on));
  const groups = node === undefined ? [switchesGroup("")] : [switchesGroup(on.zone ?? ""), nodeSwitchGroup(node)];
  return {
    rows: [row, ...link.rows, ...physical.rows, ...routes, ...egress.policies, storm, ...dhcp],
    memberships: [
      ...link.memberships,
      ...physical.memberships,
      ...members("Logical_Switch", row.uuid, "qos_rules", [storm]),
      ...members("Logical_Switch", row.uuid, "load_balancer_group", groups),
      ...members("Logical_Router", tenantRouterUuid, "static_routes", routes),
      ...members("Logical_Router", routerUuidOf(tenant), "policies", egress.policies),
      ...egress.memberships,
    ],
  };
}
