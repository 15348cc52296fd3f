import { type Family, parseAddress } from "../ipam/address.ts";
import { mostTenants } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { hubSet } from "./hub-sets.ts";
import { oneOf } from "./match.ts";
import { defaultTenant } from "./names.ts";
import { outletPriorities, outletSwitchUuid } from "./outlet.ts";
import { nextHopOf, type OutletNetwork, type OutletNode } from "./outlet-network.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { anywhere, members, policyRow, routeRow } from "./router-rows.ts";
import { tenantLink } from "./tenant-link.ts";

/** How many nodes take turns: each of them watches, and is watched by, all nodes. */
const mostCandidates = 3;

export interface OutletRouter {
  readonly owner: Owner;
  /** Of the router; its ports' names begin with it. */
  readonly name: string;
  /** Tells its link to the default tenant's router from others of its kind. */
  readonly slot: number;
  readonly outlet: OutletNetwork;
  /** Its port's on the nodes' network, with prefix lengths. */
  readonly networks: readonly string[];
  readonly mac: string;
  /** Where it may be at work, the first choice first. */
  readonly candidates: readonly OutletNode[];
  /** Networks of pods to which it knows the way back, beside the cluster's. */
  readonly inside: readonly { readonly family: Family; readonly cidr: string }[];
  /** Whether tenants' pods are in the cluster: they are open to what comes in by it. */
  readonly tenants: boolean;
}

/** The uuid of an outlet router's row. */
export const outletRouterUuid = (owner: Owner): string => rowUuid("Logical_Router", ownerText(owner, "router"));

/** The next hop by which the default tenant's router sends to it. */
export function outletNextHop(network: NetworkConfig, slot: number, family: Family): string | undefined {
  return tenantLink(network, mostTenants + slot).tenant.addresses[family];
}

/**
 * The hardware address of a router that has this address on the nodes' network. The gateway bridges know these by their
 * beginning (0a:e6, and 0a:e7 for IPv6).
 */
export function outletMac(address: string): string {
  const parsed = parseAddress(address);
  const value = parsed?.value ?? 0n;
  const word = parsed?.family === 6 ? (value ^ (value >> 32n) ^ (value >> 64n) ^ (value >> 96n)) & 0xffff_ffffn : value;
  const bytes = [24n, 16n, 8n, 0n].map((shift) => ((word >> shift) & 255n).toString(16).padStart(2, "0"));
  return `0a:${parsed?.family === 6 ? "e7" : "e6"}:${bytes.join(":")}`;
}

/**
 * The nodes that take turns for an address, the first choice first: by a hash of both, so that addresses spread over nodes,
 * and a node that comes or goes moves no more of them than it has to.
 */
export function outletCandidates(key: string, nodes: readonly OutletNode[]): readonly OutletNode[] {
  const score = ({ name }: OutletNode): string => rowUuid("HA_Chassis", `${key} ${name}`);
  return nodes
    .map((node) => ({ node, score: score(node) }))
    .sort((one, other) => (one.score < other.score ? -1 : 1))
    .slice(0, mostCandidates)
    .map(({ node }) => node);
}

/**
 * A router of its own for addresses on the nodes' network: linked to the default tenant's router on one side, on the other with
 * a distributed gateway port on the switch of all nodes. The first of its candidates that lives is where its addresses are; OVN
 * moves it by itself, as fast as BFD tells that a node is dead.
 */
export function outletRouterBundle(network: NetworkConfig, router: OutletRouter): Bundle {
  const { owner, name, slot, outlet } = router;
  const link = tenantLink(network, mostTenants + slot);
  const [toHub, fromHub, toOutside] = [
    `${name}-to-${defaultTenant}`,
    `${defaultTenant}-to-${name}`,
    `${name}-to-external`,
  ];
  const row = desiredRow("Logical_Router", owner, "router", {
    name,
    options: { always_learn_from_arp_request: "false", dynamic_neigh_routers: "true" },
  });
  const hubPort = desiredRow("Logical_Router_Port", owner, "link.default", {
    name: fromHub,
    mac: link.hub.mac,
    networks: link.hub.networks,
    peer: toHub,
  });
  const ownPort = desiredRow("Logical_Router_Port", owner, "link", {
    name: toHub,
    mac: link.tenant.mac,
    networks: link.tenant.networks,
    peer: fromHub,
  });
  const outside = desiredRow("Logical_Router_Port", owner, "external", {
    name: toOutside,
    mac: router.mac,
    networks: [...router.networks].sort(),
    options: { gateway_mtu: String(network.mtuBytes) },
  });
  const switchPort = desiredRow("Logical_Switch_Port", owner, "external", {
    name: `external-to-${name}`,
    type: "router",
    addresses: ["router"],
    options: { "router-port": toOutside, "nat-addresses": "router" },
  });
  const chassis = router.candidates.map(({ name: node, systemId }, index) =>
    desiredRow("Gateway_Chassis", owner, `chassis.${node}`, {
      name: `${toOutside}-${systemId}`,
      chassis_name: systemId,
      priority: 10 * (mostCandidates - index),
    }),
  );
  const families = network.families.flatMap(({ family, cluster }) => {
    const [hub, own] = [link.hub.addresses[family], link.tenant.addresses[family]];
    return hub === undefined || own === undefined ? [] : [{ family, cluster: cluster.text, hub }];
  });
  // Of a family of which it has no address it knows no way at all.
  const served = families
    .filter(({ family }) => router.networks.some((text) => text.includes(":") === (family === 6)))
    .map(({ family, cluster, hub }) => {
      const infrastructure = network.infrastructure.filter((cidr) => cidr.family === family).map(({ text }) => text);
      const overlays = router.inside.filter((each) => each.family === family).map(({ cidr }) => cidr);
      return { family, hub, inside: [...new Set([cluster, ...infrastructure, ...overlays])] };
    });
  const routes = served.flatMap(({ family, hub, inside }): DesiredRow[] => {
    const nextHop = nextHopOf(outlet, family);
    return [
      ...(nextHop === undefined
        ? []
        : [routeRow(owner, `default.ipv${family}`, { destination: anywhere[family], nextHop, port: toOutside })]),
      ...inside.map((destination) =>
        routeRow(owner, `back.${destination}`, { destination, nextHop: hub, port: toHub }),
      ),
    ];
  });
  // It is there for what is translated, in or back. Whoever is on the nodes' network could else have it forward to any pod. What was
  // not even looked up is neither: OVN takes `!ct.dnat` for "tracked, and not translated".
  const guards = served.map(({ family, inside }) =>
    policyRow(owner, `closed.ipv${family}`, {
      priority: 1000,
      match: `inport == "${toOutside}" && ip${family}.dst == ${oneOf(inside)} && (!ct.trk || (!ct.dnat && !ct.snat))`,
      action: "drop",
    }),
  );
  const arrivals = router.tenants
    ? families.map(({ family }) =>
        policyRow(owner, `arrivals.ipv${family}`, {
          priority: outletPriorities.arrivals,
          match: `inport == "${fromHub}" && ip${family}.dst == $${hubSet("tenants", family).name}`,
          action: "allow",
        }),
      )
    : [];
  return {
    rows: [row, hubPort, ownPort, outside, switchPort, ...chassis, ...routes, ...guards, ...arrivals],
    memberships: [
      ...members("Logical_Router", tenantRouterUuid, "ports", [hubPort]),
      ...members("Logical_Router", row.uuid, "ports", [ownPort, outside]),
      ...members("Logical_Switch", outletSwitchUuid, "ports", [switchPort]),
      ...members("Logical_Router_Port", outside.uuid, "gateway_chassis", chassis),
      ...members("Logical_Router", row.uuid, "static_routes", routes),
      ...members("Logical_Router", row.uuid, "policies", guards),
      ...members("Logical_Router", tenantRouterUuid, "policies", arrivals),
    ],
    needs:
      arrivals.length === 0
        ? []
        : families.map(({ family }) => ({ table: "Address_Set", uuid: hubSet("tenants", family).uuid })),
  };
}
