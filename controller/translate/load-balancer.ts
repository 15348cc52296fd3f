import type { Protocol, ServiceRecord } from "../state/service.ts";
import type { DesiredRow, Membership, Owner } from "./desired.ts";
import { hairpinSnatIp } from "./hairpin.ts";
import { affinitySelection } from "./load-balancer-affinity.ts";

export function serviceOwner(key: string): Owner {
  return { kind: "Service", key };
}

/** What of a Load_Balancer's `options` differs from row to row. */
export interface LoadBalancerUse {
  /** A virtual address without backend refuses (TCP RST, ICMP unreachable) instead of being silent. */
  readonly reject: boolean;
  /** The client's address stays, though the router would put its own there. */
  readonly skipSnat?: boolean;
  /** Virtual addresses are names of `Chassis_Template_Var`. */
  readonly template?: "ipv4" | "ipv6";
}

const optionSets = new Map<string, Readonly<Record<string, string>>>();

/** There are few different ones, and every row has one: they are shared. */
function optionsOf(
  protocol: Protocol,
  { reject, skipSnat, template }: LoadBalancerUse,
): Readonly<Record<string, string>> {
  // TCP connections outlive their backend's removal as they do elsewhere; what has no connection would stick to it.
  const flushes = protocol !== "tcp";
  const signature = `${flushes} ${reject} ${skipSnat} ${template}`;
  let options = optionSets.get(signature);
  if (options === undefined) {
    options = Object.freeze({
      ...(template === undefined ? {} : { "address-family": template }),
      ...(flushes ? { ct_flush: "true" } : {}),
      hairpin_snat_ip: hairpinSnatIp,
      ...(reject ? { reject: "true" } : {}),
      ...(skipSnat === true ? { skip_snat: "true" } : {}),
      ...(template === undefined ? {} : { template: "true" }),
    });
    optionSets.set(signature, options);
  }
  return options;
}

/** A Load_Balancer's virtual addresses, in any order, with their backends joined by commas. */
export type VipEntries = readonly (readonly [vip: string, backends: string])[];

/** A row of a service and its memberships in groups. */
export function loadBalancer(
  service: ServiceRecord,
  part: string,
  protocol: Protocol,
  use: LoadBalancerUse,
  { uuid, vips, groups }: { readonly uuid: string; readonly vips: VipEntries; readonly groups: readonly string[] },
): { readonly row: DesiredRow; readonly memberships: readonly Membership[] } {
  const sorted = vips.length < 2 ? vips : vips.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const row: DesiredRow = {
    table: "Load_Balancer",
    uuid,
    owner: `Service/${service.key}#${part}`,
    columns: {
      name: `${service.key}#${part}`,
      protocol,
      vips: Object.fromEntries(sorted),
      selection_fields: affinitySelection(service),
      options: optionsOf(protocol, use),
    },
  };
  const memberships = groups.map((group) => ({
    table: "Load_Balancer_Group" as const,
    row: group,
    column: "load_balancer",
    member: uuid,
  }));
  return { row, memberships };
}
