import { type Family, formatAddress } from "../ipam/address.ts";
import { joinAddress } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Membership } from "./desired.ts";
import { hubPriorities } from "./hub-priorities.ts";
import { hubSet, hubSetRows, setMember } from "./hub-sets.ts";
import { defaultTenant, managementPort, tenantToJoin } from "./names.ts";
import { nodeAddressSet } from "./node-addresses.ts";
import { nodeOwner } from "./node-owner.ts";
import { type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { hubPolicyRoutes, ownRoutes } from "./own-routes.ts";
import { desiredRow } from "./owner.ts";
import { ownNodeAclOnSharedSwitches, serviceGuardAcls } from "./pod-switch-acls.ts";
import { switchAcls } from "./policy-infrastructure.ts";
import type { PolicyLayout } from "./policy-layout.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { anywhere, members, policyRow, routeRow } from "./router-rows.ts";
import { subnetsGroup } from "./subnet-groups.ts";
import type { HubTenancy } from "./tenancy.ts";
import { tenantOwner } from "./tenant-owner.ts";

/**
 * Who may speak to whom over the default tenant's router. By address: what tenants send comes from infrastructure addresses (or
 * from networks that are nobody else's), and their own routers see to that.
 */
function policiesOf({ families }: NetworkConfig): readonly DesiredRow[] {
  return families.flatMap(({ family, join }): DesiredRow[] => {
    const ip = `ip${family}`;
    const set = (name: Parameters<typeof hubSet>[0]): string => `$${hubSet(name, family).name}`;
    const nodes = `$${nodeAddressSet(family)}, ${set("management")}, ${join.text}`;
    const row = (part: string, priority: number, action: "allow" | "drop", match: string): DesiredRow =>
      policyRow(tenantOwner, `hub.${part}.ipv${family}`, { priority, match, action });
    return [
      row("own", hubPriorities.own, "allow", `${ip}.src == ${set("own")} && ${ip}.dst == ${set("own")}`),
      row(
        "nodes.to",
        hubPriorities.nodes,
        "allow",
        `${ip}.src == {${set("tenants")}, ${set("own")}} && ${ip}.dst == {${nodes}}`,
      ),
      row("nodes.from", hubPriorities.nodes, "allow", `${ip}.dst == ${set("tenants")} && ${ip}.src == {${nodes}}`),
      row(
        "gateways",
        hubPriorities.gateways,
        "allow",
        `inport == "${tenantToJoin(defaultTenant)}" && ${ip}.dst == ${set("tenants")}`,
      ),
      row(
        "isolated.from",
        hubPriorities.isolated,
        "drop",
        `${ip}.src == ${set("tenants")} && ${ip}.dst == {${set("tenants")}, ${set("own")}}`,
      ),
      row("isolated.to", hubPriorities.isolated, "drop", `${ip}.dst == ${set("tenants")}`),
      row("last", hubPriorities.last, "drop", `${ip}.src == ${set("tenants")}`),
    ];
  });
}

/** A policy decides about packets only that some route leads somewhere; where this one leads there is nobody. */
function nowhere({ families }: NetworkConfig): readonly DesiredRow[] {
  return families.map((family) =>
    routeRow(tenantOwner, `hub.nowhere.ipv${family.family}`, {
      destination: anywhere[family.family],
      nextHop: formatAddress(joinAddress(family, 0)),
      port: tenantToJoin(defaultTenant),
    }),
  );
}

/** What the default tenant's router has once there are subnets, and what their switches have in common. */
export function hubBundle(network: NetworkConfig, hub: HubTenancy, layout: PolicyLayout): Bundle {
  const { routes: given = [], policyRoutes = [] } = hub.own ?? {};
  const policies = [...policiesOf(network), ...hubPolicyRoutes(network, tenantOwner, policyRoutes)];
  const routes = [
    ...nowhere(network).filter(({ columns }) => !given.some(({ destination }) => destination === columns.ip_prefix)),
    ...ownRoutes(tenantOwner, given),
  ];
  // Of the same owner, with parts of their own: what pods of policies have in common is called as these are.
  const owner = { kind: tenantOwner.kind, key: `${tenantOwner.key}#subnets` };
  const acls = [...serviceGuardAcls(network, owner), ...switchAcls(network, owner, layout, network.infrastructure)];
  const isOverlay = ({ cidr }: { readonly cidr: string }): boolean =>
    hub.overlays.some((overlay) => overlay.cidr === cidr);
  const memberships: Membership[] = [
    ...network.families.map(({ family, cluster }) => setMember(hubSet("own", family), cluster.text)),
    ...network.infrastructure.map(({ family, text }) => setMember(hubSet("tenants", family), text)),
    ...hub.overlays.flatMap(({ family, cidr }) => [
      setMember(hubSet("own", family), cidr),
      setMember(hubSet("overlays", family), cidr),
    ]),
    ...hub.routed
      .filter((routed) => !isOverlay(routed))
      .map(({ family, cidr }) => setMember(hubSet("tenants", family), cidr)),
  ];
  return {
    rows: [
      ...hubSetRows(network),
      ...policies,
      ...routes,
      desiredRow("Port_Group", tenantOwner, "subnets", { name: subnetsGroup.name }),
      ...acls,
    ],
    memberships: [
      ...memberships,
      ...members("Logical_Router", tenantRouterUuid, "policies", policies),
      ...members("Logical_Router", tenantRouterUuid, "static_routes", routes),
      ...members("Port_Group", subnetsGroup.uuid, "acls", acls),
    ],
  };
}

/** What is the nodes' own part of that: their management ports' addresses, and that a node reaches its own pods. */
export function nodeInHub(network: NetworkConfig, topology: NodeTopology): Bundle {
  const families = nodeFamilies(network, topology.block);
  const acl = ownNodeAclOnSharedSwitches(network, topology, nodeOwner(topology.name));
  return {
    rows: [acl],
    memberships: [
      ...families.map(({ family, management }) => setMember(hubSet("management", family), management)),
      ...members("Port_Group", subnetsGroup.uuid, "acls", [acl]),
    ],
  };
}

/** What the node's pods send out of the cluster leaves by its gateway, from whichever subnet. */
export function nodeEgressPolicies(network: NetworkConfig, { name, block }: NodeTopology): Bundle {
  const rows = nodeFamilies(network, block).map(({ family, gatewayOnJoin }) =>
    policyRow(nodeOwner(name), `egress.ipv${family}`, {
      priority: hubPriorities.egress,
      match: `is_chassis_resident("${managementPort(name)}") && ip${family}.src == $${hubSet("egress", family).name}`,
      action: "reroute",
      nextHops: [gatewayOnJoin],
    }),
  );
  return { rows, memberships: members("Logical_Router", tenantRouterUuid, "policies", rows) };
}

/** A network of pods, as gateways see it. */
export interface GatewayNetwork {
  readonly family: Family;
  readonly cidr: string;
  /** Whether what comes from it gets the node's address. */
  readonly translated: boolean;
}

/** What gateways have to know besides nodes' blocks: infrastructure addresses, and subnets whose own addresses come to them. */
export function gatewayNetworks({ infrastructure }: NetworkConfig, hub: HubTenancy): readonly GatewayNetwork[] {
  const own = hub.infrastructure ? infrastructure : [];
  const overlays = hub.overlays.filter(({ egress }) => egress === "Node");
  return [
    ...own.map(({ family, text }) => ({ family, cidr: text, translated: true })),
    ...overlays.map(({ family, cidr }) => ({ family, cidr, translated: true })),
    ...hub.routed.map(({ family, cidr }) => ({ family, cidr, translated: false })),
  ];
}

/** What a node reaches by its management port, beside the cluster's own networks. */
export function subnetsOfNodes({ infrastructure }: NetworkConfig, hub: HubTenancy | undefined): readonly string[] {
  if (hub === undefined) return [];
  const networks = [
    ...(hub.infrastructure ? infrastructure.map(({ text }) => text) : []),
    ...hub.overlays.map(({ cidr }) => cidr),
    ...hub.routed.map(({ cidr }) => cidr),
  ];
  return [...new Set(networks)];
}
