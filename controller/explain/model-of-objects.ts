import type { PolicyModel } from "../graph/policy-model.ts";
import { noTenancy, type TenancyView } from "../graph/tenancy-view.ts";
import { projectAdminNetworkPolicy, projectBaselineAdminNetworkPolicy } from "../state/admin-network-policy.ts";
import { projectClusterNetworkPolicy } from "../state/cluster-network-policy.ts";
import { type EndpointSliceRecord, projectEndpointSlice } from "../state/endpoint-slice.ts";
import { projectNamespace } from "../state/namespace.ts";
import { projectNetworkPolicy } from "../state/network-policy.ts";
import { projectNode } from "../state/node.ts";
import type { Problem } from "../state/object-problem.ts";
import { projectPod } from "../state/pod.ts";
import { policyId } from "../state/policy.ts";
import { projectService } from "../state/service.ts";

type Raw = Readonly<Record<string, unknown>>;

/** A cluster as a test writes it: objects as the API gives them, and who has which addresses. */
export interface SmallCluster {
  readonly namespaces?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly pods?: Readonly<Record<string, SmallPod>>;
  /** By name: InternalIPs, and the addresses of the management port. */
  readonly nodes?: Readonly<
    Record<string, { readonly own: readonly string[]; readonly management: readonly string[]; readonly labels?: Raw }>
  >;
  readonly policies?: readonly Raw[];
  /** By `policyId`. */
  readonly shortcomings?: Readonly<Record<string, readonly Problem[]>>;
  readonly services?: readonly Raw[];
  readonly slices?: readonly Raw[];
  readonly domains?: Readonly<Record<string, readonly string[]>>;
  readonly tenancy?: Partial<TenancyView>;
}

export interface SmallPod {
  readonly addresses: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly node?: string;
  readonly ports?: readonly Raw[];
  readonly hostNetwork?: boolean;
  readonly phase?: string;
}

const projections = {
  NetworkPolicy: projectNetworkPolicy,
  AdminNetworkPolicy: projectAdminNetworkPolicy,
  BaselineAdminNetworkPolicy: projectBaselineAdminNetworkPolicy,
  ClusterNetworkPolicy: projectClusterNetworkPolicy,
} as const;

function byKey<T extends { readonly key: string }>(records: readonly T[]): ReadonlyMap<string, T> {
  return new Map(records.map((record) => [record.key, record]));
}

function metadata(key: string, more: Raw = {}): Raw {
  const [first = "", second] = key.split("/");
  return { ...(second === undefined ? { name: first } : { namespace: first, name: second }), uid: key, ...more };
}

function rawPod(key: string, { labels, node, ports, hostNetwork, phase }: SmallPod): Raw {
  return {
    metadata: metadata(key, { labels }),
    spec: { nodeName: node, hostNetwork, containers: [{ name: "main", ports: ports ?? [] }] },
    status: { phase: phase ?? "Running" },
  };
}

/** The model that such a cluster has in the controller. */
export function modelOfObjects(cluster: SmallCluster): PolicyModel {
  const { namespaces = {}, pods = {}, nodes = {}, policies = [], services = [], slices = [], domains = {} } = cluster;
  const { shortcomings = {} } = cluster;
  const holders = new Map(Object.entries(pods).flatMap(([key, { addresses }]) => addresses.map((text) => [text, key])));
  const slicesOf = new Map<string, EndpointSliceRecord[]>();
  for (const slice of slices.map(projectEndpointSlice)) {
    if (slice.service !== undefined) slicesOf.set(slice.service, [...(slicesOf.get(slice.service) ?? []), slice]);
  }
  const records = policies.map((raw) => projections[raw.kind as keyof typeof projections](raw));
  return {
    pods: byKey(Object.entries(pods).map(([key, pod]) => projectPod(rawPod(key, pod)))),
    namespaces: byKey(
      Object.entries(namespaces).map(([key, labels]) => projectNamespace({ metadata: metadata(key, { labels }) })),
    ),
    nodes: byKey(
      Object.entries(nodes).map(([key, { own, labels }]) =>
        projectNode({
          metadata: metadata(key, { labels }),
          status: { addresses: own.map((address) => ({ type: "InternalIP", address })) },
        }),
      ),
    ),
    policies: new Map(records.map((record) => [policyId(record), record])),
    shortcomingsOf: (policy) => shortcomings[policy] ?? [],
    services: byKey(services.map(projectService)),
    endpointsOf: (service) => slicesOf.get(service) ?? [],
    addressesOf: (key) => pods[key]?.addresses ?? [],
    podAt: (address) => holders.get(address),
    managementAddresses: (node) => nodes[node]?.management ?? [],
    tenancy: { ...noTenancy, ...cluster.tenancy },
    domainAddresses: (names) => [...new Set(names.flatMap((name) => domains[name] ?? []))],
  };
}
