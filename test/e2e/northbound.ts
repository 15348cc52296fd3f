import { setTimeout as delay } from "node:timers/promises";
import { ownerNameOf } from "../../controller/apply/owner.ts";
import { createGraph } from "../../controller/graph/graph.ts";
import { createIpam } from "../../controller/ipam/ipam.ts";
import type { NetworkConfig } from "../../controller/ipam/network-config.ts";
import { createSubnetIpam } from "../../controller/ipam/subnet-ipam.ts";
import {
  projectAdminNetworkPolicy,
  projectBaselineAdminNetworkPolicy,
} from "../../controller/state/admin-network-policy.ts";
import { projectClusterNetworkPolicy } from "../../controller/state/cluster-network-policy.ts";
import { projectEgressIp } from "../../controller/state/egress-ip.ts";
import { projectEndpointSlice } from "../../controller/state/endpoint-slice.ts";
import { projectFloatingIp } from "../../controller/state/floating-ip.ts";
import { projectIpAddress } from "../../controller/state/ip-address.ts";
import { projectIpPool } from "../../controller/state/ip-pool.ts";
import { projectNamespace } from "../../controller/state/namespace.ts";
import { projectNetworkPolicy } from "../../controller/state/network-policy.ts";
import { projectNode } from "../../controller/state/node.ts";
import { projectPod } from "../../controller/state/pod.ts";
import { policyId } from "../../controller/state/policy.ts";
import { projectProviderNetwork } from "../../controller/state/provider-network.ts";
import { projectService } from "../../controller/state/service.ts";
import type { StateEvent } from "../../controller/state/state-event.ts";
import { projectSubnet } from "../../controller/state/subnet.ts";
import { projectTenant } from "../../controller/state/tenant.ts";
import type { DesiredValue } from "../../controller/translate/desired.ts";
import { ownerKey } from "../../controller/translate/owner.ts";
import { policyLayout } from "../../controller/translate/policy-layout.ts";
import { subnetKey } from "../../controller/translate/subnet-pod-port.ts";
import {
  adminNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  egressIps,
  endpointSlices,
  floatingIps,
  ipAddresses,
  ipPools,
  isKubeError,
  type KubeClient,
  namespaces,
  networkPolicies,
  nodes,
  pods,
  providerNetworks,
  type Resource,
  services,
  subnets,
  tenants,
} from "../../kube/index.ts";
import { createClient, type UntypedModel, type UntypedRow } from "../../ovsdb-client-ts/index.ts";

/** Tables in which the controller keeps rows. */
const tables = [
  "ACL",
  "Address_Set",
  "Chassis_Template_Var",
  "DHCP_Options",
  "Gateway_Chassis",
  "Load_Balancer",
  "Load_Balancer_Group",
  "Logical_Router",
  "Logical_Router_Policy",
  "Logical_Router_Port",
  "Logical_Router_Static_Route",
  "Logical_Switch",
  "Logical_Switch_Port",
  "Meter",
  "Meter_Band",
  "NAT",
  "Port_Group",
  "QoS",
] as const;

/** Columns whose members decide about packets: one too many is as wrong as one too few. */
const memberColumns = [
  ["Port_Group", "ports"],
  ["Port_Group", "acls"],
  ["Address_Set", "addresses"],
  ["Logical_Router", "policies"],
  ["Logical_Router", "static_routes"],
  ["Logical_Router", "nat"],
  ["Logical_Router_Port", "gateway_chassis"],
  ["Logical_Switch", "qos_rules"],
] as const;

/** Policies of all kinds: where they are, and how they are read. */
const policyKinds = [
  [networkPolicies, projectNetworkPolicy],
  [adminNetworkPolicies, projectAdminNetworkPolicy],
  [baselineAdminNetworkPolicies, projectBaselineAdminNetworkPolicy],
  [clusterNetworkPolicies, projectClusterNetworkPolicy],
] as const;

/** Ovenbird's own kinds that decide about addresses; where they aren't defined there are none. */
const ownKinds = [
  ["tenant", tenants, projectTenant],
  ["subnet", subnets, projectSubnet],
  ["ipPool", ipPools, projectIpPool],
  ["ipAddress", ipAddresses, projectIpAddress],
  ["providerNetwork", providerNetworks, projectProviderNetwork],
  ["egressIp", egressIps, projectEgressIp],
  ["floatingIp", floatingIps, projectFloatingIp],
] as const;

async function listIfDefined(client: KubeClient, resource: Resource): Promise<readonly unknown[]> {
  try {
    return (await client.list<unknown>(resource)).items;
  } catch (error) {
    if (isKubeError(error, "NOT_FOUND")) return [];
    throw error;
  }
}

export interface OurRow {
  readonly table: string;
  readonly owner: string;
  readonly row: UntypedRow;
}

/** The rows that bear an owner of ours, by UUID, as the server has them now. */
export async function readOurRows(endpoint: string): Promise<ReadonlyMap<string, OurRow>> {
  const client = createClient<UntypedModel>({ endpoints: endpoint, database: "OVN_Northbound" });
  try {
    const replica = await client.replicate(Object.fromEntries(tables.map((table) => [table, "all"])));
    const found = new Map<string, OurRow>();
    for (const table of tables) {
      for (const row of replica.table(table).values()) {
        const owner = ownerNameOf(table, row);
        if (owner !== undefined) found.set(String(row._uuid), { table, owner, row });
      }
    }
    return found;
  } finally {
    await client.close();
  }
}

/** One way of writing a value, whichever side it is from: sets and maps have no order. */
function plain(value: unknown): string {
  if (value === undefined) return "[]";
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return JSON.stringify(value.map(String).sort());
  if (Symbol.iterator in value) {
    const members = [...(value as Iterable<unknown>)];
    return "get" in value ? plain(Object.fromEntries(members as [string, unknown][])) : plain(members);
  }
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An optional column that is set may be desired as a set of one. */
function sameValue(desired: DesiredValue, actual: unknown): boolean {
  return plain(desired) === plain(actual) || (actual !== undefined && plain(desired) === plain([actual]));
}

/** Of a row's external_ids those that are desired; the owner and others' keys are no matter here. */
function oursOf(row: UntypedRow, desired: DesiredValue): ReadonlyMap<string, string> {
  const keys = new Set(Object.keys(desired as object));
  return new Map([...(row.external_ids as ReadonlyMap<string, string>)].filter(([key]) => keys.has(key)));
}

export interface Comparison {
  /** What differs, in words; empty when the database holds exactly what a translation from scratch gives. */
  readonly differences: readonly string[];
  readonly podPorts: number;
}

/**
 * Compares until nothing differs, at most for ten seconds: what Kubernetes has just told takes the controller some
 * milliseconds.
 */
export async function untilAsFromScratch(...args: Parameters<typeof compareWithScratch>): Promise<Comparison> {
  const giveUpAt = performance.now() + 10_000;
  for (;;) {
    const comparison = await compareWithScratch(...args);
    if (comparison.differences.length === 0 || performance.now() > giveUpAt) return comparison;
    await delay(50);
  }
}

/**
 * Translates what Kubernetes says now from scratch, with the reservations that the database holds, and compares each row,
 * each membership and the absence of all others with the database.
 */
export async function compareWithScratch(
  client: KubeClient,
  network: NetworkConfig,
  endpoint: string,
): Promise<Comparison> {
  const actual = await readOurRows(endpoint);
  const [podList, nodeList, serviceList, sliceList] = await Promise.all(
    [pods, nodes, services, endpointSlices].map((resource) => client.list<unknown>(resource)),
  );
  if (!podList || !nodeList || !serviceList || !sliceList) throw new Error("a list is missing");
  const podRecords = podList.items.map(projectPod);
  const nodeRecords = nodeList.items.map(projectNode);
  const ipam = createIpam(network);
  const ports = [...actual.values()].filter(({ table }) => table === "Logical_Switch_Port");
  const rows = ports.map(({ row }) => ({
    owner: (row.external_ids as ReadonlyMap<string, string>).get(ownerKey) ?? "",
    addresses: [...(row.addresses as ReadonlySet<string>)],
    uid: (row.options as ReadonlyMap<string, string>).get("iface-id-ver"),
    subnet: (row.external_ids as ReadonlyMap<string, string>).get(subnetKey),
  }));
  const subnetIpam = createSubnetIpam(network);
  const hasTiers = [...actual.values()].some(({ table, row }) => table === "ACL" && "tier" in row);
  const graph = createGraph({
    network,
    ipam,
    subnetIpam,
    report: () => undefined,
    previousBackends: (uuid, vip) => (actual.get(uuid)?.row.vips as ReadonlyMap<string, string> | undefined)?.get(vip),
    layout: policyLayout({ aclTiers: hasTiers, aclPass: hasTiers }),
  });
  for (const item of (await client.list<unknown>(namespaces)).items) {
    const object = projectNamespace(item);
    graph.apply({ kind: "namespace", change: "upsert", key: object.key, object });
  }
  for (const [kind, resource, project] of ownKinds) {
    for (const item of await listIfDefined(client, resource)) {
      const object = project(item);
      graph.apply({ kind, change: "upsert", key: object.key, object } as StateEvent);
    }
  }
  const routerPorts = [...actual.values()]
    .filter(({ table }) => table === "Logical_Router_Port")
    .map(({ row }) => ({
      owner: (row.external_ids as ReadonlyMap<string, string>).get(ownerKey) ?? "",
      networks: [...(row.networks as ReadonlySet<string>)],
    }));
  graph.restore({ rows, routerPorts, pods: podRecords, nodes: nodeRecords });
  for (const [resource, project] of policyKinds) {
    for (const item of (await client.list<unknown>(resource)).items) {
      const object = project(item);
      graph.apply({ kind: "policy", change: "upsert", key: policyId(object), object });
    }
  }
  for (const object of nodeRecords) graph.apply({ kind: "node", change: "upsert", key: object.key, object });
  for (const object of podRecords) graph.apply({ kind: "pod", change: "upsert", key: object.key, object });
  for (const item of serviceList.items) {
    const object = projectService(item);
    graph.apply({ kind: "service", change: "upsert", key: object.key, object });
  }
  for (const item of sliceList.items) {
    const object = projectEndpointSlice(item);
    graph.apply({ kind: "endpointSlice", change: "upsert", key: object.key, object });
  }
  const bundles = graph.flush().flatMap(({ bundle }) => (bundle === undefined ? [] : [bundle]));

  const differences: string[] = [];
  const expected = new Set<string>();
  for (const row of bundles.flatMap(({ rows }) => rows)) {
    expected.add(row.uuid);
    const found = actual.get(row.uuid);
    if (found === undefined) {
      differences.push(`${row.table} ${row.owner} is missing`);
      continue;
    }
    for (const [column, value] of Object.entries(row.columns)) {
      if (!sameValue(value, column === "external_ids" ? oursOf(found.row, value) : found.row[column])) {
        differences.push(`${row.owner} ${column}: ${plain(found.row[column])} instead of ${plain(value)}`);
      }
    }
  }
  for (const [uuid, { table, owner }] of actual) {
    if (!expected.has(uuid)) differences.push(`${table} ${owner} is one too many`);
  }
  for (const { table, row, column, member } of bundles.flatMap(({ memberships }) => memberships)) {
    const set = actual.get(row)?.row[column] as ReadonlySet<string> | undefined;
    if (set?.has(member) !== true) differences.push(`${table} ${row} ${column} lacks ${member}`);
  }
  const members = new Set(
    bundles.flatMap(({ memberships }) => memberships.map(({ row, column, member }) => `${row} ${column} ${member}`)),
  );
  const inColumns = new Map(bundles.flatMap(({ rows }) => rows.map(({ uuid, columns }) => [uuid, columns] as const)));
  for (const [uuid, { table, owner, row }] of actual) {
    for (const column of memberColumns.flatMap(([of, name]) => (of === table ? [name] : []))) {
      if (inColumns.get(uuid)?.[column] !== undefined) continue;
      for (const member of row[column] as ReadonlySet<string>)
        if (!members.has(`${uuid} ${column} ${member}`)) differences.push(`${owner} ${column} has ${member} too much`);
    }
  }
  const podPorts = ports.filter(({ owner }) => owner.startsWith("Pod/"));
  const addresses = podPorts.flatMap(({ row }) => [...(row.addresses as ReadonlySet<string>)]);
  if (new Set(addresses).size !== addresses.length) differences.push("two ports have one address");
  return { differences, podPorts: podPorts.length };
}
