import type { ResourceRecord } from "./selection.ts";

/** What the controller keeps of a FloatingIP: one pod is reached at, and leaves through, its addresses. */
export interface FloatingIpRecord extends ResourceRecord {
  readonly namespace: string;
  /** At most one per family, IPv4 first. */
  readonly addresses: readonly string[];
  /** The pod's name, or its sticky key. */
  readonly pod: string;
}
