import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { setMember } from "./hub-sets.ts";
import { podPort } from "./names.ts";
import { nodeAddressSet } from "./node-addresses.ts";
import { floatingSet, outletPriorities } from "./outlet.ts";
import {
  type OutletRouter,
  outletCandidates,
  outletMac,
  outletNextHop,
  outletRouterBundle,
  outletRouterUuid,
} from "./outlet-router.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { members, policyRow } from "./router-rows.ts";

/** The router of all floating addresses; they are of one network, that of most nodes. */
export type FloatingRouter = Pick<OutletRouter, "slot" | "outlet" | "inside" | "tenants">;

/** A pod with a floating address. */
export interface FloatingAddress {
  /** `namespace/name` of the FloatingIP. */
  readonly key: string;
  readonly pairs: readonly {
    readonly family: Family;
    /** Outside. */
    readonly address: string;
    /** The pod's, as others in the cluster see it. */
    readonly inside: string;
  }[];
  /** `namespace/name` of the pod. */
  readonly pod: string;
  /** Whether the pod's own node is on the network: then the address is there, and moves with the pod. */
  readonly isLocal: boolean;
}

export function floatingIpOwner(key: string): Owner {
  return { kind: "FloatingIP", key };
}

/** Of the router; its slot goes by this name too. */
export const floatingRouterOwner: Owner = { kind: "Outlet", key: "floating" };

const routerName = "floating";

/**
 * The router of floating addresses. Its own port bears the network's own address, the first one, which is no host's: northd wants
 * one of the network there, so that what is on it is reached directly; every packet has a floating one.
 */
export function floatingRouterBundle(network: NetworkConfig, router: FloatingRouter): Bundle {
  const { outlet, slot } = router;
  const owner = floatingRouterOwner;
  const link = outletNextHop(network, slot, network.families[0]?.family ?? 4) ?? "";
  const bundle = outletRouterBundle(network, {
    ...router,
    owner,
    name: routerName,
    mac: outletMac(link),
    networks: outlet.networks.map(({ text }) => text),
    candidates: outletCandidates(routerName, outlet.nodes),
  });
  const policies = network.families.flatMap(({ family }): DesiredRow[] => {
    const nextHop = outletNextHop(network, slot, family);
    if (nextHop === undefined) return [];
    const match = `ip${family}.src == $${floatingSet(family).name}`;
    const reroute = { action: "reroute", nextHops: [nextHop] } as const;
    return [
      policyRow(owner, `leave.ipv${family}`, { priority: outletPriorities.floating, match, ...reroute }),
      // A node that asked at the floating address is answered from there.
      policyRow(owner, `nodes.ipv${family}`, {
        priority: outletPriorities.floatingToNodes,
        match: `${match} && ip${family}.dst == $${nodeAddressSet(family)}`,
        ...reroute,
      }),
    ];
  });
  return {
    rows: [...bundle.rows, ...policies],
    memberships: [...bundle.memberships, ...members("Logical_Router", tenantRouterUuid, "policies", policies)],
    needs: [
      ...(bundle.needs ?? []),
      ...network.families.map(({ family }) => ({ table: "Address_Set" as const, uuid: floatingSet(family).uuid })),
    ],
  };
}

/** A pod's floating addresses: translated both ways, on the pod's own node where that is on the network. */
export function floatingIpBundle({ key, pairs, pod, isLocal }: FloatingAddress): Bundle {
  const owner = floatingIpOwner(key);
  const translations = pairs.map(({ family, address, inside }) =>
    desiredRow("NAT", owner, `nat.ipv${family}`, {
      type: "dnat_and_snat",
      external_ip: address,
      logical_ip: inside,
      external_mac: isLocal ? outletMac(address) : undefined,
      logical_port: isLocal ? podPort(pod) : undefined,
    }),
  );
  return {
    rows: translations,
    memberships: [
      ...members("Logical_Router", outletRouterUuid(floatingRouterOwner), "nat", translations),
      ...pairs.map(({ family, inside }) => setMember(floatingSet(family), inside)),
    ],
  };
}
