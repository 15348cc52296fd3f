import { ipPoolSpec } from "@ovenbird/kube";
import type { AddressRange } from "../pools/address-range.ts";
import { listAt, objectAt, textAt } from "./raw-object.ts";
import { projectResource, readNamespaceSelection, readRanges } from "./resource-record.ts";
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

/** Projects an IPPool as the API gives it; never throws. */
export function projectIpPool(raw: unknown): IpPoolRecord {
  return projectResource(raw, ipPoolSpec, (spec, complain) => ({
    subnet: textAt(spec.subnet) ?? "",
    ranges: readRanges(spec.addresses, "addresses", complain),
    namespaces: readNamespaceSelection(spec.namespaces, complain),
    workloads: Object.freeze(
      listAt(spec.workloads).flatMap((entry) => {
        const { namespace, kind, name } = objectAt(entry);
        const reference = { namespace: textAt(namespace), kind: textAt(kind), name: textAt(name) };
        const { namespace: of, kind: what, name: called } = reference;
        return of === undefined || what === undefined || called === undefined
          ? []
          : [Object.freeze({ namespace: of, kind: what, name: called })];
      }),
    ),
  }));
}
