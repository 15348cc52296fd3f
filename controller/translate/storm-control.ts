import type { DesiredRow, Owner } from "./desired.ts";
import { desiredRow } from "./owner.ts";

/** Above what pods' own rates say: of a broadcast frame this counts. */
const priority = 2000;

/**
 * What of broadcast and multicast a subnet's ports may send together, on each node. `burst` stays unset: with one, TCP at such a
 * rate falls to half of it, and OVN takes the rate for it.
 */
export function stormControlRow(owner: Owner, stormKbps: number): DesiredRow {
  return desiredRow("QoS", owner, "storm", {
    priority,
    direction: "from-lport",
    match: "eth.mcast",
    bandwidth: { rate: stormKbps },
  });
}
