import { ipAddressSpec } from "@ovenbird/kube";
import { objectAt, textAt } from "./raw-object.ts";
import { parseMac, projectResource, readAddressPair } from "./resource-record.ts";
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

/** Projects an IPAddress as the API gives it; never throws. */
export function projectIpAddress(raw: unknown): IpAddressRecord {
  return projectResource(raw, ipAddressSpec, (spec, complain, object) => {
    const asked = textAt(spec.mac);
    const mac = asked === undefined ? undefined : parseMac(asked);
    if (asked !== undefined && mac === undefined) complain(`mac: ${asked} is no hardware address of one interface`);
    const { ttlSeconds } = spec;
    return {
      subnet: textAt(spec.subnet) ?? "",
      addresses: readAddressPair(spec.addresses, "addresses", complain),
      mac,
      namespace: textAt(spec.namespace) ?? "",
      holder: textAt(spec.holder) ?? "",
      ttlSeconds: typeof ttlSeconds === "number" && ttlSeconds >= 0 ? ttlSeconds : undefined,
      releasedAt: textAt(objectAt(object.status).releasedAt),
    };
  });
}
