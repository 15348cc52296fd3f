import type { Northbound } from "@ovenbird/ovsdb-schemas";
import { ownerKey } from "../translate/owner.ts";
import type { ReservedRow } from "./restore.ts";

/** What `Ipam.restore` wants to know of a logical switch port; undefined when the port isn't ours. */
export function reservedRow({
  external_ids,
  addresses,
  options,
}: Pick<Northbound.LogicalSwitchPort, "external_ids" | "addresses" | "options">): ReservedRow | undefined {
  const owner = external_ids.get(ownerKey);
  return owner === undefined ? undefined : { owner, addresses: [...addresses], uid: options.get("iface-id-ver") };
}
