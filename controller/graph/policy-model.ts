import type { EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { NamespaceRecord } from "../state/namespace.ts";
import type { NodeRecord } from "../state/node.ts";
import type { Problem } from "../state/object-problem.ts";
import type { PodRecord } from "../state/pod.ts";
import type { PolicyRecord } from "../state/policy.ts";
import type { ServiceRecord } from "../state/service.ts";
import type { TenancyView } from "./tenancy-view.ts";

/**
 * What decides who reaches whom, as the graph holds it: a view without copies, for those that explain verdicts. Objects are
 * the newest that were applied; addresses are those of the last flush.
 */
export interface PolicyModel {
  /** By `namespace/name`, as all kinds that live in namespaces. */
  readonly pods: ReadonlyMap<string, PodRecord>;
  readonly namespaces: ReadonlyMap<string, NamespaceRecord>;
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  /** By `policyId`. */
  readonly policies: ReadonlyMap<string, PolicyRecord>;
  /** In what the rows of a policy (by `policyId`) say less or else than its record, for want of room. */
  shortcomingsOf(policy: string): readonly Problem[];
  readonly services: ReadonlyMap<string, ServiceRecord>;
  endpointsOf(service: string): readonly EndpointSliceRecord[];
  /** Those of a pod that has a port which are one of a kind in the cluster, IPv4 first, without prefix lengths; none for others. */
  addressesOf(pod: string): readonly string[];
  /** The key of the pod that has the address (canonical text) for everybody. */
  podAt(address: string): string | undefined;
  /** Those at which a node's own port faces its pods, IPv4 first; none for a node without rows. */
  managementAddresses(node: string): readonly string[];
  /** Who is in which tenant. */
  readonly tenancy: TenancyView;
  /** What is known of domain names as policies give them, each address once; of both families. */
  domainAddresses(names: readonly string[]): readonly string[];
}
