import type { EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { ServiceRecord } from "../state/service.ts";
import type { ServiceAccess } from "../state/tenant.ts";
import type { ServiceNodes } from "../translate/service-nodes.ts";
import type { SharedEndpoints } from "../translate/tenancy.ts";

/** What every tenant may use unless its Tenant says otherwise: the API server's, and the cluster's DNS. */
export const usualServices: readonly ServiceAccess[] = [
  { namespace: "default", name: "kubernetes" },
  { namespace: "kube-system", name: "kube-dns" },
];

/** Where services of others come from. */
export interface SharedServicesInput {
  readonly services: ReadonlyMap<string, ServiceRecord>;
  slicesOf(service: string): readonly EndpointSliceRecord[];
  readonly nodes: ServiceNodes;
}

export function grants(access: readonly ServiceAccess[], service: string): boolean {
  const [namespace = "", name = ""] = service.split("/");
  return access.some((one) => one.namespace === namespace && (one.name === undefined || one.name === name));
}

function servicesOf(access: readonly ServiceAccess[], services: ReadonlyMap<string, ServiceRecord>): string[] {
  const keys = new Set<string>();
  for (const { namespace, name } of access) {
    if (name !== undefined) {
      if (services.has(`${namespace}/${name}`)) keys.add(`${namespace}/${name}`);
      continue;
    }
    for (const key of services.keys()) if (key.startsWith(`${namespace}/`)) keys.add(key);
  }
  return [...keys].sort();
}

/**
 * The endpoints of services that a tenant may use, ready or not, so that readiness costs nothing here; sorted.
 * @param isOwn whether a service is the tenant's own anyhow
 * @param mayShow whether the service may have an endpoint there: whoever writes its slices could else share what isn't theirs
 */
export function sharedEndpoints(
  input: SharedServicesInput,
  access: readonly ServiceAccess[],
  isOwn: (service: string) => boolean,
  mayShow: (service: string, address: string) => boolean,
): readonly SharedEndpoints[] {
  const found: SharedEndpoints[] = [];
  for (const service of servicesOf(access, input.services)) {
    const record = input.services.get(service);
    if (record === undefined || record.skipped || isOwn(service)) continue;
    const addresses = new Map<string, Set<string>>();
    for (const slice of input.slicesOf(service)) {
      if (slice.family === undefined) continue;
      for (const { name, protocol } of record.ports) {
        const port = slice.ports.find((candidate) => candidate.name === name && candidate.protocol === protocol)?.port;
        if (port === undefined) continue;
        const key = `${slice.family} ${protocol} ${port}`;
        const known = addresses.get(key) ?? new Set();
        addresses.set(key, known);
        // As load balancers have them: what is on a node's network is met at its management port.
        for (const { address } of slice.endpoints) {
          if (mayShow(service, address)) known.add(input.nodes.managementOf(address) ?? address);
        }
      }
    }
    for (const [key, own] of [...addresses].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (own.size === 0) continue;
      const [family, protocol, port] = key.split(" ");
      found.push({
        service,
        family: family === "6" ? 6 : 4,
        protocol: protocol as SharedEndpoints["protocol"],
        port: Number(port),
        addresses: [...own].sort(),
      });
    }
  }
  return found;
}
