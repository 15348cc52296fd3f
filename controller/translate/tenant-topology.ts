import { cidrOf, contains, type Family, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { tenantPriorities } from "./hub-priorities.ts";
import { hubSet, setMember, tenantSet, tenantSetRows } from "./hub-sets.ts";
import { oneOf } from "./match.ts";
import { defaultTenant, tenantToHub, tenantToPeer } from "./names.ts";
import { nodeAddressSet } from "./node-addresses.ts";
import { matchOf, ownRoutes } from "./own-routes.ts";
import { desiredRow } from "./owner.ts";
import { peeringBundle } from "./peering.ts";
import { bands, type PolicyLayout } from "./policy-layout.ts";
import {
  anywhere,
  members,
  type PolicyInput,
  policyRow,
  routeRow,
  routerUuidOf,
  tenantOwnerOf,
} from "./router-rows.ts";
import { sharedServicesBundle } from "./shared-services.ts";
import { tenantGroup } from "./subnet-groups.ts";
import type { HubTenancy, TenantTopology } from "./tenancy.ts";
import { tenantLink, tenantLinkBundle } from "./tenant-link.ts";

type NextHops = Readonly<Partial<Record<Family, string>>>;

const familyOf = (text: string): Family => (text.includes(":") ? 6 : 4);

/** To the default tenant's router goes everything but what the tenant routes elsewhere; the cluster's own networks go there at any rate. */
function routesToHub(
  { families, infrastructure }: NetworkConfig,
  owner: Owner,
  tenant: TenantTopology,
  nextHops: NextHops,
): DesiredRow[] {
  const own = new Set(tenant.routes.map(({ destination }) => destination));
  const destinations = [
    ...families.map(({ family }) => anywhere[family]).filter((destination) => !own.has(destination)),
    ...infrastructure.map(({ text }) => text),
    ...families.flatMap(({ cluster, join }) => [cluster.text, join.text]),
  ];
  const port = tenantToHub(tenant.name);
  return destinations.flatMap((destination) => {
    const nextHop = nextHops[familyOf(destination)];
    return nextHop === undefined ? [] : routeRow(owner, `up.${destination}`, { destination, nextHop, port });
  });
}

/** What may leave the tenant's router towards the default one's: from its own sources, and of those not what may not leave the cluster. */
function exitChecks({ families }: NetworkConfig, tenant: string): readonly (PolicyInput & { readonly part: string })[] {
  const up = `outport == "${tenantToHub(tenant)}"`;
  const perFamily = families.flatMap(({ family }) => {
    const from = (set: "closed" | "sources"): string => `ip${family}.src == $${tenantSet(tenant, set, family).name}`;
    return [
      { part: `closed.ipv${family}`, priority: 3, match: `${up} && ${from("closed")}`, action: "drop" },
      { part: `sources.ipv${family}`, priority: 2, match: `${up} && ${from("sources")}`, action: "allow" },
    ] as const;
  });
  return [...perFamily, { part: "rest", priority: 1, match: up, action: "drop" }];
}

/** Between a tenant and `default` that are peers its own addresses are good for the other's networks. */
function toPeerDefault({ families }: NetworkConfig, owner: Owner, tenant: TenantTopology): DesiredRow[] {
  if (!tenant.peers.some(({ name }) => name === defaultTenant)) return [];
  return families.flatMap(({ family }) => {
    const networks = tenant.networks.filter((network) => network.family === family).map(({ cidr }) => cidr);
    if (networks.length === 0) return [];
    return policyRow(owner, `peer.exit.ipv${family}`, {
      priority: tenantPriorities.inside,
      match: `outport == "${tenantToHub(tenant.name)}" && ip${family}.src == ${oneOf([...new Set(networks)])} && ip${family}.dst == $${hubSet("own", family).name}`,
      action: "allow",
    });
  });
}

/** What leads to who is in the tenant's subnets; by other next hops packets would pass the checks on what leaves. */
function withinTenant<T extends { readonly nextHops: readonly string[] }>(
  { networks }: TenantTopology,
  routes: readonly T[],
): readonly T[] {
  const cidrs = networks.flatMap(({ cidr }) => {
    const parsed = parseAddressWithPrefix(cidr);
    return parsed === undefined ? [] : [cidrOf(parsed, parsed.prefixLength)];
  });
  const isOwn = (hop: string): boolean => {
    const address = parseAddress(hop);
    return address !== undefined && cidrs.some((cidr) => contains(cidr, address));
  };
  return routes.map((route) => ({ ...route, nextHops: route.nextHops.filter(isOwn) }));
}

/**
 * The tenant's own policy routes. What one allows is freed of those below it, and not of what holds for all that leaves: so it
 * comes with checks of its own.
 */
function ownPolicies(network: NetworkConfig, owner: Owner, tenant: TenantTopology): DesiredRow[] {
  return withinTenant(tenant, tenant.policyRoutes).flatMap((route, position): DesiredRow[] => {
    const base = tenantPriorities.own + 10 * route.priority;
    const match = matchOf(route) ?? "ip";
    const part = `policy.${position}`;
    if (route.action !== "allow") {
      const { action, nextHops } = route;
      if (action === "drop" || nextHops.length === 0)
        return [policyRow(owner, part, { priority: base, match, action: "drop" })];
      return [policyRow(owner, part, { priority: base, match, action, nextHops })];
    }
    const checks = exitChecks(network, tenant.name).map((check) =>
      policyRow(owner, `${part}.${check.part}`, {
        ...check,
        priority: base + check.priority,
        match: `(${match}) && ${check.match}`,
      }),
    );
    return [...checks, policyRow(owner, part, { priority: base, match, action: "allow" })];
  });
}

function policiesOf(
  network: NetworkConfig,
  owner: Owner,
  tenant: TenantTopology,
  nextHops: NextHops,
): readonly DesiredRow[] {
  const { families } = network;
  const peers = tenant.peers
    .map(({ name }) => name)
    .filter((name) => name !== defaultTenant)
    .map((peer) => `"${tenantToPeer(tenant.name, peer)}"`);
  const transit =
    peers.length === 0
      ? []
      : [
          policyRow(owner, "transit", {
            priority: tenantPriorities.transit,
            match: `inport == ${oneOf(peers)} && outport == ${oneOf([`"${tenantToHub(tenant.name)}"`, ...peers])}`,
            action: "drop",
          }),
        ];
  const toNodes = families.flatMap(({ family, join }) => {
    const nextHop = nextHops[family];
    if (nextHop === undefined) return [];
    const nodes = `{$${nodeAddressSet(family)}, $${hubSet("management", family).name}, ${join.text}}`;
    return policyRow(owner, `nodes.ipv${family}`, {
      priority: tenantPriorities.inside,
      match: `ip${family}.src == $${tenantSet(tenant.name, "sources", family).name} && ip${family}.dst == ${nodes}`,
      action: "reroute",
      nextHops: [nextHop],
    });
  });
  const checks = exitChecks(network, tenant.name).map((check) =>
    policyRow(owner, `exit.${check.part}`, { ...check, priority: tenantPriorities.exit + check.priority }),
  );
  return [
    ...transit,
    ...toNodes,
    ...toPeerDefault(network, owner, tenant),
    ...ownPolicies(network, owner, tenant),
    ...checks,
  ];
}

/**
 * A tenant's router, its link to the default tenant's, its routes and policies, its half of links to peers, and what it may
 * reach of others. Subnets' switches bring their own links, and what leaves of them into the tenant's sets. The tenant
 * `default` has none of this here: its router joins the others, and is `tenantBundle`'s.
 */
export function tenantTopologyBundle(
  network: NetworkConfig,
  layout: PolicyLayout = bands,
  tenant: TenantTopology,
  hub?: HubTenancy,
): Bundle {
  const owner = tenantOwnerOf(tenant.name);
  const router = routerUuidOf(tenant.name);
  if (tenant.number === undefined) return { rows: [], memberships: [] };
  const routes = ownRoutes(owner, withinTenant(tenant, tenant.routes));
  const nextHops = tenantLink(network, tenant.number).hub.addresses;
  const allRoutes = [...routesToHub(network, owner, tenant, nextHops), ...routes];
  const policies = policiesOf(network, owner, tenant, nextHops);
  const group = tenantGroup(tenant.name);
  const link = tenantLinkBundle(network, owner, tenant.name, tenant.number);
  const shared = sharedServicesBundle(network, layout, owner, tenant, nextHops, hub);
  const peers = peeringBundle(network, owner, tenant, tenant.number);
  const sources: Membership[] = network.infrastructure.map(({ family, text }) =>
    setMember(tenantSet(tenant.name, "sources", family), text),
  );
  return {
    rows: [
      desiredRow("Logical_Router", owner, "router", {
        name: tenant.name,
        options: { always_learn_from_arp_request: "false" },
      }),
      desiredRow("Port_Group", owner, "ports", { name: group.name }),
      ...tenantSetRows(network, tenant.name),
      ...link.rows,
      ...allRoutes,
      ...policies,
      ...shared.rows,
      ...peers.rows,
    ],
    memberships: [
      ...sources,
      ...link.memberships,
      ...members("Logical_Router", router, "static_routes", allRoutes),
      ...members("Logical_Router", router, "policies", policies),
      ...shared.memberships,
      ...peers.memberships,
    ],
  };
}
