import { formatAddress, parseAddress } from "../ipam/address.ts";
import { isInCluster, type NetworkConfig } from "../ipam/network-config.ts";
import type { NodeRecord } from "../state/node.ts";
import type { Problem } from "../state/object-problem.ts";
import type { NodeTopology } from "../translate/node-topology.ts";

/** What translation needs to know of a node, and what is wrong with what the node says of itself. */
export interface NodeState {
  readonly topology: NodeTopology;
  readonly problems: readonly Problem[];
}

/** Derives a node's topology from its record and the block that it holds. */
export function nodeStateOf(network: NetworkConfig, node: NodeRecord, block: number): NodeState {
  const problems: Problem[] = [];
  if (node.chassisProblem !== undefined) {
    problems.push({ code: "INVALID_CHASSIS_ANNOTATION", message: node.chassisProblem });
  }
  const addresses = new Set<string>();
  const onBridge = (node.chassis?.gateway?.addresses ?? []).map((text) => text.split("/", 1)[0] ?? "");
  for (const text of [...node.internalAddresses, ...onBridge]) {
    const address = parseAddress(text);
    if (address === undefined || !network.families.some(({ family }) => family === address.family)) continue;
    const canonical = formatAddress(address);
    if (!isInCluster(network, canonical)) addresses.add(canonical);
    else if (!problems.some(({ message }) => message.startsWith(`${canonical} `))) {
      const message = `${canonical} lies in a network of the cluster; change the node's address or the networks`;
      problems.push({ code: "NODE_ADDRESS_IN_CLUSTER_NETWORK", message });
    }
  }
  return {
    topology: { name: node.key, block, addresses: [...addresses].sort(), chassis: node.chassis },
    problems,
  };
}
