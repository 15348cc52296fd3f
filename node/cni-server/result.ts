import type { PodNetworkAnnotation } from "@ovenbird/kube";
import { infrastructurePrefixes, podRoutes } from "../links/index.ts";
import type { AddCall, CniVersion } from "./call.ts";

/** What ADD has made, before it is written down in one version's words. */
export interface Attachment {
  readonly hostDevice: string;
  readonly hostMac: string | undefined;
  readonly network: PodNetworkAnnotation;
}

/**
 * The result of ADD in the version that the runtime asked in (specification section 5, "ADD Success"): up to 0.4.0 an
 * address names its `version`, since 1.1.0 interfaces and routes may bear an `mtu`.
 * A previous plugin's interfaces, addresses and routes stand before ours. Of ours those come first that are one of a
 * kind in the cluster: runtimes take the first address of a family for the pod's.
 */
export function addResult(call: AddCall, made: Attachment): Readonly<Record<string, unknown>> {
  const { cniVersion, prevResult } = call;
  const { network } = made;
  const interfaces = prevResult?.interfaces ?? [];
  const podInterface = interfaces.length + 1;
  return {
    cniVersion,
    interfaces: [
      ...interfaces,
      { name: made.hostDevice, ...(made.hostMac === undefined ? {} : { mac: made.hostMac }) },
      {
        name: call.ifname,
        mac: network.mac,
        ...(cniVersion === "1.1.0" ? { mtu: network.mtuBytes } : {}),
        sandbox: call.netns,
      },
    ],
    ips: [
      ...(prevResult?.ips ?? []),
      ...[...infrastructurePrefixes(network), ...network.addresses].map((address) => {
        const gateway = network.addresses.includes(address) ? gatewayOf(address, network.gateways) : undefined;
        return {
          ...(namesFamily(cniVersion) ? { version: isIpv6(address) ? "6" : "4" } : {}),
          address,
          ...(gateway === undefined ? {} : { gateway }),
          interface: podInterface,
        };
      }),
    ],
    routes: [
      ...(prevResult?.routes ?? []),
      // No result can bear a route's source address.
      ...podRoutes(network).map(({ destination, gateway }) => ({ dst: destination, gw: gateway })),
    ],
    dns: prevResult?.dns ?? call.dns ?? {},
  };
}

const isIpv6 = (address: string): boolean => address.includes(":");

const namesFamily = (version: CniVersion): boolean => version === "0.3.1" || version === "0.4.0";

function gatewayOf(address: string, gateways: readonly string[]): string | undefined {
  return gateways.find((gateway) => isIpv6(gateway) === isIpv6(address));
}
