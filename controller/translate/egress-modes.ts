import type { Family } from "../ipam/address.ts";
import { sliceCidrs } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { DesiredRow, Membership, Owner } from "./desired.ts";
import { subnetEgressSet } from "./egress-ip.ts";
import { hubPriorities } from "./hub-priorities.ts";
import { hubSet, setMember, tenantSet } from "./hub-sets.ts";
import { defaultTenant } from "./names.ts";
import { policyRow } from "./router-rows.ts";
import type { SubnetSwitch } from "./tenancy.ts";

interface Source {
  readonly family: Family;
  readonly cidr: string;
}

const familyOf = (text: string): Family => (text.includes(":") ? 6 : 4);

/** Whether pods of the switch have infrastructure addresses. */
export function hasInfrastructure({ tenant, mode }: Pick<SubnetSwitch, "tenant" | "mode">): boolean {
  return tenant !== defaultTenant || mode === "Underlay";
}

/** The infrastructure addresses of a switch's pods, as networks. */
export function slicesOf({ infrastructure }: NetworkConfig, { slices }: SubnetSwitch): readonly Source[] {
  return slices.flatMap((slice) => sliceCidrs(infrastructure, slice)).map((cidr) => ({ family: familyOf(cidr), cidr }));
}

/**
 * What leaves the cluster, and by which address, is told by the packet's source: pods whose packets get another address on
 * their way out leave with their infrastructure addresses, which are one of a kind, others with their own. So the modes
 * differ in who is in which address set, but for what may not leave of the tenant `default`, which has no router between its
 * subnets and the one that joins all.
 *
 *   Node      in `egress` by infrastructure addresses (by their own in `default`): the gateway of the pod's node translates
 *   Routed    in `egress` and in `sources` by their own as well: it translates nothing of these
 *   Address   in a set of the subnet's own, by infrastructure addresses: its router translates
 *   None      in `closed`, which says what the tenant's router keeps but for nodes and shared services; of `default`, a policy
 *
 * In an underlay the physical router decides; with infrastructure addresses it has nothing to do.
 */
export function egressParts(
  network: NetworkConfig,
  owner: Owner,
  on: SubnetSwitch,
): { readonly policies: readonly DesiredRow[]; readonly memberships: readonly Membership[] } {
  const { tenant, egress, mode } = on;
  const slices = slicesOf(network, on);
  const own: readonly Source[] = on.networks;
  const isDefault = tenant === defaultTenant;
  const join = (set: "egress" | "own", sources: readonly Source[]): Membership[] =>
    sources.map(({ family, cidr }) => setMember(hubSet(set, family), cidr));
  const joinTenant = (set: "sources" | "closed", sources: readonly Source[]): Membership[] =>
    isDefault ? [] : sources.map(({ family, cidr }) => setMember(tenantSet(tenant, set, family), cidr));
  if (mode === "Underlay") {
    // What they send by us is for the cluster, and for services whose endpoints are outside of it.
    const memberships = [
      ...join("egress", slices),
      ...(isDefault ? join("own", slices) : joinTenant("closed", slices)),
    ];
    return { policies: [], memberships };
  }
  switch (egress) {
    case "Node":
      return { policies: [], memberships: join("egress", isDefault ? own : slices) };
    case "Routed":
      return {
        policies: [],
        memberships: [...join("egress", [...own, ...slices]), ...joinTenant("sources", own)],
      };
    case "Address": {
      const sources = isDefault ? own : slices;
      const memberships = sources.map(({ family, cidr }) => setMember(subnetEgressSet(on.subnet, family), cidr));
      return { policies: [], memberships };
    }
    case "None": {
      // The tenant's router lets them to shared services, of which some are outside.
      if (!isDefault)
        return { policies: [], memberships: [...join("egress", slices), ...joinTenant("closed", slices)] };
      const policies = own.map(({ family, cidr }) =>
        policyRow(owner, `closed.ipv${family}`, {
          priority: hubPriorities.closed,
          match: `ip${family}.src == ${cidr}`,
          action: "drop",
        }),
      );
      return { policies, memberships: [] };
    }
  }
}
