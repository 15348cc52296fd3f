import type { EgressMode } from "../state/subnet.ts";
import { defaultTenant } from "../translate/names.ts";
import type { SharedEndpoints } from "../translate/tenancy.ts";

/** Who is whose, for those that explain verdicts; as of the last flush. */
export interface TenancyView {
  /** Of a pod with a port that port's, of others that of its namespace. */
  tenantOf(pod: string): string;
  /** Those that it is joined with. */
  peersOf(tenant: string): readonly string[];
  /** Others' services that its pods may use. */
  servicesOf(tenant: string): readonly SharedEndpoints[];
  /** The addresses that a pod has in its tenant; empty where they are those that it has for everybody. */
  ownAddressesOf(pod: string): readonly string[];
  /** All pods that have the address in their tenants, where that isn't their address for everybody. */
  podsAt(address: string): readonly string[];
  /** How what the pod sends leaves the cluster; absent for pods of their node's block. */
  egressOf(pod: string): { readonly subnet: string; readonly mode: EgressMode } | undefined;
  /** Of a pod on a switch that is no node's. */
  switchOf(pod: string): { readonly name: string; readonly routerMac: string } | undefined;
}

/** As long as there is only the tenant of what no Tenant claims. */
export const noTenancy: TenancyView = {
  tenantOf: () => defaultTenant,
  peersOf: () => [],
  servicesOf: () => [],
  ownAddressesOf: () => [],
  podsAt: () => [],
  egressOf: () => undefined,
  switchOf: () => undefined,
};
