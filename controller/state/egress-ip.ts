import type { PodSelection, ResourceRecord } from "./selection.ts";
import type { Requirement } from "./selector.ts";

/** What the controller keeps of an EgressIP: a group of pods leaves the cluster through its addresses. */
export interface EgressIpRecord extends ResourceRecord {
  /** At most one per family, IPv4 first. */
  readonly addresses: readonly string[];
  readonly pods: PodSelection;
  /** Nodes that may have the addresses; all with a gateway where empty. */
  readonly nodes: readonly Requirement[];
}
