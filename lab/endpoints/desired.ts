import { isIP } from "node:net";
import type { AddressFamily, Endpoint, PodRecord, ServiceRecord, SlicePort } from "./records.ts";

/** Endpoints that share family and ports, and so may share slices. */
export interface EndpointGroup {
  readonly family: AddressFamily;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly Endpoint[];
}

/**
 * What the slices of a service have to say, as kube-controller-manager's EndpointSlice controller says it. Pure.
 * @param zones the zone of each node that there is, undefined for those without
 * @returns for each family of the service at least one group; named ports that differ from pod to pod make several
 */
export function endpointGroups(
  service: ServiceRecord,
  pods: readonly PodRecord[],
  zones: ReadonlyMap<string, string | undefined>,
): EndpointGroup[] {
  return service.families.flatMap((family) => {
    const version = family === "IPv4" ? 4 : 6;
    const found = pods.flatMap((pod) => {
      const address = pod.over ? undefined : pod.addresses.find((one) => isIP(one) === version);
      return address === undefined
        ? []
        : [{ ports: portsOf(service, pod), endpoint: endpointOf(service, pod, address, zones) }];
    });
    // A slice without endpoints tells that the service was looked at.
    if (found.length === 0) return [{ family, ports: [], endpoints: [] }];
    const hinted = withHints(
      service,
      found.map(({ endpoint }) => endpoint),
      zones,
    );
    const groups = Map.groupBy(found.keys(), (index) => portsKey(found[index]?.ports ?? []));
    return [...groups.values()].map((members) => ({
      family,
      ports: found[members[0] ?? 0]?.ports ?? [],
      endpoints: members.flatMap((index) => hinted[index] ?? []),
    }));
  });
}

/** Equal for equal ports, in any order. */
export function portsKey(ports: readonly SlicePort[]): string {
  return ports
    .map(({ name, protocol, port, appProtocol = "" }) => `${name} ${protocol} ${port ?? ""} ${appProtocol}`)
    .sort()
    .join("\n");
}

function portsOf(service: ServiceRecord, pod: PodRecord): SlicePort[] {
  return service.ports.flatMap(({ name, protocol, port, targetPort = port, appProtocol }): SlicePort[] => {
    const number =
      typeof targetPort === "number"
        ? targetPort
        : pod.ports.find((one) => one.name === targetPort && one.protocol === protocol)?.containerPort;
    if (number === undefined) return [];
    return [{ name, protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function endpointOf(
  service: ServiceRecord,
  pod: PodRecord,
  address: string,
  zones: ReadonlyMap<string, string | undefined>,
): Endpoint {
  const { namespace, name, uid, nodeName, ready: serving, terminating, hostname, subdomain } = pod;
  const zone = nodeName === undefined ? undefined : zones.get(nodeName);
  return {
    addresses: [address],
    conditions: { ready: service.publishNotReady || (serving && !terminating), serving, terminating },
    ...(hostname !== undefined && subdomain === service.name ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

/** Hints are given to all ready endpoints or to none: half of them would lead traffic nowhere. */
function withHints(
  { prefer }: ServiceRecord,
  endpoints: readonly Endpoint[],
  zones: ReadonlyMap<string, string | undefined>,
): readonly Endpoint[] {
  const ready = endpoints.filter(({ conditions }) => conditions.ready === true);
  if (
    prefer === "anywhere" ||
    ready.some(({ zone, nodeName }) => zone === undefined && !(prefer === "same node" && nodeName !== undefined))
  )
    return endpoints;
  const served = new Set(ready.map(({ zone }) => zone));
  const wanted = new Set(zones.values());
  // Upstream weighs the nodes' processors; here a zone only has to have an endpoint of its own.
  if (prefer === "balanced zones" && (wanted.size < 2 || [...wanted].some((zone) => !served.has(zone))))
    return endpoints;
  return endpoints.map((endpoint) => {
    const { zone, nodeName, conditions } = endpoint;
    if (conditions.ready !== true) return endpoint;
    const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] };
    const forNodes = prefer === "same node" && nodeName !== undefined ? { forNodes: [{ name: nodeName }] } : {};
    return { ...endpoint, hints: { ...forZones, ...forNodes } };
  });
}
