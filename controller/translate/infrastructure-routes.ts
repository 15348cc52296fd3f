import type { PodNetworkAnnotation } from "@ovenbird/kube";
import { bitsOf, type Family } from "../ipam/address.ts";
import { infrastructureAddresses, routerNumber, sliceOf } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { hairpinAddresses } from "./hairpin.ts";
import { anywhere } from "./router-rows.ts";
import type { SubnetSwitch } from "./tenancy.ts";

type Route = NonNullable<PodNetworkAnnotation["routes"]>[number];

const familyOf = (text: string): Family => (text.includes(":") ? 6 : 4);

/**
 * The routes of a pod that has infrastructure addresses. What is for the cluster leaves from these, since answers find no other;
 * so does what leaves the cluster and is translated on its way. To its own subnet, and to wherever its own address is known, it
 * speaks from that. The router is the subnet's gateway; in an underlay, whose gateway isn't ours, and where the subnet has no
 * network of the family, it is found by the address that it has in the pod's slice.
 * @param number the pod's in the infrastructure networks
 * @param addresses its own, IPv4 first
 */
export function infrastructureRoutes(
  { families, services, infrastructure }: NetworkConfig,
  { mode, networks, egress }: SubnetSwitch,
  number: number,
  addresses: readonly string[],
): readonly Route[] {
  const own = infrastructureAddresses(infrastructure, number);
  const routers = infrastructureAddresses(infrastructure, routerNumber(sliceOf(number)));
  return infrastructure.flatMap(({ family, text }, position): Route[] => {
    const [source, inSlice] = [own[position], routers[position]];
    if (source === undefined || inSlice === undefined) return [];
    const subnet = networks.find((network) => network.family === family);
    const address = addresses.find((candidate) => familyOf(candidate) === family);
    const isUnderlay = mode === "Underlay";
    const router = isUnderlay || subnet === undefined ? inSlice : subnet.gateway;
    const inCluster = [
      ...services.cidrs.filter((cidr) => cidr.family === family).map((cidr) => cidr.text),
      text,
      ...families
        .filter((candidate) => candidate.family === family)
        .flatMap(({ cluster, join }) => [cluster.text, join.text]),
      `${hairpinAddresses[family]}/${bitsOf(family)}`,
    ];
    const siblings =
      subnet?.whole === undefined || address === undefined || isUnderlay
        ? []
        : [{ destination: subnet.whole, gateway: router, source: address }];
    const out = { destination: anywhere[family], gateway: router, source };
    const isKnownOutside = (isUnderlay || egress === "Routed") && subnet !== undefined && address !== undefined;
    const way = isKnownOutside ? { ...out, gateway: subnet.gateway, source: address } : out;
    // A physical network has no use for what its own router isn't there for.
    const ways = isUnderlay && subnet === undefined ? [] : [way];
    return [...ways, ...siblings, ...inCluster.map((destination) => ({ destination, gateway: router, source }))];
  });
}
