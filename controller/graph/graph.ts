import {
  type NodeNetworkAnnotation,
  type PodNetworkAnnotation,
  podNetworkAnnotation,
  readAnnotation,
} from "@ovenbird/kube";
import type { Ipam } from "../ipam/ipam.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { NamespaceRecord } from "../state/namespace.ts";
import type { NodeRecord } from "../state/node.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import type { PodRecord } from "../state/pod.ts";
import type { ServiceRecord } from "../state/service.ts";
import type { StateEvent } from "../state/state-event.ts";
import type { Bundle, BundleChange } from "../translate/desired.ts";
import { zoneBundle, zoneOwner } from "../translate/load-balancer-groups.ts";
import { nodeBundle, nodeNetworkOf } from "../translate/node.ts";
import { nodeOwner } from "../translate/node-switch.ts";
import type { NodeTopology } from "../translate/node-topology.ts";
import { ownerText, parseOwner } from "../translate/owner.ts";
import {
  PodBundle,
  type PodPlacement,
  podNetworkOf,
  podOwner,
  podPlacement,
  samePlacement,
} from "../translate/pod-port.ts";
import type { PreviousBackends } from "../translate/service.ts";
import { tenantBundle, tenantOwner } from "../translate/tenant-router.ts";
import { nodeStateOf } from "./node-state.ts";
import { createProblemLog } from "./problem-log.ts";
import { createServiceNodeIndex } from "./service-node-index.ts";
import { createServiceGraph } from "./services.ts";
import { createWaitingPods } from "./waiting-pods.ts";

export interface GraphOptions {
  readonly network: NetworkConfig;
  /** Restored before the first flush. */
  readonly ipam: Ipam;
  /** Called during `flush` and `apply`, once for each problem that is new. */
  readonly report: (problem: ObjectProblem) => void;
  /** What the database holds for virtual addresses of services; by default nothing. */
  readonly previousBackends?: PreviousBackends;
}

/**
 * From the state of nodes, namespaces, pods and services to bundles of rows. An event marks what it touches; `flush` computes
 * that and nothing else. What comes out depends on the current state, on the addresses reserved and on the places that backends have, never on the order
 * or the number of events.
 */
export interface Graph {
  apply(event: StateEvent): void;
  /**
   * What changed since the last flush, in an order in which it can be committed: first what goes (services, pods, nodes), then
   * what comes or changes (tenant, zones, nodes, pods, services), and last the zones that their nodes have left; so an address's
   * former row goes before its next one comes. Nodes that move to a new zone do so after services have come there. The first
   * flush has to see all nodes and pods there are: what was restored for others is given up then, and their rows go.
   */
  flush(): readonly BundleChange[];
  /** What one owner (`kind/key`, a `#part` is ignored) shall have as of the last flush. */
  bundleOf(owner: string): Bundle | undefined;
  /** What the pod's annotation should say, as of the last flush; absent for pods that have no port. */
  podNetwork(key: string): PodNetworkAnnotation | undefined;
  nodeNetwork(key: string): NodeNetworkAnnotation | undefined;
  /** How many objects are known, have rows, or have a problem. */
  readonly counts: {
    readonly nodes: number;
    readonly namespaces: number;
    readonly pods: number;
    readonly ports: number;
    readonly services: number;
    readonly endpoints: number;
    readonly problems: number;
  };
}

/** Whether the pod shall have a port of ours once its node has one. */
function wantsPort(pod: PodRecord | undefined): pod is PodRecord & { readonly nodeName: string } {
  return pod !== undefined && pod.nodeName !== undefined && !pod.hostNetwork && !pod.finished && pod.uid !== "";
}

interface PlacedNode {
  readonly topology: NodeTopology;
  readonly placement: PodPlacement;
  /** The topology as text, to see whether it changed. */
  readonly signature: string;
}

export function createGraph({ network, ipam, report, previousBackends = () => undefined }: GraphOptions): Graph {
  const nodes = new Map<string, NodeRecord>();
  const namespaces = new Map<string, NamespaceRecord>();
  const pods = new Map<string, PodRecord>();
  const podsOfNode = new Map<string, Set<string>>();
  /** Nodes and pods as of the last flush, those only that have rows. */
  const placedNodes = new Map<string, PlacedNode>();
  const ports = new Map<string, PodBundle>();
  const dirtyNodes = new Set<string>();
  const dirtyPods = new Set<string>();
  const waitingPods = createWaitingPods();
  const waitingNodes = new Set<string>();
  const problems = createProblemLog(report);
  const serviceNodes = createServiceNodeIndex(network);
  const services = createServiceGraph({ network, nodes: serviceNodes, problems, restored: previousBackends });
  let isFirstFlush = true;

  function unindex(pod: PodRecord): void {
    if (pod.nodeName === undefined) return;
    waitingPods.remove(pod.nodeName, pod.key);
    const siblings = podsOfNode.get(pod.nodeName);
    siblings?.delete(pod.key);
    if (siblings?.size === 0) podsOfNode.delete(pod.nodeName);
  }

  function index(pod: PodRecord): void {
    if (pod.nodeName === undefined) return;
    const siblings = podsOfNode.get(pod.nodeName);
    if (siblings === undefined) podsOfNode.set(pod.nodeName, new Set([pod.key]));
    else siblings.add(pod.key);
  }

  function applyPod(key: string, pod: PodRecord | undefined): void {
    const old = pods.get(key);
    if (old === undefined && pod === undefined) return;
    if (pod === undefined) pods.delete(key);
    else pods.set(key, pod);
    if (old?.networkAnnotation !== pod?.networkAnnotation && pod !== undefined) checkAnnotation(pod);
    const isSame =
      old !== undefined &&
      pod !== undefined &&
      old.uid === pod.uid &&
      old.nodeName === pod.nodeName &&
      old.hostNetwork === pod.hostNetwork &&
      old.finished === pod.finished;
    if (isSame) return;
    if (old !== undefined) unindex(old);
    if (pod !== undefined) index(pod);
    dirtyPods.add(key);
  }

  /** Only what isn't the very text that we wrote is worth a look. */
  function checkAnnotation({ key, uid, networkAnnotation }: PodRecord): void {
    if (networkAnnotation === undefined) return;
    const port = ports.get(key);
    if (port !== undefined && networkAnnotation === JSON.stringify(podNetworkOf(network, port))) return;
    const annotation = readAnnotation(podNetworkAnnotation, networkAnnotation);
    if (annotation.kind !== "invalid") return;
    report({ code: "INVALID_NETWORK_ANNOTATION", message: annotation.reason, object: { kind: "Pod", key, uid } });
  }

  function applyNode(key: string, node: NodeRecord | undefined): void {
    if (node === undefined) {
      nodes.delete(key);
      waitingNodes.delete(key);
    } else nodes.set(key, node);
    dirtyNodes.add(key);
  }

  /** Gives up addresses that nobody wants any more, and says how many became free in which block. */
  function releasePods(): Map<number, number> {
    const freed = new Map<number, number>();
    const release = (key: string): void => {
      const block = ipam.releasePod(key);
      if (block !== undefined) freed.set(block, (freed.get(block) ?? 0) + 1);
    };
    if (isFirstFlush) {
      for (const [key] of ipam.podReservations()) if (!wantsPort(pods.get(key))) release(key);
    }
    for (const key of dirtyPods) {
      const pod = pods.get(key);
      if (!wantsPort(pod)) {
        release(key);
        problems.forget("Pod", key);
        continue;
      }
      const held = ipam.podReservation(key);
      if (held !== undefined && (held.uid !== pod.uid || ipam.nodeOf(held.block) !== pod.nodeName)) release(key);
    }
    return freed;
  }

  /** Lets those try again who waited for what became free; returns the nodes that may have to give up their block. */
  function wakeWaiting(freed: ReadonlyMap<number, number>): Set<string> {
    const vacated = new Set<string>();
    for (const [block, count] of freed) {
      const node = ipam.nodeOf(block);
      if (node === undefined) continue;
      vacated.add(node);
      for (const key of waitingPods.next(node, count)) dirtyPods.add(key);
    }
    return vacated;
  }

  function releaseNodes(vacated: ReadonlySet<string>): void {
    const candidates = new Set([...vacated, ...dirtyNodes]);
    if (isFirstFlush) for (const [name] of ipam.nodeBlocks()) candidates.add(name);
    for (const name of candidates) {
      if (nodes.has(name) || !ipam.releaseNode(name)) continue;
      // A waiting node that can't be served keeps waiting, so one try for each block that became free is enough.
      const waiting = waitingNodes.values().next().value;
      if (waiting === undefined) continue;
      waitingNodes.delete(waiting);
      dirtyNodes.add(waiting);
    }
  }

  function touchPodsOf(name: string): void {
    for (const key of podsOfNode.get(name) ?? []) dirtyPods.add(key);
  }

  /** Brings nodes up to date; returns what to commit for those that go and those that come. */
  function flushNodes(): { readonly gone: BundleChange[]; readonly changed: BundleChange[] } {
    const gone: BundleChange[] = [];
    const changed: BundleChange[] = [];
    for (const name of dirtyNodes) {
      const node = nodes.get(name);
      const outcome = node && ipam.reserveNode(name);
      waitingNodes.delete(name);
      if (node === undefined || outcome?.kind !== "reserved") {
        if (node !== undefined && outcome?.kind === "refused") {
          waitingNodes.add(name);
          problems.set({ kind: "Node", key: name, uid: node.uid }, [outcome.problem]);
        } else problems.forget("Node", name);
        if (!placedNodes.delete(name)) continue;
        serviceNodes.set(name, undefined);
        gone.push({ owner: nodeOwner(name), bundle: undefined });
        touchPodsOf(name);
        continue;
      }
      const state = nodeStateOf(network, node, outcome.value);
      const conflict = ipam.nodeProblem(name);
      const all = conflict === undefined ? state.problems : [conflict, ...state.problems];
      problems.set({ kind: "Node", key: name, uid: node.uid }, all);
      const { topology } = state;
      const before = placedNodes.get(name);
      const signature = JSON.stringify(topology);
      if (before?.signature === signature) continue;
      const placement = podPlacement(network, topology);
      const isPlacedAsBefore = before !== undefined && samePlacement(before.placement, placement);
      placedNodes.set(name, { topology, signature, placement: isPlacedAsBefore ? before.placement : placement });
      serviceNodes.set(name, topology);
      changed.push({ owner: nodeOwner(name), bundle: nodeBundle(network, topology) });
      if (!isPlacedAsBefore) touchPodsOf(name);
    }
    return { gone, changed };
  }

  /** What nodes have in common: the tenant's rows, those of zones that came, and of zones that no node is in any more. */
  function flushShared(): { readonly changed: BundleChange[]; readonly left: BundleChange[] } {
    const changes = serviceNodes.takeChanges();
    services.applyNodes(changes);
    const { added, removed } = changes.zones;
    const come = (isFirstFlush ? serviceNodes.zones : added).map((zone) => ({
      owner: zoneOwner(zone),
      bundle: zoneBundle(zone),
    }));
    const tenant = isFirstFlush ? [{ owner: tenantOwner, bundle: tenantBundle(network) }] : [];
    const left = removed.map((zone) => ({ owner: zoneOwner(zone), bundle: undefined }));
    return { changed: [...tenant, ...come], left };
  }

  /** The pod's port as it shall be; reserves its addresses. */
  function portOf(key: string): PodBundle | undefined {
    const pod = pods.get(key);
    if (!wantsPort(pod)) return undefined;
    waitingPods.remove(pod.nodeName, key);
    const object = { kind: "Pod", key, uid: pod.uid } as const;
    const placement = placedNodes.get(pod.nodeName)?.placement;
    if (placement === undefined) {
      problems.set(object, []);
      return undefined;
    }
    const outcome = ipam.reservePod(key, pod.uid, pod.nodeName);
    if (outcome.kind === "refused") {
      const { code } = outcome.problem;
      if (code === "BLOCK_EXHAUSTED") waitingPods.add(pod.nodeName, key, "exhausted");
      if (code === "ADDRESS_CONFLICT") waitingPods.add(pod.nodeName, key, "conflict");
      problems.set(object, [outcome.problem]);
      return undefined;
    }
    problems.set(object, []);
    const before = ports.get(key);
    const isSame = before?.placement === placement && before.reservation === outcome.value;
    return isSame ? before : new PodBundle(key, placement, outcome.value);
  }

  /** Owners whose rows were there before the start and that shall have none. */
  function goneBefore(restored: ReadonlySet<string>): BundleChange[] {
    const pods: BundleChange[] = [];
    const nodes: BundleChange[] = [];
    for (const text of restored) {
      const owner = parseOwner(text);
      if (owner === undefined) continue;
      const { kind, key } = owner;
      if (kind === "Pod" && !ports.has(key)) pods.push({ owner: podOwner(key), bundle: undefined });
      if (kind === "Node" && !placedNodes.has(key)) nodes.push({ owner: nodeOwner(key), bundle: undefined });
    }
    return [...pods, ...nodes];
  }

  function flushPods(restored: ReadonlySet<string>): {
    readonly gone: BundleChange[];
    readonly changed: BundleChange[];
  } {
    const gone: BundleChange[] = [];
    const changed: BundleChange[] = [];
    const added: BundleChange[] = [];
    for (const key of dirtyPods) {
      const before = ports.get(key);
      const port = portOf(key);
      if (port === before) continue;
      const change = { owner: podOwner(key), bundle: port };
      if (port === undefined) {
        ports.delete(key);
        gone.push(change);
      } else {
        ports.set(key, port);
        const isNew = before === undefined && (restored.size === 0 || !restored.has(ownerText(change.owner)));
        (isNew ? added : changed).push(change);
      }
    }
    // A new port may have an address that a changed one gave up, so it comes after it.
    for (const change of added) changed.push(change);
    return { gone, changed };
  }

  return {
    apply(event) {
      const object = event.change === "upsert" ? event.object : undefined;
      if (event.kind === "node") applyNode(event.key, object as NodeRecord | undefined);
      else if (event.kind === "pod") applyPod(event.key, object as PodRecord | undefined);
      else if (event.kind === "service") services.applyService(event.key, object as ServiceRecord | undefined);
      else if (event.kind === "endpointSlice")
        services.applySlice(event.key, object as EndpointSliceRecord | undefined);
      else if (object === undefined) namespaces.delete(event.key);
      else namespaces.set(event.key, object as NamespaceRecord);
    },
    flush() {
      const vacated = wakeWaiting(releasePods());
      releaseNodes(vacated);
      const nodeChanges = flushNodes();
      const restored = ipam.takeRestoredOwners();
      const podChanges = flushPods(restored);
      const shared = flushShared();
      const serviceChanges = services.flush();
      // Nodes that are at work find the services in the zone that they come to. After a start they keep what they had till the end.
      const movesNodes = !isFirstFlush && shared.changed.length > 0;
      isFirstFlush = false;
      dirtyNodes.clear();
      dirtyPods.clear();
      const before = goneBefore(restored);
      const gone = [before, serviceChanges.gone, podChanges.gone, nodeChanges.gone];
      const ofNodes = [nodeChanges.changed, podChanges.changed];
      const changed = movesNodes ? [serviceChanges.changed, ...ofNodes] : [...ofNodes, serviceChanges.changed];
      return [...gone, shared.changed, ...changed, shared.left].flat(2);
    },
    bundleOf(text) {
      const owner = parseOwner(text);
      if (owner?.kind === tenantOwner.kind) return owner.key === tenantOwner.key ? tenantBundle(network) : undefined;
      if (owner?.kind === "Zone") {
        const zone = serviceNodes.zones.find((candidate) => zoneOwner(candidate).key === owner.key);
        return zone === undefined ? undefined : zoneBundle(zone);
      }
      if (owner?.kind === "Pod") return ports.get(owner.key);
      if (owner?.kind === "Service") return services.bundleOf(owner.key);
      const topology = owner?.kind === "Node" ? placedNodes.get(owner.key)?.topology : undefined;
      return topology && nodeBundle(network, topology);
    },
    podNetwork(key) {
      const port = ports.get(key);
      return port && podNetworkOf(network, port);
    },
    nodeNetwork(key) {
      const topology = placedNodes.get(key)?.topology;
      return topology && nodeNetworkOf(network, topology);
    },
    get counts() {
      return {
        nodes: nodes.size,
        namespaces: namespaces.size,
        pods: pods.size,
        ports: ports.size,
        services: services.services,
        endpoints: services.endpoints,
        problems: problems.size,
      };
    },
  };
}
