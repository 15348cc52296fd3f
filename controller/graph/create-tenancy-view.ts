import { subnetSwitchKey, subnetSwitchName } from "../translate/names.ts";
import { subnetRouterMac } from "../translate/subnet-switch.ts";
import type { PodGraph } from "./pods.ts";
import type { SubnetPods } from "./subnet-pods.ts";
import type { SubnetGraph } from "./subnets.ts";
import type { Tenancy } from "./tenancy.ts";
import type { TenancyView } from "./tenancy-view.ts";

/** The view of the graph's parts that explains who is whose. */
export function createTenancyView(parts: {
  readonly tenancy: Tenancy;
  readonly subnets: SubnetGraph;
  readonly subnetPods: SubnetPods;
  readonly pods: PodGraph;
}): TenancyView {
  const { tenancy, subnets, subnetPods, pods } = parts;
  const namespaceOf = (pod: string): string => pod.slice(0, pod.indexOf("/"));
  return {
    tenantOf: (pod) => pods.bundleOf(pod)?.tenant ?? tenancy.tenantOf(namespaceOf(pod)),
    peersOf: (tenant) => tenancy.resolution.peers.get(tenant) ?? [],
    servicesOf: (tenant) => subnets.topology(tenant)?.services ?? [],
    ownAddressesOf(pod) {
      const port = pods.bundleOf(pod);
      return port === undefined || port.addresses === port.ownAddresses ? [] : port.ownAddresses;
    },
    podsAt: subnetPods.ownAt,
    egressOf(pod) {
      const name = pods.bundleOf(pod)?.subnet;
      const subnet = name === undefined ? undefined : tenancy.subnets.get(name);
      return subnet && { subnet: subnet.key, mode: subnet.egress };
    },
    switchOf(pod) {
      const held = subnetPods.held(pod);
      const on = held && subnets.switchOf(held.subnet, held.node);
      return on && { name: subnetSwitchName(subnetSwitchKey(on.subnet, on.node)), routerMac: subnetRouterMac(on) };
    },
  };
}
