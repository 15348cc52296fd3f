import type { PodNetworkAnnotation } from "@ovenbird/kube";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { PodBundle, podNetworkOf } from "../translate/pod-port.ts";
import type { PodPort } from "../translate/pod-port-kinds.ts";
import { SubnetPodBundle, subnetPodNetworkOf } from "../translate/subnet-pod-port.ts";

/** What the pod's node agent is told once the port is committed. */
export function networkOfPort(network: NetworkConfig, port: PodPort): PodNetworkAnnotation | undefined {
  if (port instanceof PodBundle) return podNetworkOf(network, port);
  return port instanceof SubnetPodBundle ? subnetPodNetworkOf(network, port) : undefined;
}
