import type { Family } from "../ipam/address.ts";
import type { DesiredRow, Membership, NorthboundTable, Owner } from "./desired.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";

export const anywhere = { 4: "0.0.0.0/0", 6: "::/0" } as const satisfies Record<Family, string>;

export function tenantOwnerOf(tenant: string): Owner {
  return { kind: "Tenant", key: tenant };
}

/** A tenant's router; `default`'s is the one that joins all. */
export function routerUuidOf(tenant: string): string {
  return rowUuid("Logical_Router", ownerText(tenantOwnerOf(tenant), "router"));
}

export function members(
  table: NorthboundTable,
  row: string,
  column: string,
  rows: readonly { readonly uuid: string }[],
): readonly Membership[] {
  return rows.map(({ uuid }) => ({ table, row, column, member: uuid }));
}

export interface RouteInput {
  readonly destination: string;
  readonly nextHop: string;
  readonly port: string;
}

/** A Logical_Router_Static_Route by destination. */
export function routeRow(owner: Owner, part: string, { destination, nextHop, port }: RouteInput): DesiredRow {
  return desiredRow("Logical_Router_Static_Route", owner, part, {
    ip_prefix: destination,
    nexthop: nextHop,
    policy: "dst-ip",
    output_port: port,
  });
}

export interface PolicyInput {
  readonly priority: number;
  readonly match: string;
  readonly action: "allow" | "drop" | "reroute";
  readonly nextHops?: readonly string[];
}

/** A Logical_Router_Policy. */
export function policyRow(owner: Owner, part: string, { priority, match, action, nextHops }: PolicyInput): DesiredRow {
  return desiredRow("Logical_Router_Policy", owner, part, {
    priority,
    match,
    action,
    nexthops: (nextHops ?? []).toSorted(),
  });
}
