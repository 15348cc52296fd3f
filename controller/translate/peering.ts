import { type Family, formatAddress } from "../ipam/address.ts";
import { sliceCidrs } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { hubPriorities } from "./hub-priorities.ts";
import { hubSet } from "./hub-sets.ts";
import { defaultTenant, hubToTenant, tenantToPeer } from "./names.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { members, policyRow, routeRow, routerUuidOf } from "./router-rows.ts";
import type { PeerTopology, TenantTopology } from "./tenancy.ts";
import { linkEnd, tenantLink } from "./tenant-link.ts";

/** Where links between tenants have their addresses: an end has that of the other tenant's number, so no two of a router are equal. */
const peerBase = { 4: 0xa9fe4000n, 6: 0xfd69_0000_0000_0000_0000_0000_0001_0000n } as const;
const bits = { 4: 32, 6: 128 } as const;

function peerAddress(family: Family, number: number): string {
  return formatAddress({ family, value: peerBase[family] + BigInt(number) });
}

/** This tenant's end of the link with another, and its routes there: to the other's networks and its pods' infrastructure addresses. */
function linkWith(network: NetworkConfig, owner: Owner, tenant: string, number: number, peer: PeerTopology): Bundle {
  if (peer.number === undefined) return { rows: [], memberships: [] };
  const port = tenantToPeer(tenant, peer.name);
  const end = desiredRow("Logical_Router_Port", owner, `peer.${peer.name}`, {
    name: port,
    peer: tenantToPeer(peer.name, tenant),
    mac: linkEnd(network, number).mac.replace(/^0a:5d/, "0a:5f"),
    networks: network.families.map(({ family }) => `${peerAddress(family, peer.number ?? 0)}/${bits[family]}`),
  });
  const destinations = [
    ...peer.networks.map(({ cidr }) => cidr),
    ...peer.slices.flatMap((slice) => sliceCidrs(network.infrastructure, slice)),
  ];
  // The other end has this tenant's number.
  const routes = [...new Set(destinations)].map((destination) =>
    routeRow(owner, `peer.${peer.name}.${destination}`, {
      destination,
      nextHop: peerAddress(destination.includes(":") ? 6 : 4, number),
      port,
    }),
  );
  const router = routerUuidOf(tenant);
  return {
    rows: [end, ...routes],
    memberships: [
      ...members("Logical_Router", router, "ports", [end]),
      ...members("Logical_Router", router, "static_routes", routes),
    ],
  };
}

/** With the tenant `default` the link is there; it is opened, and the tenant's own networks are found behind it. */
function openToDefault(network: NetworkConfig, owner: Owner, tenant: TenantTopology, number: number): Bundle {
  const link = hubToTenant(tenant.name);
  const ends = tenantLink(network, number);
  const policies: DesiredRow[] = network.families.flatMap(({ family }) => {
    const own = `$${hubSet("own", family).name}`;
    const allow = { priority: hubPriorities.shared, action: "allow" } as const;
    return [
      policyRow(owner, `peer.to.ipv${family}`, { ...allow, match: `inport == "${link}" && ip${family}.dst == ${own}` }),
      policyRow(owner, `peer.from.ipv${family}`, {
        ...allow,
        match: `outport == "${link}" && ip${family}.src == ${own}`,
      }),
    ];
  });
  const routes = tenant.networks.flatMap(({ family, cidr }) => {
    const nextHop = ends.tenant.addresses[family];
    if (nextHop === undefined) return [];
    return routeRow(owner, `peer.${cidr}`, { destination: cidr, nextHop, port: link });
  });
  return {
    rows: [...policies, ...routes],
    memberships: [
      ...members("Logical_Router", tenantRouterUuid, "policies", policies),
      ...members("Logical_Router", tenantRouterUuid, "static_routes", routes),
    ],
  };
}

/** What a tenant has of its own for its peers; each of two has its half. */
export function peeringBundle(network: NetworkConfig, owner: Owner, tenant: TenantTopology, number: number): Bundle {
  const parts = tenant.peers.map((peer) =>
    peer.name === defaultTenant
      ? openToDefault(network, owner, tenant, number)
      : linkWith(network, owner, tenant.name, number, peer),
  );
  return { rows: parts.flatMap(({ rows }) => rows), memberships: parts.flatMap(({ memberships }) => memberships) };
}
