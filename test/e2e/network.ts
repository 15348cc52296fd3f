import { type NetworkConfig, parseNetworkConfig } from "../../controller/ipam/network-config.ts";
import type { Lab } from "../../lab/index.ts";
import { centralFiles } from "../../lab/supervisor/plan.ts";

/** The networks that the lab's controller was started with. */
export function networkOf(lab: Lab): NetworkConfig {
  const { clusterCidrs, nodePrefixes, joinCidrs, serviceCidrs } = lab.layout;
  const parsed = parseNetworkConfig({
    clusterCidr: clusterCidrs,
    nodePrefix: nodePrefixes.map(Number),
    joinCidr: joinCidrs,
    serviceCidr: serviceCidrs,
    mtuBytes: 1400,
  });
  if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed));
  return parsed.network;
}

/** The endpoint of the lab's northbound database. */
export function northboundOf(lab: Lab): string {
  return `unix:${centralFiles(lab.layout).northboundSocket}`;
}
