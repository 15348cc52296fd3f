import { cidrOf, contains, type Family, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { hubPriorities, tenantPriorities } from "./hub-priorities.ts";
import { type NamedSet, namedSet, setKey, setMember, setRow, tenantSet } from "./hub-sets.ts";
import { hubToTenant } from "./names.ts";
import { desiredRow } from "./owner.ts";
import { infrastructurePriorities, lastPriorities, type PolicyLayout } from "./policy-layout.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { members, policyRow, routerUuidOf } from "./router-rows.ts";
import { tenantGroup } from "./subnet-groups.ts";
import type { HubTenancy, SharedEndpoints, TenantTopology } from "./tenancy.ts";

/** Endpoints in the cluster's own networks and in those of tenants; others are reached as the world outside is. */
function isInside({ families, infrastructure }: NetworkConfig, hub: HubTenancy | undefined, text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) return false;
  const overlays = (hub?.overlays ?? []).flatMap(({ cidr }) => {
    const parsed = parseAddressWithPrefix(cidr);
    return parsed === undefined ? [] : [cidrOf(parsed, parsed.prefixLength)];
  });
  const inside = [...families.map(({ cluster }) => cluster), ...infrastructure, ...overlays];
  return inside.some((network) => contains(network, address));
}

const partOf = ({ service, protocol, port, family }: SharedEndpoints): string =>
  `shared.${service}.${protocol}.${port}.ipv${family}`;

function endpointsSet(owner: Owner, tenant: string, endpoints: SharedEndpoints): NamedSet {
  const part = partOf(endpoints);
  return namedSet(owner, part, setKey("Shared", `${tenant} ${part}`));
}

/** All addresses of a family that a tenant may reach of others. */
function allSet(owner: Owner, tenant: string, family: Family): NamedSet {
  return namedSet(owner, `shared.ipv${family}`, `${setKey("Tenant", tenant)}.shared.ipv${family}`);
}

/**
 * What a tenant may reach of others: the endpoints' addresses and ports, and what these answer. To what the default tenant's
 * router lets through, the tenant's own switches add that endpoints answer only: a new connection from an endpoint's port is
 * dropped there.
 */
export function sharedServicesBundle(
  network: NetworkConfig,
  layout: PolicyLayout,
  owner: Owner,
  { name: tenant, services }: Pick<TenantTopology, "name" | "services">,
  nextHops: Readonly<Partial<Record<Family, string>>>,
  hub: HubTenancy | undefined,
): Bundle {
  const sets: DesiredRow[] = [];
  const atHub: DesiredRow[] = [];
  const atTenant: DesiredRow[] = [];
  const memberships: Membership[] = [];
  const used = new Map<Family, Set<string>>();
  for (const endpoints of services) {
    const { family, protocol, port, addresses } = endpoints;
    const nextHop = nextHops[family];
    if (addresses.length === 0 || nextHop === undefined) continue;
    const set = endpointsSet(owner, tenant, endpoints);
    const part = partOf(endpoints);
    sets.push(setRow(set));
    for (const address of new Set(addresses)) memberships.push(setMember(set, address));
    const all = used.get(family) ?? new Set<string>();
    for (const address of addresses) all.add(address);
    used.set(family, all);
    const ip = `ip${family}`;
    atTenant.push(
      policyRow(owner, `${part}.ask`, {
        priority: tenantPriorities.inside,
        match: `${ip}.src == $${tenantSet(tenant, "sources", family).name} && ${ip}.dst == $${set.name} && ${protocol}.dst == ${port}`,
        action: "reroute",
        nextHops: [nextHop],
      }),
    );
    // What is outside leaves as everything that does, by the gateway of the pod's node.
    if (!addresses.some((address) => isInside(network, hub, address))) continue;
    const priority = hubPriorities.shared;
    const link = hubToTenant(tenant);
    atHub.push(
      policyRow(owner, `${part}.to`, {
        priority,
        match: `inport == "${link}" && ${ip}.dst == $${set.name} && ${protocol}.dst == ${port}`,
        action: "allow",
      }),
      policyRow(owner, `${part}.from`, {
        priority,
        match: `outport == "${link}" && ${ip}.src == $${set.name} && ${protocol}.src == ${port}`,
        action: "allow",
      }),
    );
  }
  const acls = [...used].flatMap(([family, addresses]): DesiredRow[] => {
    const set = allSet(owner, tenant, family);
    sets.push(setRow(set));
    for (const address of addresses) memberships.push(setMember(set, address));
    return [
      desiredRow("ACL", owner, `shared.ask.ipv${family}`, {
        direction: "from-lport",
        priority: lastPriorities.shared,
        match: `ip${family}.dst == $${set.name}`,
        // Of those who were asked by an address of their own too the answers are known.
        action: "allow-related",
        options: { "apply-after-lb": "true" },
        ...(layout.tier.Baseline === undefined ? {} : { tier: layout.tier.Baseline }),
      }),
      desiredRow("ACL", owner, `shared.answer.ipv${family}`, {
        direction: "to-lport",
        priority: infrastructurePriorities.sharedAnswers,
        match: `ip${family}.src == $${set.name}`,
        action: "drop",
      }),
    ];
  });
  return {
    rows: [...sets, ...atTenant, ...atHub, ...acls],
    memberships: [
      ...memberships,
      ...members("Logical_Router", routerUuidOf(tenant), "policies", atTenant),
      ...members("Logical_Router", tenantRouterUuid, "policies", atHub),
      ...members("Port_Group", tenantGroup(tenant).uuid, "acls", acls),
    ],
  };
}
