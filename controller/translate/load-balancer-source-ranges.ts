import type { Family } from "../ipam/address.ts";
import type { Protocol, ServiceRecord } from "../state/service.ts";
import type { Bundle } from "./desired.ts";
import { serviceOwner } from "./load-balancer.ts";
import { oneOf } from "./match.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterPolicy } from "./router-policies.ts";

const allowPriority = 2001;
const dropPriority = 2000;

/** An ingress address with those of its ports that the service has. */
export interface RestrictedAddress {
  readonly address: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly ports: readonly number[];
}

/**
 * `loadBalancerSourceRanges` for clients inside of the cluster: policies of the tenant's router drop what comes from
 * elsewhere on its way to the gateway, where the address is balanced. A match never says `!= {…}`: OVN makes of it
 * what is true for every address. For clients outside the nodes' bridges see to it.
 */
export function sourceRangePolicies(service: ServiceRecord, restricted: readonly RestrictedAddress[]): Bundle {
  const owner = serviceOwner(service.key);
  const rows = restricted.flatMap(({ address, family, protocol, ports }) => {
    const ip = family === 4 ? "ip4" : "ip6";
    const ranges = (service.sourceRanges ?? []).filter((range) => range.includes(":") === (family === 6));
    const destination = `${ip}.dst == ${address} && ${protocol}.dst == ${oneOf(ports)}`;
    const part = `${protocol}.${address}`;
    const drop = desiredRow("Logical_Router_Policy", owner, `drop.${part}`, {
      priority: dropPriority,
      match: destination,
      action: "drop",
    });
    if (ranges.length === 0) return [drop];
    const source = ranges.some((range) => range.endsWith("/0")) ? "" : ` && ${ip}.src == ${oneOf(ranges)}`;
    const allow = desiredRow("Logical_Router_Policy", owner, `allow.${part}`, {
      priority: allowPriority,
      match: `${destination}${source}`,
      action: "allow",
    });
    return [allow, drop];
  });
  return { rows, memberships: rows.map(tenantRouterPolicy) };
}
