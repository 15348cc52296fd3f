import type { NodeNetworkAnnotation, PodNetworkAnnotation } from "@ovenbird/kube";
import { domainPatternsOf } from "@ovenbird/kube";
import { createDomainAddresses } from "../domains/domain-addresses.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { RestoreInput } from "../ipam/restore.ts";
import { createSubnetIpam, type SubnetIpam } from "../ipam/subnet-ipam.ts";
import { readSubnetClaims, type SubnetRestoreInput } from "../ipam/subnet-restore.ts";
import type { DomainRecord } from "../state/domain-name.ts";
import type { IpAddressRecord } from "../state/ip-address.ts";
import type { NamespaceRecord } from "../state/namespace.ts";
import type { NodeRecord } from "../state/node.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import type { PodRecord } from "../state/pod.ts";
import type { StateEvent } from "../state/state-event.ts";
import type { Bundle, BundleChange } from "../translate/desired.ts";
import { zoneBundle, zoneOwner } from "../translate/load-balancer-groups.ts";
import { nodeBundle, nodeNetworkOf } from "../translate/node.ts";
import { nodeOwner } from "../translate/node-switch.ts";
import { parseOwner } from "../translate/owner.ts";
import { podOwner } from "../translate/pod-port.ts";
import { type PolicyLayout, policyLayout } from "../translate/policy-layout.ts";
import type { PreviousBackends } from "../translate/service.ts";
import { tenantBundle, tenantOwner } from "../translate/tenant-router.ts";
import { createContentSets } from "./content-sets.ts";
import { createPolicyModel } from "./create-policy-model.ts";
import { createTenancyView } from "./create-tenancy-view.ts";
import { networkOfPort } from "./network-of-port.ts";
import { createNodeGraph } from "./nodes.ts";
import { createOutletGraph, isOutletOwner } from "./outlets.ts";
import { createPodSets } from "./pod-sets.ts";
import { createPodGraph, type PodChanges } from "./pods.ts";
import { createPolicyGraph } from "./policies.ts";
import type { PolicyModel } from "./policy-model.ts";
import { policyNodes, sameForPolicies } from "./policy-nodes.ts";
import { createProblemLog } from "./problem-log.ts";
import type { ResourceOutlook } from "./resource-conditions.ts";
import { createOutlook } from "./resource-outlook.ts";
import { createServiceNodeIndex } from "./service-node-index.ts";
import { createServiceGraph } from "./services.ts";
import { createSubnetPods } from "./subnet-pods.ts";
import { createSubnetGraph } from "./subnets.ts";
import { createTenancy } from "./tenancy.ts";
import type { SetChanges } from "./used-set.ts";

export interface GraphOptions {
  readonly network: NetworkConfig;
  /** Restored with the graph, or before the first flush. */
  readonly ipam: Ipam;
  /** Restored with the graph; by default nothing was held before. */
  readonly subnetIpam?: SubnetIpam;
  /** Called during `flush` and `apply`, once for each problem that is new. */
  readonly report: (problem: ObjectProblem) => void;
  /** What the database holds for virtual addresses of services; by default nothing. */
  readonly previousBackends?: PreviousBackends;
  /** `policyId`s of policies that have rows in the database at the start; by default none. */
  readonly previousPolicies?: () => Iterable<string>;
  /** Where policies' ACLs stand; by default as every northbound schema can have it. */
  readonly layout?: PolicyLayout;
}

/**
 * From the state of nodes, namespaces, pods, services, policies and domain names to bundles of rows. An event marks what it
 * touches; `flush` computes that and nothing else. What comes out depends on the current state, on the addresses reserved and
 * on the places that backends have, never on the order or the number of events.
 *
 *   nodes ─▶ placements ───────────────▶ pods ─▶ ports ◀─ places ─┐
 *     │                                   └─▶ classes of pods ─▶ pod sets ◀─┐
 *     ├─▶ addresses ─▶ content sets ◀─ domain names                 ▲       │ asked for
 *     └─▶ service nodes ─▶ services        └────────── policies ────┴───────┘
 */
export interface Graph extends ResourceOutlook {
  apply(event: StateEvent): void;
  /** Takes over what was held before; after all but nodes and pods was applied, and before the first flush. */
  restore(input: GraphRestoreInput): void;
  /**
   * What changed since the last flush, in an order in which it can be committed: first what goes (services, pods, nodes), then
   * what comes or changes (tenant, zones, nodes, pods, services), and last the zones that their nodes have left; so an address's
   * former row goes before its next one comes. Nodes that move to a new zone do so after services have come there. The first
   * flush has to see all nodes and pods there are: what was restored for others is given up then, and their rows go.
   *
   * So that no pod is open for a moment to what policies forbid before and after it: sets and groups come first; then, in
   * one transaction, pods that were there join them, policies come, change and go (after a start these go later); pods leave what
   * shut them; new pods come; and last the sets and groups go, with whoever is in them and would belong there still. An owner may
   * be in the list twice: see {@link BundleChange}.
   */
  flush(): readonly BundleChange[];
  /** What one owner (`kind/key`, a `#part` is ignored) shall have as of the last flush. */
  bundleOf(owner: string): Bundle | undefined;
  /** What the pod's annotation should say, as of the last flush; absent for pods that have no port. */
  podNetwork(key: string): PodNetworkAnnotation | undefined;
  nodeNetwork(key: string): NodeNetworkAnnotation | undefined;
  /** The pod whose addresses an IPAddress keeps: it is told of them once that is written. */
  podKeptBy(address: string): string | undefined;
  /** Where OVN has the outer port of a router for EgressIPs now; tells of it by conditions. */
  applyOutlet(port: string, systemId: string | undefined): void;
  /** Whether there are routers that move between nodes. */
  readonly usesOutlets: boolean;
  /** What decides who reaches whom. */
  readonly model: PolicyModel;
  /** How many objects are known, have rows, or have a problem. */
  readonly counts: {
    readonly nodes: number;
    readonly namespaces: number;
    readonly pods: number;
    readonly ports: number;
    readonly services: number;
    readonly endpoints: number;
    readonly policies: number;
    readonly problems: number;
  };
}

/** Rows of the northbound database, and all pods and nodes there are. */
export interface GraphRestoreInput extends RestoreInput, SubnetRestoreInput {
  readonly pods: readonly PodRecord[];
}

function* keysOf({ gone, changed, added }: PodChanges): Generator<string> {
  for (const changes of [gone, changed, added]) for (const { owner } of changes) yield owner.key;
}

const inOneStep = (change: BundleChange): BundleChange => ({ ...change, together: true });
const everySchemas = policyLayout({ aclTiers: false, aclPass: false });

export function createGraph(options: GraphOptions): Graph {
  const { network, ipam, report, previousBackends = () => undefined, layout = everySchemas } = options;
  const { previousPolicies = () => [], subnetIpam = createSubnetIpam(network) } = options;
  const namespaces = new Map<string, NamespaceRecord>();
  const problems = createProblemLog(report);
  const serviceNodes = createServiceNodeIndex(network, (address) => subnetPods.at(address) !== undefined);
  const services = createServiceGraph({
    ...{ network, nodes: serviceNodes, problems, restored: previousBackends },
    outlets: () => outlets.isUsed,
  });
  const domains = createDomainAddresses();
  const podSets = createPodSets();
  const contentSets = createContentSets({
    network,
    nodes: () => policyNodes(network, nodes),
    domainAddresses: domains.of,
  });
  const policies = createPolicyGraph({ network, layout, podSets, contentSets, problems, restored: previousPolicies });
  const tenancy = createTenancy({ network, subnetIpam, nodes: () => nodes.records.values() });
  const subnets = createSubnetGraph({
    network,
    layout,
    subnetIpam,
    tenancy,
    services: { services: services.records, slicesOf: services.slicesOf, nodes: serviceNodes },
    topologyOf: (name) => nodes.topologyOf(name),
    onPlacement: (pod) => pods.touch(pod),
    onUse: (subnet) => outlook.touchUse(subnet),
  });
  const subnetPods = createSubnetPods({ network, ipam, subnetIpam, tenancy, subnets });
  const nodes = createNodeGraph({
    network,
    layout,
    ipam,
    problems,
    hub: () => subnets.hub,
    isHeld: subnets.holdsOn,
    onTopology(name, topology) {
      serviceNodes.set(name, topology);
      contentSets.touchNodes();
      subnets.touchNode(name);
      outlets.touch();
    },
    onPlacement: (name) => pods.touchNode(name),
  });
  const pods = createPodGraph({
    network,
    ipam,
    problems,
    report,
    index: podSets.index,
    subnets: subnetPods,
    placementOf: nodes.placementOf,
  });
  const outlets = createOutletGraph({
    network,
    nodes,
    pods,
    podSets,
    subnets: () => tenancy.resolution.subnets.values(),
    hub: () => subnets.hub,
    isInUnderlay: ({ subnet }) =>
      subnet !== undefined && tenancy.resolution.subnets.get(subnet)?.record.mode === "Underlay",
  });
  const view = createTenancyView({ tenancy, subnets, subnetPods, pods });
  const outlook = createOutlook({ subnetIpam, tenancy, subnets, isNode: (name) => nodes.records.has(name) });
  /** Of IPAddress objects. */
  const subnetOfKept = new Map<string, string>();
  let isFirstFlush = true;

  /** What nodes have in common: the tenant's rows, those of zones that came, and of zones that no node is in any more. */
  function flushShared(hubChanged: boolean): { readonly changed: BundleChange[]; readonly left: BundleChange[] } {
    const changes = serviceNodes.takeChanges();
    services.applyNodes(changes);
    const { added, removed } = changes.zones;
    const come = (isFirstFlush ? serviceNodes.zones : added).map((zone) => ({
      owner: zoneOwner(zone),
      bundle: zoneBundle(zone),
    }));
    const isOther = isFirstFlush || hubChanged;
    const tenant = isOther ? [{ owner: tenantOwner, bundle: tenantBundle(network, layout, subnets.hub) }] : [];
    const left = removed.map((zone) => ({ owner: zoneOwner(zone), bundle: undefined }));
    return { changed: [...tenant, ...come], left };
  }

  /** Owners whose rows were there before the start and that shall have none. */
  function goneBefore(restored: ReadonlySet<string>): BundleChange[] {
    const ofPods: BundleChange[] = [];
    const ofNodes: BundleChange[] = [];
    for (const text of restored) {
      const owner = parseOwner(text);
      if (owner === undefined) continue;
      const { kind, key } = owner;
      if (kind === "Pod" && pods.bundleOf(key) === undefined) ofPods.push({ owner: podOwner(key), bundle: undefined });
      if (kind === "Node" && nodes.topologyOf(key) === undefined) {
        ofNodes.push({ owner: nodeOwner(key), bundle: undefined });
      }
      // Their ports' links are other tenants' or nodes' addresses the next moment.
      const isTenants = kind === "Subnet" || (kind === "Tenant" && key !== tenantOwner.key);
      if (isTenants && !subnets.owns(owner)) ofNodes.push({ owner: { kind, key }, bundle: undefined });
    }
    return [...ofPods, ...ofNodes];
  }

  function applyNamespace(key: string, namespace: NamespaceRecord | undefined): void {
    if (namespace === undefined) namespaces.delete(key);
    else namespaces.set(key, namespace);
    tenancy.applyNamespace(key, namespace);
    podSets.index.setNamespace(key, namespace?.labels);
    policies.applyNamespace(key, namespace?.logPolicy);
  }

  function applyNode(key: string, node: NodeRecord | undefined): void {
    const before = nodes.records.get(key);
    if (!sameForPolicies(before, node)) contentSets.touchNodes();
    if (before?.labels !== node?.labels) outlets.touch();
    if (before?.internalAddresses.join() !== node?.internalAddresses.join()) tenancy.touchNodes();
    if ((node === undefined) === nodes.records.has(key)) outlook.touchNode(key);
    nodes.apply(key, node);
  }

  function applyKept(name: string, kept: IpAddressRecord | undefined): void {
    const before = subnetOfKept.get(name);
    subnetIpam.setKept(name, kept);
    if (kept === undefined) subnetOfKept.delete(name);
    else subnetOfKept.set(name, kept.subnet);
    for (const subnet of new Set([before, kept?.subnet])) {
      if (subnet === undefined) continue;
      subnetPods.wake(subnet);
      tenancy.touchUse(subnet);
      outlook.touchUse(subnet);
    }
  }

  function applyDomain(name: string, domain: DomainRecord | undefined): void {
    domains.set(name, domain?.addresses ?? []);
    contentSets.touchDomains(domainPatternsOf(name));
  }

  return {
    apply({ kind, change, key, object }) {
      if (kind === "node") applyNode(key, change === "upsert" ? object : undefined);
      else if (kind === "pod") {
        pods.apply(key, change === "upsert" ? object : undefined);
        outlets.applyPod(key);
      } else if (kind === "egressIp") outlets.applyEgressIp(key, change === "upsert" ? object : undefined);
      else if (kind === "floatingIp") outlets.applyFloatingIp(key, change === "upsert" ? object : undefined);
      else if (kind === "service") {
        services.applyService(key, change === "upsert" ? object : undefined);
        subnets.touchService(key);
      } else if (kind === "endpointSlice") {
        const service = change === "upsert" ? object?.service : services.serviceOf(key);
        services.applySlice(key, change === "upsert" ? object : undefined);
        if (service !== undefined) subnets.touchService(service);
      } else if (kind === "tenant") tenancy.applyTenant(key, change === "upsert" ? object : undefined);
      else if (kind === "subnet") {
        const isElsewhere = tenancy.applySubnet(key, change === "upsert" ? object : undefined);
        subnetPods.wake(key);
        if (isElsewhere || !tenancy.hasNetworks(key)) for (const pod of subnets.podsIn(key)) pods.touch(pod);
      } else if (kind === "ipPool") {
        const of = object?.subnet ?? tenancy.pools.get(key)?.subnet;
        tenancy.applyPool(key, change === "upsert" ? object : undefined);
        if (of !== undefined) subnetPods.wake(of);
      } else if (kind === "ipAddress") applyKept(key, change === "upsert" ? object : undefined);
      else if (kind === "providerNetwork") outlook.applyProviderNetwork(key, change === "upsert" ? object : undefined);
      else if (kind === "policy") policies.apply(key, change === "upsert" ? object : undefined);
      else if (kind === "domain") applyDomain(key, change === "upsert" ? object : undefined);
      else if (kind === "namespace") applyNamespace(key, change === "upsert" ? object : undefined);
    },
    restore({ rows, routerPorts, pods: all, nodes: restoredNodes }) {
      const believed = subnetPods.credible(all);
      ipam.restore({ rows, pods: believed, nodes: restoredNodes });
      const claims = { rows, routerPorts, pods: believed };
      const { holdings, tenantNumbers, slices } = readSubnetClaims(network, claims);
      subnetIpam.restore(holdings, tenantNumbers, slices);
      subnets.noteNumbers(tenantNumbers);
    },
    flush() {
      const vacated = pods.release(isFirstFlush);
      const { choicesChanged, allChanged, hubChanged } = subnets.resolve();
      if (choicesChanged) subnetPods.wakeAll();
      pods.touchMoved(tenancy.takeMovedNamespaces());
      if (hubChanged) nodes.touchAll();
      nodes.release(vacated, isFirstFlush);
      const nodeChanges = nodes.flush();
      // In whose tenant a pod is decides about what policies make of it.
      pods.reserve();
      const subnetChanges = subnets.flush();
      for (const [tenant, peers] of subnetChanges.peers) policies.applyTenant(tenant, peers);
      if (choicesChanged || hubChanged) outlets.touch();
      const usedOutlets = outlets.isUsed;
      outlets.resolve();
      if (outlets.isUsed !== usedOutlets) services.touchOutlets();
      if (allChanged) outlook.touchAll();
      for (const tenant of tenancy.takeMoved()) outlook.touchTenant(tenant);
      const policyChanges = policies.flush();
      for (const key of podSets.flushPlaces()) pods.touch(key);
      const restored = ipam.takeRestoredOwners();
      const podChanges = pods.flush(restored, policyChanges.changed.length > 0);
      const outletChanges = outlets.flush(keysOf(podChanges));
      const sets: SetChanges = { came: [], left: [] };
      podSets.flushRows(sets);
      contentSets.flush(sets);
      const shared = flushShared(hubChanged);
      const serviceChanges = services.flush();
      // Nodes that are at work find the services in the zone that they come to. After a start they keep what they had till the end.
      const movesNodes = !isFirstFlush && shared.changed.length > 0;
      // Labels of a namespace change all its pods at once: some of them before the others would be no state that ever was.
      const changedPods = isFirstFlush ? podChanges.changed : podChanges.changed.map(inOneStep);
      isFirstFlush = false;
      const before = goneBefore(restored);
      const gone = [
        before,
        serviceChanges.gone,
        podChanges.gone,
        subnetChanges.gone,
        outletChanges.gone,
        nodeChanges.gone,
      ];
      const ofPods = [sets.came, changedPods, policyChanges.changed, podChanges.opened, podChanges.added];
      // A switch has its slices before the pods that are in them.
      const ofNodes = [nodeChanges.changed, subnetChanges.changed, ...ofPods];
      const changed = movesNodes ? [serviceChanges.changed, ...ofNodes] : [...ofNodes, serviceChanges.changed];
      // A floating address leaves its pod before another pod has that one's address; others come when sets of pods are filled.
      const first = [shared.changed, outletChanges.moved];
      return [...gone, ...first, ...changed, outletChanges.changed, policyChanges.gone, sets.left, shared.left].flat(2);
    },
    bundleOf(text) {
      const owner = parseOwner(text);
      if (owner?.kind === tenantOwner.kind && owner.key === tenantOwner.key) {
        return tenantBundle(network, layout, subnets.hub);
      }
      if (owner?.kind === tenantOwner.kind || owner?.kind === "Subnet") return subnets.bundleOf(owner);
      if (owner?.kind === "Zone") {
        const zone = serviceNodes.zones.find((candidate) => zoneOwner(candidate).key === owner.key);
        return zone === undefined ? undefined : zoneBundle(zone);
      }
      if (owner?.kind === "Pod") return pods.bundleOf(owner.key);
      if (owner?.kind === "Service") return services.bundleOf(owner.key);
      if (owner?.kind === "Node") {
        const topology = nodes.topologyOf(owner.key);
        return topology && nodeBundle(network, topology, layout, subnets.hub);
      }
      if (owner?.kind === "PodSelector") return podSets.bundleOf(owner.key);
      if (owner !== undefined && isOutletOwner(owner)) return outlets.bundleOf(owner);
      return owner && (policies.bundleOf(owner) ?? contentSets.bundleOf(owner));
    },
    model: createPolicyModel({ network, pods, nodes, namespaces, policies, services, domains, tenancy: view }),
    conditions(kind, key) {
      const said = outlets.conditions(kind, key) ?? outlook.conditions(kind, key);
      const problemsOut = kind === "Subnet" ? outlets.problemsOfSubnet(key) : [];
      return said === undefined || problemsOut.length === 0
        ? said
        : { ...said, isReady: false, problems: [...said.problems, ...problemsOut] };
    },
    takeChangedConditions: () => [...outlook.takeChangedConditions(), ...outlets.takeChangedConditions()],
    applyOutlet: outlets.applyActive,
    get usesOutlets() {
      return outlets.isUsed;
    },
    podRefusal: subnetPods.refusalOf,
    takeChangedRefusals: subnetPods.takeChangedRefusals,
    podKeptBy: subnetPods.keptBy,
    podNetwork(key) {
      const port = pods.bundleOf(key);
      const keptBy = subnetPods.held(key)?.keptBy;
      // What outlives the pod has to be written before anybody is told of it.
      const isSafe = keptBy === undefined || subnetIpam.isWritten(keptBy);
      return port && isSafe ? networkOfPort(network, port) : undefined;
    },
    nodeNetwork(key) {
      const topology = nodes.topologyOf(key);
      return topology && nodeNetworkOf(network, topology, subnets.hub);
    },
    get counts() {
      return {
        nodes: nodes.records.size,
        namespaces: namespaces.size,
        pods: pods.records.size,
        ports: pods.ports,
        services: services.records.size,
        endpoints: services.endpoints,
        policies: policies.records.size,
        problems: problems.size,
      };
    },
  };
}
