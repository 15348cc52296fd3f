import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { TenantPolicyRoute, TenantRoute } from "../state/tenant.ts";
import type { DesiredRow, Owner } from "./desired.ts";
import { hubPriorities } from "./hub-priorities.ts";
import { hubSet } from "./hub-sets.ts";
import { desiredRow } from "./owner.ts";
import { policyRow } from "./router-rows.ts";

const familyOf = (text: string): Family => (text.includes(":") ? 6 : 4);

/** A tenant's own routes; several next hops of one destination share its traffic. */
export function ownRoutes(owner: Owner, routes: readonly TenantRoute[]): DesiredRow[] {
  return routes.flatMap(({ destination, nextHops }) =>
    [...new Set(nextHops)].map((nextHop) =>
      desiredRow("Logical_Router_Static_Route", owner, `route.${destination}.${nextHop}`, {
        ip_prefix: destination,
        nexthop: nextHop,
        policy: "dst-ip",
      }),
    ),
  );
}

/** What a policy route is about; undefined for all packets. */
export function matchOf({ source, destination }: TenantPolicyRoute): string | undefined {
  const terms = [
    ...(source === undefined ? [] : [`ip${familyOf(source)}.src == ${source}`]),
    ...(destination === undefined ? [] : [`ip${familyOf(destination)}.dst == ${destination}`]),
  ];
  return terms.length === 0 ? undefined : terms.join(" && ");
}

/**
 * Policy routes of the tenant `default`: below what tenants and nodes need, so of what leaves the cluster. What tenants send, and
 * what comes in, passes its router too, and is none of theirs.
 */
export function hubPolicyRoutes(
  { families }: NetworkConfig,
  owner: Owner,
  routes: readonly TenantPolicyRoute[],
): readonly DesiredRow[] {
  const order = [...new Set(routes.map(({ priority }) => priority))].sort((one, other) => one - other);
  return routes.flatMap((route, position) => {
    const { source, destination, action, nextHops } = route;
    const [said] = [source, destination, ...nextHops].flatMap((text) => (text === undefined ? [] : [familyOf(text)]));
    const terms = matchOf(route);
    return families
      .filter(({ family }) => said === undefined || family === said)
      .map(({ family }) => {
        const own = `ip${family}.src == $${hubSet("own", family).name}`;
        return policyRow(owner, `policy.${position}.ipv${family}`, {
          priority: hubPriorities.policyRoutes + order.indexOf(route.priority),
          match: terms === undefined ? own : `${own} && ${terms}`,
          action,
          ...(action === "reroute" ? { nextHops } : {}),
        });
      });
  });
}
