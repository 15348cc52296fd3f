import {
  egressIps,
  floatingIps,
  ipAddresses,
  ipPools,
  providerNetworks,
  type Resource,
  subnets,
  tenants,
} from "@ovenbird/kube";
import type { ResourceKind } from "./object-problem.ts";

/** Where each of Ovenbird's own kinds that the graph reads comes from. */
export const resourceKinds: Readonly<Record<ResourceKind, Resource>> = {
  Tenant: tenants,
  Subnet: subnets,
  IPPool: ipPools,
  IPAddress: ipAddresses,
  ProviderNetwork: providerNetworks,
  EgressIP: egressIps,
  FloatingIP: floatingIps,
};

export function isResourceKind(kind: string): kind is ResourceKind {
  return Object.hasOwn(resourceKinds, kind);
}
