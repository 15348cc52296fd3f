import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { type NamedSet, namedSet, setKey, setRow } from "./hub-sets.ts";
import { outletPriorities } from "./outlet.ts";
import type { OutletNetwork, OutletNode } from "./outlet-network.ts";
import { type OutletRouter, outletMac, outletNextHop, outletRouterBundle, outletRouterUuid } from "./outlet-router.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { anywhere, members, policyRow } from "./router-rows.ts";

/** Pods that leave the cluster by addresses of their own, which they share. */
export interface EgressGroup {
  readonly owner: Owner;
  /** Of its router. */
  readonly name: string;
  readonly priority: number;
  /** At most one per family, IPv4 first. */
  readonly addresses: readonly string[];
  readonly slot: number;
  readonly outlet: OutletNetwork;
  readonly candidates: readonly OutletNode[];
  /** Address sets of the pods, by family. */
  readonly sources: readonly { readonly family: Family; readonly name: string; readonly uuid: string }[];
  readonly inside: OutletRouter["inside"];
  readonly tenants: boolean;
}

export function egressIpOwner(name: string): Owner {
  return { kind: "EgressIP", key: name };
}

/** What a Subnet with egress addresses has of rows beside its switches. */
export function subnetEgressOwner(subnet: string): Owner {
  return { kind: "SubnetEgress", key: subnet };
}

/** What the pods of a subnet with egress addresses send from; its switches fill it. */
export function subnetEgressSet(subnet: string, family: Family): NamedSet {
  return namedSet(subnetEgressOwner(subnet), `sources.ipv${family}`, `${setKey("SubnetEgress", subnet)}.ipv${family}`);
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);

/**
 * A group's router, with its addresses as the port's own, and the policies that lead the group there. What the group sends in a
 * family of which there is no address leaves as it would without.
 */
export function egressGroupBundle(network: NetworkConfig, group: EgressGroup): Bundle {
  const { owner, addresses, outlet, slot } = group;
  const [first = ""] = addresses;
  const router = outletRouterBundle(network, {
    ...group,
    mac: outletMac(first),
    networks: addresses.map((address) => {
      const family = familyOf(address);
      const { prefixLength } = outlet.networks.find((cidr) => cidr.family === family) ?? {};
      return `${address}/${prefixLength ?? (family === 4 ? 32 : 128)}`;
    }),
  });
  const translations = addresses.map((address) =>
    desiredRow("NAT", owner, `snat.ipv${familyOf(address)}`, {
      type: "snat",
      external_ip: address,
      logical_ip: anywhere[familyOf(address)],
    }),
  );
  const used = group.sources.filter(({ family }) => addresses.some((address) => familyOf(address) === family));
  const policies = used.flatMap(({ family, name }): DesiredRow[] => {
    const nextHop = outletNextHop(network, slot, family);
    if (nextHop === undefined) return [];
    return [
      policyRow(owner, `leave.ipv${family}`, {
        priority: group.priority,
        match: `ip${family}.src == $${name}`,
        action: "reroute",
        nextHops: [nextHop],
      }),
    ];
  });
  return {
    rows: [...router.rows, ...translations, ...policies],
    memberships: [
      ...router.memberships,
      ...members("Logical_Router", outletRouterUuid(owner), "nat", translations),
      ...members("Logical_Router", tenantRouterUuid, "policies", policies),
    ],
    needs: [...(router.needs ?? []), ...used.map(({ uuid }) => ({ table: "Address_Set" as const, uuid }))],
  };
}

/** The sets that a subnet's switches fill, and what leads from there. */
export function subnetEgressBundle({ families }: NetworkConfig, subnet: string, group: Bundle | undefined): Bundle {
  const sets = families.map(({ family }) => setRow(subnetEgressSet(subnet, family)));
  const own = new Set(sets.map(({ uuid }) => uuid));
  return {
    rows: [...sets, ...(group?.rows ?? [])],
    memberships: group?.memberships ?? [],
    needs: group?.needs?.filter(({ uuid }) => !own.has(uuid)) ?? [],
  };
}

export const egressIpRouter = (name: string): string => `egress.${name}`;
export const subnetEgressRouter = (subnet: string): string => `egress-of-subnet.${subnet}`;
export const egressPriorities = { egressIp: outletPriorities.egressIp, subnet: outletPriorities.subnet } as const;
