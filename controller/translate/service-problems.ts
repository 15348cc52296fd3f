import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { Problem } from "../state/object-problem.ts";
import type { ServiceRecord } from "../state/service.ts";
import { strangers } from "./service-endpoints.ts";
import type { ServiceNodes } from "./service-nodes.ts";
import type { Vip } from "./service-vips.ts";

/** As many as one reads; a slice may have a thousand. */
const namedAtMost = 3;

function named(values: readonly string[]): string {
  const more = values.length - namedAtMost;
  return more > 0 ? `${values.slice(0, namedAtMost).join(", ")} and ${more} more` : values.join(", ");
}

/** What the user of a service has to act on; at most one problem for each code. */
export function serviceProblems(
  network: NetworkConfig,
  input: {
    readonly service: ServiceRecord;
    /** Those that the cluster has. */
    readonly families: readonly Family[];
    readonly claimed: readonly Vip[];
    /** By what is claimed, the service that has it. */
    readonly refused: ReadonlyMap<string, string>;
    readonly slices: readonly EndpointSliceRecord[];
    readonly nodes: ServiceNodes;
  },
): readonly Problem[] {
  const { service, families, claimed, refused, slices, nodes } = input;
  const problems: Problem[] = [];
  if (service.ports.length === 0) {
    problems.push({ code: "SERVICE_WITHOUT_PORTS", message: `${service.key} has no port, so nothing reaches it` });
  }
  if (service.invalid.length > 0) problems.push({ code: "INVALID_SERVICE", message: named(service.invalid) });
  const mismatched = [...service.clusterIps, ...service.externalIps, ...service.ingressIps].filter((address) => {
    const family = address.includes(":") ? 6 : 4;
    return !(families.includes(family) && service.families.includes(family));
  });
  if (mismatched.length > 0) {
    const message = `${named(mismatched)}: not of a family that both the Service and the cluster have`;
    problems.push({ code: "SERVICE_FAMILY_MISMATCH", message });
  }
  if (refused.size > 0) {
    const lost = new Set<string>();
    for (const { key } of claimed) {
      const holder = refused.get(key);
      if (holder !== undefined) lost.add(`${key} belongs to ${holder}`);
    }
    if (lost.size > 0) {
      const message = `${named([...lost])}, which comes first, so it is left out here`;
      problems.push({ code: "SERVICE_VIP_CONFLICT", message });
    }
  }
  const invalid = slices.flatMap((slice) => slice.invalid);
  if (invalid.length > 0) problems.push({ code: "INVALID_ENDPOINT", message: named(invalid) });
  // Who writes slices by hand means what is outside.
  const outside = service.hasSelector ? strangers(network, slices, nodes) : [];
  if (outside.length > 0) {
    const message = `${named(outside)}: in no network of the cluster; reached through the nodes' gateways`;
    problems.push({ code: "ENDPOINT_OUTSIDE_CLUSTER", message });
  }
  return problems;
}
