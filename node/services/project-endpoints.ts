import type { KubeObject } from "@ovenbird/kube";
import type { IpFamily } from "./service-view.ts";

/** One EndpointSlice: on which nodes its endpoints are, the same node once for each of them. */
export interface SliceView {
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly family: IpFamily;
  readonly ready: readonly string[];
  /** No longer ready and still serving while they end (KEP-1669). */
  readonly terminating: readonly string[];
}

/** discovery/v1 EndpointSlice, as far as it is read here. */
interface RawSlice extends KubeObject {
  readonly addressType?: string;
  readonly endpoints?:
    | readonly {
        readonly nodeName?: string;
        readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
      }[]
    | null;
}

const none: readonly string[] = Object.freeze([]);

/**
 * @param intern gives the one string for each node's name: every slice is parsed on its own, and would bring its own
 * @returns undefined for a slice of no Service, or of host names
 */
export function projectEndpoints(raw: unknown, intern: (name: string) => string): SliceView | undefined {
  const { metadata, addressType, endpoints } = raw as RawSlice;
  const service = metadata?.labels?.["kubernetes.io/service-name"];
  if (service === undefined || (addressType !== "IPv4" && addressType !== "IPv6")) return undefined;
  const ready: string[] = [];
  const terminating: string[] = [];
  for (const { nodeName, conditions } of endpoints ?? []) {
    if (nodeName === undefined) continue;
    // Absent conditions mean: ready, and serving as it is ready (discovery/v1 EndpointConditions).
    if (conditions?.ready ?? true) ready.push(intern(nodeName));
    else if (conditions?.serving === true && conditions.terminating === true) terminating.push(intern(nodeName));
  }
  return Object.freeze({
    service: `${metadata?.namespace ?? ""}/${service}`,
    family: addressType === "IPv6" ? "ipv6" : "ipv4",
    ready: ready.length === 0 ? none : Object.freeze(ready),
    terminating: terminating.length === 0 ? none : Object.freeze(terminating),
  });
}
