import type { Family } from "../ipam/address.ts";
import type { TenantPolicyRoute, TenantRoute } from "../state/tenant.ts";
import type { DesiredRow, Owner } from "./desired.ts";
import { hubPriorities } from "./hub-priorities.ts";
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

/** Policy routes of the tenant `default`: below what tenants and nodes need, so of what leaves the cluster. */
export function hubPolicyRoutes(owner: Owner, routes: readonly TenantPolicyRoute[]): readonly DesiredRow[] {
  const order = [...new Set(routes.map(({ priority }) => priority))].sort((one, other) => one - other);
  return routes.map((route, position) => {
    const { action, nextHops } = route;
    return policyRow(owner, `policy.${position}`, {
      priority: hubPriorities.policyRoutes + order.indexOf(route.priority),
      match: matchOf(route) ?? "ip",
      action,
      ...(action === "reroute" ? { nextHops } : {}),
    });
  });
}
