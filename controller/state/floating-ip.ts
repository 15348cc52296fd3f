import { floatingIpSpec } from "@ovenbird/kube";
import { metadataOf, textAt } from "./raw-object.ts";
import { projectResource, readAddressPair } from "./resource-record.ts";
import type { ResourceRecord } from "./selection.ts";

/** What the controller keeps of a FloatingIP: one pod is reached at, and leaves through, its addresses. */
export interface FloatingIpRecord extends ResourceRecord {
  readonly namespace: string;
  /** At most one per family, IPv4 first. */
  readonly addresses: readonly string[];
  /** The pod's name, or its sticky key. */
  readonly pod: string;
}

/** Projects a FloatingIP as the API gives it; never throws. */
export function projectFloatingIp(raw: unknown): FloatingIpRecord {
  return projectResource(raw, floatingIpSpec, (spec, complain, object) => ({
    namespace: metadataOf(object).namespace,
    addresses: readAddressPair(spec.addresses, "addresses", complain),
    pod: textAt(spec.pod) ?? "",
  }));
}
