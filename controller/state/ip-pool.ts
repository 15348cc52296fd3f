import type { AddressRange } from "../pools/address-range.ts";
import type { NamespaceSelection, ResourceRecord } from "./selection.ts";

/** A workload by kind and name (`Deployment`, `web`). */
export interface WorkloadReference {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
}

/** What the controller keeps of an IPPool: addresses of a subnet that only those get who may and ask, or whom it is kept for. */
export interface IpPoolRecord extends ResourceRecord {
  readonly subnet: string;
  readonly ranges: readonly AddressRange[];
  /** Whose pods get addresses of the pool and of nothing else; of none of both, whoever names the pool. */
  readonly namespaces: NamespaceSelection;
  readonly workloads: readonly WorkloadReference[];
}
