import { formatAddress, parseAddress } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { NodeRecord } from "../state/node.ts";
import type { PolicyNode } from "../translate/address-blocks.ts";
import { nodeFamilies } from "../translate/node-topology.ts";
import type { NodeGraph } from "./nodes.ts";

/** Whether policies can't tell two states of a node apart, but for its block. */
export function sameForPolicies(one: NodeRecord | undefined, other: NodeRecord | undefined): boolean {
  return one?.labels === other?.labels && one?.internalAddresses.join() === other?.internalAddresses.join();
}

/** The nodes as policies see them. */
export function policyNodes(network: NetworkConfig, { records, topologyOf }: NodeGraph): readonly PolicyNode[] {
  return [...records.values()].map(({ key, labels, internalAddresses }) => {
    const topology = topologyOf(key);
    return {
      labels,
      internal: internalAddresses.flatMap((text) => {
        const address = parseAddress(text);
        return address === undefined ? [] : [formatAddress(address)];
      }),
      management:
        topology === undefined ? [] : nodeFamilies(network, topology.block).map(({ management }) => management),
    };
  });
}
