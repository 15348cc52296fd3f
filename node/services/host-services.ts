import type { HostServices } from "../management/index.ts";
import { canonicalAddress, familyOfAddress } from "./addresses.ts";
import type { ServiceView } from "./service-view.ts";

/** The addresses of all nodes, this one included. */
export function nodeAddressesOf(view: Pick<ServiceView, "nodes">): ReadonlySet<string> {
  return new Set([...view.nodes.values()].flatMap(({ addresses }) => addresses));
}

/**
 * What the host itself needs to reach Services as everybody else does.
 * @param gateway the node's own gateway, if it has one
 */
export function hostServicesOf(
  view: Pick<ServiceView, "services" | "nodes">,
  gateway: { readonly addresses: readonly string[]; readonly nextHops: readonly string[] } | undefined,
): HostServices {
  const canonical = (cidr: string) => canonicalAddress(cidr.split("/")[0] ?? "") ?? [];
  const ownAddresses = gateway?.addresses.flatMap(canonical) ?? [];
  // A route to one of these would take all of the host's traffic there, the tunnels and the API's included.
  const kept = new Set([...ownAddresses, ...(gateway?.nextHops.flatMap(canonical) ?? []), ...nodeAddressesOf(view)]);
  const healthCheckPorts = new Set<number>();
  const routedAddresses = new Set<string>();
  const takenPorts = new Map<string, HostServices["takenPorts"][number]>();
  for (const service of view.services.values()) {
    if (service.healthCheckNodePort !== undefined) healthCheckPorts.add(service.healthCheckNodePort);
    for (const address of [...service.externalIps, ...service.ingressIps]) {
      if (!service.families.includes(familyOfAddress(address))) continue;
      if (!kept.has(address)) {
        routedAddresses.add(address);
        continue;
      }
      for (const { protocol, port } of service.ports) {
        takenPorts.set(`${address} ${protocol} ${port}`, { address, protocol, port });
      }
    }
  }
  return {
    ownAddresses,
    healthCheckPorts: [...healthCheckPorts],
    routedAddresses: [...routedAddresses],
    takenPorts: [...takenPorts.values()],
  };
}
