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

/** The node's addresses of the families that the cluster has, in canonical form, sorted, each once. */
function ownAddresses(network: NetworkConfig, { internalAddresses, chassis }: NodeRecord): string[] {
  const onBridge = (chassis?.gateway?.addresses ?? []).map((text) => text.split("/", 1)[0] ?? "");
  const own = [...internalAddresses, ...onBridge].flatMap((text) => {
    const address = parseAddress(text);
    const isUsed = address !== undefined && network.families.some(({ family }) => family === address.family);
    return isUsed ? [formatAddress(address)] : [];
  });
  return [...new Set(own)].sort();
}

/** Derives a node's topology from its record and the block that it holds. */
export function nodeStateOf(network: NetworkConfig, node: NodeRecord, block: number): NodeState {
  const problems: Problem[] = [];
  if (node.chassisProblem !== undefined) {
    problems.push({ code: "INVALID_CHASSIS_ANNOTATION", message: node.chassisProblem });
  }
  const own = ownAddresses(network, node);
  for (const address of own.filter((candidate) => isInCluster(network, candidate))) {
    const message = `${address} lies in a network of the cluster; change the node's address or the networks`;
    problems.push({ code: "NODE_ADDRESS_IN_CLUSTER_NETWORK", message });
  }
  const addresses = own.filter((address) => !isInCluster(network, address));
  return {
    topology: { name: node.key, block, zone: node.zone, addresses, chassis: node.chassis },
    problems,
  };
}
