import { logPolicyAnnotationKey, type PodRefusalAnnotation, type ReflectorEvent } from "@ovenbird/kube";
import { northboundCapabilities } from "@ovenbird/ovsdb-schemas";
import type { Client, Lock, Replica, UntypedModel } from "ovsdb-client-ts";
import type { Observable, Subscription } from "rxjs";
import { type Applier, createApplier } from "./apply/applier.ts";
import type { ApplierListener } from "./apply/applier-listener.ts";
import { hastenFailover } from "./apply/failover-detection.ts";
import { ownerNameOf } from "./apply/owner.ts";
import { createEndpointTriggers } from "./endpoint-triggers.ts";
import { createGraph, type Graph } from "./graph/graph.ts";
import type { ResourceConditions, ResourceKind } from "./graph/resource-conditions.ts";
import { createIpam, type Ipam } from "./ipam/ipam.ts";
import type { NetworkConfig } from "./ipam/network-config.ts";
import type { ReservedRow } from "./ipam/restore.ts";
import { createSubnetIpam, type SubnetIpam } from "./ipam/subnet-ipam.ts";
import type { RestoredRouterPort } from "./ipam/subnet-restore.ts";
import type { DomainRecord } from "./state/domain-name.ts";
import type { EgressIpRecord } from "./state/egress-ip.ts";
import type { EndpointSliceRecord } from "./state/endpoint-slice.ts";
import type { FloatingIpRecord } from "./state/floating-ip.ts";
import type { IpAddressRecord } from "./state/ip-address.ts";
import type { IpPoolRecord } from "./state/ip-pool.ts";
import type { NamespaceRecord } from "./state/namespace.ts";
import type { NodeRecord } from "./state/node.ts";
import type { ObjectProblem } from "./state/object-problem.ts";
import type { PodRecord } from "./state/pod.ts";
import type { PolicyRecord } from "./state/policy.ts";
import { isPolicyKind } from "./state/policy-kinds.ts";
import type { ProviderNetworkRecord } from "./state/provider-network.ts";
import type { ResourceRecord } from "./state/selection.ts";
import type { ServiceRecord } from "./state/service.ts";
import type { StateEvent } from "./state/state-event.ts";
import type { SubnetRecord } from "./state/subnet.ts";
import type { TenantRecord } from "./state/tenant.ts";
import type { Announcement, AnnouncementKind } from "./status/announcer.ts";
import { nodeOwner } from "./translate/node-switch.ts";
import { ownerKey, ownerText, parseOwner } from "./translate/owner.ts";
import { podOwner } from "./translate/pod-port.ts";
import { policyLayout } from "./translate/policy-layout.ts";
import type { PreviousBackends } from "./translate/service.ts";
import { subnetKey } from "./translate/subnet-pod-port.ts";

/** Where the cluster's objects come from: reflectors, or anything that speaks as they do. */
export interface EventSources {
  readonly nodes: Observable<ReflectorEvent<NodeRecord>>;
  readonly namespaces: Observable<ReflectorEvent<NamespaceRecord>>;
  readonly pods: Observable<ReflectorEvent<PodRecord>>;
  readonly services?: Observable<ReflectorEvent<ServiceRecord>>;
  readonly endpointSlices?: Observable<ReflectorEvent<EndpointSliceRecord>>;
  /** Of all kinds, under their `policyId`. */
  readonly policies?: Observable<ReflectorEvent<PolicyRecord>>;
  readonly domains?: Observable<ReflectorEvent<DomainRecord>>;
  readonly tenants?: Observable<ReflectorEvent<TenantRecord>>;
  readonly subnets?: Observable<ReflectorEvent<SubnetRecord>>;
  readonly ipPools?: Observable<ReflectorEvent<IpPoolRecord>>;
  readonly ipAddresses?: Observable<ReflectorEvent<IpAddressRecord>>;
  readonly providerNetworks?: Observable<ReflectorEvent<ProviderNetworkRecord>>;
  readonly egressIps?: Observable<ReflectorEvent<EgressIpRecord>>;
  readonly floatingIps?: Observable<ReflectorEvent<FloatingIpRecord>>;
}

export interface EngineListener extends ApplierListener {
  objectProblem?(problem: ObjectProblem): void;
  /** An annotation may have to be written: ask `podAnnouncement`, `nodeAnnouncement` or `refusalAnnouncement`. */
  announce?(kind: AnnouncementKind, key: string): void;
  /** The graph may make something else of an object of Ovenbird's own kinds: ask `graph.conditions`. */
  resource?(kind: ResourceKind, key: string): void;
  /** An IPAddress may have to be written, or has another pod: ask `subnetIpam`. */
  kept?(name: string): void;
  /** A chassis whose node is gone, or is there. */
  chassis?(systemId: string, state: "gone" | "lives"): void;
  event?(kind: StateEvent["kind"], change: StateEvent["change"]): void;
  /** A service has in the northbound database what was triggered then, in milliseconds since 1970. */
  programmed?(service: string, triggeredAtMs: number): void;
  /** There are routers that OVN moves between nodes: `applyOutlet` wants to know where they are. */
  outletsUsed?(): void;
  /** All kinds have synced, addresses are restored, and writing begins. */
  synced?(): void;
  /** A watch ended or an invariant broke: the engine can't go on. */
  failed?(error: unknown): void;
}

export interface EngineOptions {
  readonly network: NetworkConfig;
  readonly client: Client<UntypedModel>;
  readonly replica: Replica<UntypedModel>;
  readonly lock: Lock;
  readonly sources: EventSources;
  readonly listener?: EngineListener;
  readonly applier?: { readonly maxGroupOwners?: number; readonly retryBackoff?: { minMs: number; maxMs: number } };
}

/**
 * One term of leadership: all state that is computed from the cluster's objects lives and ends with it.
 *
 *   nodes, namespaces, pods, ─▶ graph (with ipam) ─▶ bundles ─▶ applier ─▶ NB
 *   services, endpoint slices,      └── announcements ◀── committed ──┘
 *   policies
 */
export interface Engine {
  /** True once every watched kind has synced, the lock is held and addresses are restored. */
  readonly synced: boolean;
  /** True once everything that was there at the start is committed. */
  readonly settled: boolean;
  readonly graph: Graph;
  /** Whose addresses of nodes' blocks are whose. */
  readonly ipam: Ipam;
  /** Whose addresses of subnets are whose. */
  readonly subnetIpam: SubnetIpam;
  /** As the API has them. */
  readonly ipAddresses: ReadonlyMap<string, IpAddressRecord>;
  readonly applier: Applier;
  podAnnouncement(key: string): Announcement | undefined;
  nodeAnnouncement(key: string): Announcement | undefined;
  /** Why a pod has no port; without a text where it has one. */
  refusalAnnouncement(key: string): Announcement | undefined;
  /** What the graph makes of an object of Ovenbird's own kinds; undefined where it says nothing. */
  conditions(kind: ResourceKind, key: string): ResourceConditions | undefined;
  uidOf(kind: string, key: string): string | undefined;
  /** Where OVN has a router's outer port now. */
  applyOutlet(port: string, systemId: string | undefined): void;
  /** Resolves when all events so far are computed and committed. */
  idle(): Promise<void>;
  /** Stops watching, finishes the transaction in flight and writes no more. */
  close(): Promise<void>;
}

type Kind = StateEvent["kind"];

/** Ovenbird's own kinds that decide where pods have their addresses, and where each comes from. */
const resourceSources = {
  tenant: "tenants",
  subnet: "subnets",
  ipPool: "ipPools",
  ipAddress: "ipAddresses",
  providerNetwork: "providerNetworks",
  egressIp: "egressIps",
  floatingIp: "floatingIps",
} as const satisfies Partial<Record<Kind, keyof EventSources>>;
type ResourceEventKind = keyof typeof resourceSources;
type StateObject = NonNullable<StateEvent["object"]>;

/** Rows of ours that bear addresses, for the restoration of reservations. */
export function reservedRows(replica: Replica<UntypedModel>): ReservedRow[] {
  const rows: ReservedRow[] = [];
  for (const row of replica.table("Logical_Switch_Port").values()) {
    const externalIds = row.external_ids as ReadonlyMap<string, string>;
    const owner = externalIds.get(ownerKey);
    if (owner === undefined) continue;
    const uid = (row.options as ReadonlyMap<string, string>).get("iface-id-ver");
    const subnet = externalIds.get(subnetKey);
    rows.push({ owner, addresses: [...(row.addresses as ReadonlySet<string>)], uid, subnet });
  }
  return rows;
}

/** Ports of tenants' routers, whose addresses tell the tenants' numbers and switches' slices. */
export function restoredRouterPorts(replica: Replica<UntypedModel>): RestoredRouterPort[] {
  const ports: RestoredRouterPort[] = [];
  for (const row of replica.table("Logical_Router_Port").values()) {
    const owner = (row.external_ids as ReadonlyMap<string, string>).get(ownerKey);
    if (owner !== undefined) ports.push({ owner, networks: [...(row.networks as ReadonlySet<string>)] });
  }
  return ports;
}

/** What the virtual address of a row has in the database. */
export function backendsIn(replica: Replica<UntypedModel>): PreviousBackends {
  const balancers = replica.table("Load_Balancer");
  return (uuid, vip) => (balancers.get(uuid)?.vips as ReadonlyMap<string, string> | undefined)?.get(vip);
}

/** The policies that have ACLs in the database, by `policyId`; some more than once. */
function* policiesIn(replica: Replica<UntypedModel>): Generator<string> {
  for (const row of replica.table("ACL").values()) {
    const owner = ownerNameOf("ACL", row);
    if (owner !== undefined && isPolicyKind(parseOwner(owner)?.kind ?? "")) yield owner;
  }
}

/** The chassis of gateway routers of ours, by node. */
function* gatewayChassis(replica: Replica<UntypedModel>): Generator<{ node: string; systemId: string }> {
  for (const row of replica.table("Logical_Router").values()) {
    const owner = parseOwner(ownerNameOf("Logical_Router", row) ?? "");
    const systemId = (row.options as ReadonlyMap<string, string>).get("chassis");
    if (owner?.kind === "Node" && systemId !== undefined) yield { node: owner.key, systemId };
  }
}

export function createEngine(options: EngineOptions): Engine {
  const { network, client, replica, lock, sources, listener = {} } = options;
  const ipam = createIpam(network);
  const subnetIpam = createSubnetIpam(network);
  const graph = createGraph({
    network,
    ipam,
    subnetIpam,
    report: (problem) => listener.objectProblem?.(problem),
    previousBackends: backendsIn(replica),
    previousPolicies: () => policiesIn(replica),
    layout: policyLayout(northboundCapabilities(client.schema)),
  });
  const { nodes, pods, namespaces, services, policies } = graph.model;
  /** The chassis that each node named last: an annotation that is lost or garbled doesn't mean that the chassis is gone. */
  const chassisOfNode = new Map<string, string>();
  /** How many nodes name a chassis: a chassis is gone when none does. */
  const chassisNodes = new Map<string, number>();
  const ipAddresses = new Map<string, IpAddressRecord>();
  const unsynced = new Set<Kind>(["node", "namespace", "pod"]);
  if (sources.services !== undefined) unsynced.add("service");
  if (sources.endpointSlices !== undefined) unsynced.add("endpointSlice");
  if (sources.policies !== undefined) unsynced.add("policy");
  if (sources.domains !== undefined) unsynced.add("domain");
  for (const [kind, source] of Object.entries(resourceSources))
    if (sources[source] !== undefined) unsynced.add(kind as ResourceEventKind);
  const triggers = createEndpointTriggers((service) => synced && services.has(service));
  const subscriptions: Subscription[] = [];
  const begun = Promise.withResolvers<void>();
  let synced = false;
  let settled = false;
  let closed = false;
  let firstEventAt: number | undefined;
  let scheduled: NodeJS.Immediate | undefined;
  let usesOutlets = false;

  const applier = createApplier({
    client,
    replica,
    lock,
    ...options.applier,
    listener: {
      ...listener,
      committed(owner, latencyMs) {
        listener.committed?.(owner, latencyMs);
        const parsed = parseOwner(owner);
        if (parsed?.kind === "Pod") announceIfNeeded("pod", parsed.key);
        else if (parsed?.kind === "Node") announceIfNeeded("node", parsed.key);
        else if (parsed?.kind === "Service") programmed(parsed.key);
      },
    },
  });

  function podAnnouncement(key: string): Announcement | undefined {
    const record = pods.get(key);
    if (record === undefined || !applier.isCommitted(ownerText(podOwner(key)))) return undefined;
    const wanted = graph.podNetwork(key);
    if (wanted === undefined || wanted.uid !== record.uid) return undefined;
    const text = JSON.stringify(wanted);
    return text === record.networkAnnotation ? undefined : { uid: record.uid, text };
  }

  function nodeAnnouncement(key: string): Announcement | undefined {
    const record = nodes.get(key);
    if (record === undefined || !applier.isCommitted(ownerText(nodeOwner(key)))) return undefined;
    const wanted = graph.nodeNetwork(key);
    if (wanted === undefined) return undefined;
    const text = JSON.stringify(wanted);
    return text === record.networkAnnotation ? undefined : { uid: record.uid, text };
  }

  function refusalAnnouncement(key: string): Announcement | undefined {
    const record = pods.get(key);
    // Before all is known nobody is refused.
    if (record === undefined || !synced) return undefined;
    const problem = graph.podRefusal(key);
    if (problem === undefined) {
      return record.refusedAnnotation === undefined ? undefined : { uid: record.uid, text: undefined };
    }
    const refusal: PodRefusalAnnotation = { uid: record.uid, code: problem.code, message: problem.message };
    const text = JSON.stringify(refusal);
    return text === record.refusedAnnotation ? undefined : { uid: record.uid, text };
  }

  const announcementOf = { pod: podAnnouncement, node: nodeAnnouncement, refusal: refusalAnnouncement };

  function announceIfNeeded(kind: AnnouncementKind, key: string): void {
    if (listener.announce !== undefined && announcementOf[kind](key) !== undefined) listener.announce(kind, key);
  }

  /** What outlives its pod is announced once it is written. */
  subnetIpam.onKept((name) => {
    if (!synced) return;
    listener.kept?.(name);
    listener.resource?.("IPAddress", name);
    const pod = subnetIpam.isWritten(name) ? subnetIpam.podOfKept(name) : undefined;
    if (pod !== undefined) announceIfNeeded("pod", pod);
  });

  function programmed(service: string): void {
    const triggeredAtMs = triggers.take(service);
    if (triggeredAtMs !== undefined) listener.programmed?.(service, triggeredAtMs);
  }

  function countChassis(systemId: string | undefined, by: 1 | -1): void {
    if (systemId === undefined) return;
    const count = (chassisNodes.get(systemId) ?? 0) + by;
    if (count > 0) chassisNodes.set(systemId, count);
    else chassisNodes.delete(systemId);
    if (count === 0) listener.chassis?.(systemId, "gone");
    else if (count === 1 && by === 1) listener.chassis?.(systemId, "lives");
  }

  function apply(event: StateEvent): void {
    graph.apply(event);
    listener.event?.(event.kind, event.change);
    firstEventAt ??= performance.now();
    // One flush for all that comes in one turn of the event loop.
    if (synced) scheduled ??= setImmediate(flush);
  }

  function flush(): void {
    scheduled = undefined;
    if (closed || !synced) return;
    const since = firstEventAt ?? performance.now();
    firstEventAt = undefined;
    const changes = graph.flush();
    if (changes.length > 0) applier.set(changes, since);
    if (graph.usesOutlets && !usesOutlets) {
      usesOutlets = true;
      listener.outletsUsed?.();
      hastenFailover(client, lock).catch((error: unknown) => {
        // Moves take longer without it, and the next term tries again.
        usesOutlets = false;
        listener.retry?.(error, 0);
      });
    }
    for (const { kind, key } of graph.takeChangedConditions()) listener.resource?.(kind, key);
    for (const key of graph.takeChangedRefusals()) announceIfNeeded("refusal", key);
  }

  /**
   * The first flush needs all objects there are, for only then is it known what is gone; and the database as it is. A
   * replica that lost its server may lack what another controller reserved since, and as long as the lock is another's,
   * that one may still be reserving.
   */
  function begin(): void {
    if (unsynced.size > 0 || synced || closed || !replica.synced || !lock.held) return;
    const rows = reservedRows(replica);
    const routerPorts = restoredRouterPorts(replica);
    graph.restore({ rows, routerPorts, pods: [...pods.values()], nodes: [...nodes.values()] });
    for (const { node, systemId } of gatewayChassis(replica)) {
      if (!nodes.has(node) && !chassisNodes.has(systemId)) listener.chassis?.(systemId, "gone");
    }
    synced = true;
    begun.resolve();
    flush();
    for (const [key, { refusedAnnotation }] of pods) {
      if (refusedAnnotation !== undefined) announceIfNeeded("refusal", key);
    }
    applier.start();
    listener.synced?.();
    void applier.idle().then(() => {
      settled = !closed;
    });
  }

  function failed(error: unknown): void {
    if (!closed) listener.failed?.(error);
  }

  /** @param known what the graph holds of the kind */
  function follow<T extends StateObject>(
    kind: Kind,
    source: Observable<ReflectorEvent<T>>,
    known?: ReadonlyMap<string, T>,
    onChange: (key: string, before: T | undefined, now: T | undefined) => void = () => {},
    isNews: (before: T | undefined, now: T | undefined) => boolean = () => true,
  ): void {
    const subscription = source.subscribe({
      next(event) {
        if (event.kind === "synced") {
          unsynced.delete(kind);
          begin();
          return;
        }
        const { key } = event;
        const before = known?.get(key);
        const now = event.kind === "upsert" ? event.object : undefined;
        if (isNews(before, now)) {
          apply({ kind, change: event.kind, key, ...(now === undefined ? {} : { object: now }) } as StateEvent);
        }
        onChange(key, before, now);
      },
      error: failed,
      complete: () => failed(new Error(`The watch of ${kind}s ended`)),
    });
    subscriptions.push(subscription);
  }

  /** Of kinds whose status is the controller's own word: that isn't news. */
  function followSpecs<T extends ResourceRecord & StateObject>(
    kind: ResourceEventKind,
    source: Observable<ReflectorEvent<T>>,
  ): void {
    const known = new Map<string, T>();
    const keep = (key: string, _before: T | undefined, now: T | undefined): void => {
      if (now === undefined) known.delete(key);
      else known.set(key, now);
    };
    follow(kind, source, known, keep, (before, now) => {
      if (before === undefined || now === undefined || before.uid !== now.uid || now.generation === 0) return true;
      return before.generation !== now.generation || before.deleting !== now.deleting;
    });
  }

  follow("node", sources.nodes, nodes, (key, before, now) => {
    const was = chassisOfNode.get(key);
    const is = now === undefined ? undefined : (now.chassis?.systemId ?? was);
    if (was !== is) {
      if (is === undefined) chassisOfNode.delete(key);
      else chassisOfNode.set(key, is);
      countChassis(is, 1);
      countChassis(was, -1);
    }
    // Somebody else's hand on the annotation, or another object under a name whose rows stay as they are.
    if (now !== undefined && (before === undefined || before.networkAnnotation !== now.networkAnnotation)) {
      announceIfNeeded("node", key);
    }
  });
  follow("namespace", sources.namespaces, namespaces, (key, before, now) => {
    const said = now?.logPolicyProblem;
    if (now === undefined || said === undefined || said === before?.logPolicyProblem) return;
    const message = `${logPolicyAnnotationKey} is ${JSON.stringify(said)}, and not deny, allow or all`;
    listener.objectProblem?.({
      object: { kind: "Namespace", key, uid: now.uid },
      code: "POLICY_LOG_UNKNOWN",
      message,
    });
  });
  if (sources.services !== undefined) {
    follow("service", sources.services, services, (key, _before, now) => {
      if (now === undefined) triggers.forget(key);
    });
  }
  if (sources.endpointSlices !== undefined) {
    const slices = new Map<string, EndpointSliceRecord>();
    follow("endpointSlice", sources.endpointSlices, slices, (key, before, now) => {
      if (now === undefined) slices.delete(key);
      else slices.set(key, now);
      triggers.note(before, now);
    });
  }
  // Before the pods, whose first rows have to be those that policies demand.
  if (sources.policies !== undefined) follow("policy", sources.policies, policies);
  if (sources.domains !== undefined) follow("domain", sources.domains);
  if (sources.ipAddresses !== undefined) {
    follow("ipAddress", sources.ipAddresses, ipAddresses, (key, _before, now) => {
      if (now === undefined) ipAddresses.delete(key);
      else ipAddresses.set(key, now);
    });
  }
  // Likewise, for a pod is in a subnet for good.
  for (const [kind, name] of Object.entries(resourceSources)) {
    const source: Observable<ReflectorEvent<StateObject>> | undefined = sources[name];
    if (source === undefined || kind === "ipAddress") continue;
    if (kind === "providerNetwork") follow(kind, source);
    else followSpecs(kind as ResourceEventKind, source as Observable<ReflectorEvent<ResourceRecord & StateObject>>);
  }
  follow("pod", sources.pods, pods, (key, before, now) => {
    if (now !== undefined && (before === undefined || before.networkAnnotation !== now.networkAnnotation)) {
      announceIfNeeded("pod", key);
    }
    // Somebody else's hand on it: the flush of this event tells only of what is decided anew.
    if (now !== undefined && before?.refusedAnnotation !== now.refusedAnnotation) announceIfNeeded("refusal", key);
  });

  const stops = [
    client.on((event) => {
      if (event.kind === "connected") begin();
    }),
    lock.on((held) => {
      if (held) begin();
    }),
  ];

  const records = { Pod: pods, Node: nodes, Namespace: namespaces, Service: services } as const;
  const recordOf = (kind: string, key: string) =>
    kind in records ? records[kind as keyof typeof records].get(key) : policies.get(`${kind}/${key}`);

  return {
    get synced() {
      return synced;
    },
    get settled() {
      return settled;
    },
    graph,
    ipam,
    subnetIpam,
    ipAddresses,
    applier,
    podAnnouncement,
    nodeAnnouncement,
    refusalAnnouncement,
    conditions: (kind, key) => graph.conditions(kind, key),
    uidOf: (kind, key) => recordOf(kind, key)?.uid,
    applyOutlet(port, systemId) {
      graph.applyOutlet(port, systemId);
      if (synced) scheduled ??= setImmediate(flush);
    },
    async idle() {
      if (unsynced.size === 0) await begun.promise;
      // What came in this turn of the event loop is flushed at its end.
      while (scheduled !== undefined) await new Promise((resolve) => setImmediate(resolve));
      await applier.idle();
    },
    async close() {
      closed = true;
      begun.resolve();
      for (const stop of stops) stop();
      for (const subscription of subscriptions) subscription.unsubscribe();
      clearImmediate(scheduled);
      await applier.close();
    },
  };
}
