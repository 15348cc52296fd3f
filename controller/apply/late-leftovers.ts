import type { Replica, UntypedModel, UntypedRow } from "ovsdb-client-ts";
import type { DesiredRow } from "../translate/desired.ts";
import type { DesiredStore } from "./desired-store.ts";
import { type Drift, namedTables } from "./drift.ts";
import type { ManagedTable, ManagedTables } from "./managed-columns.ts";
import type { OwnerName } from "./owner.ts";
import { columnMatches } from "./row-difference.ts";

interface Context {
  readonly tables: ManagedTables;
  readonly replica: Replica<UntypedModel>;
  readonly desired: DesiredStore;
}

/** Whether a port is in the database with the addresses that it shall have, for the same pod and not for one of its name. */
function isSamePod(port: DesiredRow, table: ManagedTable, current: UntypedRow): boolean {
  const uid = (port.columns.options as Readonly<Record<string, string>> | undefined)?.["iface-id-ver"];
  const isItsOwn = (current.options as ReadonlyMap<string, string>).get("iface-id-ver") === uid;
  return isItsOwn && columnMatches(port, table, "addresses", current);
}

/** Addresses of ports that are in the database and stay the same pods' at the same place: nobody new takes one of those. */
function keptAddresses({ tables, replica, desired }: Context, owners: Iterable<OwnerName>): ReadonlySet<string> {
  const kept = new Set<string>();
  const table = tables.get("Logical_Switch_Port");
  if (table === undefined) return kept;
  for (const owner of owners) {
    for (const row of desired.bundle(owner)?.rows ?? []) {
      const current = row.table === table.name ? replica.table(table.name).get(row.uuid) : undefined;
      if (current === undefined || !isSamePod(row, table, current)) continue;
      for (const text of current.addresses as ReadonlySet<string>) {
        for (const address of text.split(" ").slice(1)) kept.add(address);
      }
    }
  }
  return kept;
}

/**
 * Tells which leftovers of a former controller may still shut pods, or be named by what does: they go when all else is in place.
 * @param owners those who have bundles
 */
export function lateLeftovers(context: Context, owners: Iterable<OwnerName>): (drift: Drift) => boolean {
  let kept: ReadonlySet<string> | undefined;
  return ({ table, strayRow, strayMember, owner }) => {
    if (strayRow === true) return namedTables.has(table) && context.desired.bundle(owner) !== undefined;
    if (strayMember?.table === "Port_Group") return strayMember.column === "ports";
    if (strayMember?.table !== "Address_Set") return false;
    // A policy means the pod by another set now, which it may not be in yet; but who comes to an address must not find it in a
    // set where it was another's.
    kept ??= keptAddresses(context, owners);
    return kept.has(strayMember.member);
  };
}
