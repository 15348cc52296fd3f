import type { DomainAddresses } from "../domains/domain-addresses.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { NamespaceRecord } from "../state/namespace.ts";
import { nodeFamilies } from "../translate/node-topology.ts";
import type { NodeGraph } from "./nodes.ts";
import type { PodGraph } from "./pods.ts";
import type { PolicyGraph } from "./policies.ts";
import type { PolicyModel } from "./policy-model.ts";
import type { ServiceGraph } from "./services.ts";
import { noTenancy, type TenancyView } from "./tenancy-view.ts";

/** The view of the graph's parts that explains verdicts. */
export function createPolicyModel(parts: {
  readonly network: NetworkConfig;
  readonly pods: PodGraph;
  readonly nodes: NodeGraph;
  readonly namespaces: ReadonlyMap<string, NamespaceRecord>;
  readonly policies: PolicyGraph;
  readonly services: ServiceGraph;
  readonly domains: DomainAddresses;
  readonly tenancy?: TenancyView;
}): PolicyModel {
  const { network, pods, nodes, namespaces, policies, services, domains, tenancy = noTenancy } = parts;
  return {
    pods: pods.records,
    namespaces,
    nodes: nodes.records,
    policies: policies.records,
    shortcomingsOf: policies.shortcomingsOf,
    services: services.records,
    endpointsOf: services.slicesOf,
    addressesOf: (pod) => pods.bundleOf(pod)?.addresses ?? [],
    podAt: pods.at,
    managementAddresses(node) {
      const topology = nodes.topologyOf(node);
      return topology === undefined ? [] : nodeFamilies(network, topology.block).map(({ management }) => management);
    },
    tenancy,
    domainAddresses: (names) => [...domains.of(names)],
  };
}
