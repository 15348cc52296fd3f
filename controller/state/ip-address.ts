import type { ResourceRecord } from "./selection.ts";

/**
 * What the controller keeps of an IPAddress: addresses that outlive their pod. The controller writes one for each fixed or
 * sticky address; one that a person wrote keeps addresses for a workload that isn't there yet.
 */
export interface IpAddressRecord extends ResourceRecord {
  readonly subnet: string;
  /** In canonical form, at most one per family; of none, the next free ones are taken and written here. */
  readonly addresses: readonly string[];
  readonly mac: string | undefined;
  /** Whoever holds it: pods of the namespace with this sticky key, or of this name. */
  readonly namespace: string;
  readonly holder: string;
  /** Seconds after the pod's end; kept for good where absent. */
  readonly ttlSeconds: number | undefined;
  /** `status.releasedAt`: since when no pod has it. */
  readonly releasedAt: string | undefined;
}
