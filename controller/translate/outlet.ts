import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { hairpinAddresses } from "./hairpin.ts";
import { type NamedSet, namedSet, setRow } from "./hub-sets.ts";
import { oneOf } from "./match.ts";
import { defaultTenant } from "./names.ts";
import { nodeAddressSet } from "./node-addresses.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { tenantRouterPolicy } from "./router-policies.ts";
import { policyRow } from "./router-rows.ts";

/**
 * Priorities of policies on the default tenant's router that lead out by other addresses than the node's; above what leaves by
 * the node's gateway, below what isolates tenants. A floating address comes first: answers to whom it was asked from have to
 * go back by it, also to nodes, whose own addresses are otherwise reached from within.
 */
export const outletPriorities = {
  /** Behind ways back to clients of services (1450), before the ways to nodes (1401). */
  floatingToNodes: 1405,
  /** What comes in by these routers, to pods of tenants. */
  arrivals: 1240,
  inside: 330,
  floating: 320,
  /** What endpoints answer to clients in the world that their Service shows them. */
  answers: 315,
  nodes: 310,
  egressIp: 300,
  subnet: 290,
} as const;

/** The switch that all nodes share, with a port to their physical network. */
export const outletSwitch = "external";
export const outletLocalnet = "external-localnet";

const owner: Owner = { kind: "Outlet", key: defaultTenant };

/** Owns what all routers with addresses of their own on the nodes' network have in common. */
export const outletOwner = owner;
export const outletSwitchUuid = rowUuid("Logical_Switch", ownerText(owner, "switch"));

/** The pods that have a floating address, as others in the cluster see them. */
export function floatingSet(family: Family): NamedSet {
  return namedSet(owner, `floating.ipv${family}`, `${defaultTenant}.floating.ipv${family}`);
}

/**
 * What all routers with addresses of their own on the nodes' network stand on: the switch with its `localnet` port, and policies
 * that keep what stays in the cluster from them.
 * @param overlays networks of the tenant `default`'s subnets
 */
export function outletBundle(
  network: NetworkConfig,
  physicalNetwork: string,
  overlays: readonly { readonly family: Family; readonly cidr: string }[],
): Bundle {
  const row = desiredRow("Logical_Switch", owner, "switch", { name: outletSwitch });
  const localnet = desiredRow("Logical_Switch_Port", owner, "localnet", {
    name: outletLocalnet,
    type: "localnet",
    addresses: ["unknown"],
    options: { network_name: physicalNetwork },
  });
  const policies = network.families.flatMap(({ family, cluster, join }): DesiredRow[] => {
    const inside = [cluster, join, ...network.services.cidrs, ...network.infrastructure].filter(
      (cidr) => cidr.family === family,
    );
    const networks = [
      ...inside.map(({ text }) => text),
      hairpinAddresses[family],
      ...overlays.filter((overlay) => overlay.family === family).map(({ cidr }) => cidr),
    ];
    return [
      policyRow(owner, `inside.ipv${family}`, {
        priority: outletPriorities.inside,
        match: `ip${family}.dst == ${oneOf([...new Set(networks)])}`,
        action: "allow",
      }),
      policyRow(owner, `nodes.ipv${family}`, {
        priority: outletPriorities.nodes,
        match: `ip${family}.dst == $${nodeAddressSet(family)}`,
        action: "allow",
      }),
    ];
  });
  return {
    rows: [row, localnet, ...policies, ...network.families.map(({ family }) => setRow(floatingSet(family)))],
    memberships: [
      { table: "Logical_Switch", row: row.uuid, column: "ports", member: localnet.uuid },
      ...policies.map(tenantRouterPolicy),
    ],
  };
}
