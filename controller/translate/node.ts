import type { NodeNetworkAnnotation } from "@ovenbird/kube";
import { bitsOf } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { chassisTemplateVarBundle } from "./chassis-template-var.ts";
import type { Bundle } from "./desired.ts";
import { gatewayRouterBundle } from "./gateway-router.ts";
import { hairpinAddresses } from "./hairpin.ts";
import { nodeEgressPolicies, nodeInHub, subnetsOfNodes } from "./hub.ts";
import { managementMac, managementPortBundle } from "./management-port.ts";
import { managementPort } from "./names.ts";
import { nodeAddressesBundle } from "./node-addresses.ts";
import { nodePortPolicies } from "./node-port-policies.ts";
import { nodeSwitchBundle } from "./node-switch.ts";
import { type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { bands, type PolicyLayout } from "./policy-layout.ts";
import type { HubTenancy } from "./tenancy.ts";

/**
 * All rows of a node. Before its agent has named the chassis there are only the switch and the management port, so that
 * pods can have their ports; the way out comes with the gateway.
 * @param hub absent in a cluster without subnets
 */
export function nodeBundle(
  network: NetworkConfig,
  topology: NodeTopology,
  layout: PolicyLayout = bands,
  hub?: HubTenancy,
): Bundle {
  const { chassis } = topology;
  const parts = [
    nodeSwitchBundle(network, topology, layout),
    managementPortBundle(network, topology),
    nodeAddressesBundle(network, topology),
    chassisTemplateVarBundle(topology),
    ...(hub === undefined ? [] : [nodeInHub(network, topology)]),
    ...(chassis?.gateway === undefined
      ? []
      : [
          gatewayRouterBundle(network, topology, chassis.systemId, chassis.gateway, hub),
          nodePortPolicies(network, topology, hub),
          ...(hub === undefined ? [] : [nodeEgressPolicies(network, topology)]),
        ]),
  ];
  return {
    rows: parts.flatMap(({ rows }) => rows),
    memberships: parts.flatMap(({ memberships }) => memberships),
  };
}

/** What the node's agent is told once the rows are committed. */
export function nodeNetworkOf(
  network: NetworkConfig,
  { name, block }: NodeTopology,
  hub?: HubTenancy,
): NodeNetworkAnnotation {
  const families = nodeFamilies(network, block);
  return {
    index: block,
    subnets: families.map((family) => family.block),
    managementPort: {
      port: managementPort(name),
      mac: managementMac(network, block),
      addresses: families.map(({ management, blockPrefixLength }) => `${management}/${blockPrefixLength}`),
      gateways: families.map(({ router }) => router),
    },
    routes: [
      ...families.flatMap(({ cluster, join }) => [cluster, join]),
      ...network.services.cidrs.map(({ text }) => text),
      ...families.map(({ family }) => `${hairpinAddresses[family]}/${bitsOf(family)}`),
      ...subnetsOfNodes(network, hub),
    ],
    ...(hub === undefined || hub.routed.length === 0 ? {} : { routed: hub.routed.map(({ cidr }) => cidr) }),
    nodePorts: network.services.nodePorts,
    mtuBytes: network.mtuBytes,
  };
}
