import {
  type EndpointSliceRecord,
  type NamespaceRecord,
  type NodeRecord,
  type PodRecord,
  parseNetworkConfig,
  projectEndpointSlice,
  projectNamespace,
  projectNode,
  projectPod,
  projectService,
  type ServiceRecord,
} from "@ovenbird/controller";
import type { ReflectorEvent } from "@ovenbird/kube";
import { type IpPoolRecord, projectIpPool } from "../../controller/state/ip-pool.ts";
import { projectSubnet, type SubnetRecord } from "../../controller/state/subnet.ts";
import { projectTenant, type TenantRecord } from "../../controller/state/tenant.ts";

/** Blocks of eight addresses, so that they run out. */
const parsed = parseNetworkConfig({ clusterCidr: "10.1.0.0/24,fd01::/112", nodePrefix: "29,120" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
export const network = parsed.network;

export const kinds = ["node", "namespace", "tenant", "subnet", "ipPool", "pod", "service", "endpointSlice"] as const;
export type Kind = (typeof kinds)[number];
export type AnyRecord =
  | NodeRecord
  | NamespaceRecord
  | PodRecord
  | ServiceRecord
  | EndpointSliceRecord
  | TenantRecord
  | SubnetRecord
  | IpPoolRecord;

/** Kinds of Ovenbird's own, and how they are read. */
const projections = { tenant: projectTenant, subnet: projectSubnet, ipPool: projectIpPool } as const;
export type OwnKind = keyof typeof projections;

interface SmallResource {
  readonly uid: string;
  readonly createdAt: string;
  readonly generation: number;
  readonly spec: Readonly<Record<string, unknown>>;
}
export type AnyEvent = ReflectorEvent<AnyRecord>;

interface SmallPod {
  readonly uid: string;
  readonly nodeName: string | undefined;
  readonly phase: string;
  readonly hostNetwork: boolean;
  /** What it asks for. */
  readonly asks: Readonly<Record<string, string>>;
  annotation: string | undefined;
}

interface SmallNode {
  readonly uid: string;
  readonly gateway: boolean;
  readonly zone: string;
  /** How many addresses of IPv4 it has beside the first. */
  readonly more: number;
  annotation: string | undefined;
}

export interface SmallService {
  /** Later ones give way where two claim the same. */
  readonly createdAt?: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly ingress?: readonly string[];
}

export interface SmallSlice {
  /** The name of a service in the same namespace. */
  readonly service: string;
  readonly family: 4 | 6;
  readonly ports: readonly { readonly name?: string; readonly protocol: string; readonly port: number }[];
  readonly endpoints: readonly {
    readonly address: string;
    readonly nodeName?: string | undefined;
    readonly ready?: boolean | undefined;
    readonly terminating?: boolean | undefined;
    readonly zone?: string | undefined;
  }[];
}

/** The cluster as the API server would have it, and the events that the watch has yet to deliver, per kind in order. */
export interface SmallCluster {
  readonly pending: Readonly<Record<Kind, AnyEvent[]>>;
  setNode(name: string, gateway: boolean, options?: { readonly zone?: string; readonly more?: number }): void;
  deleteNode(name: string): void;
  setNamespace(name: string): void;
  deleteNamespace(name: string): void;
  /** Creates the pod, or changes the one that is there when `sameUid`. */
  setPod(
    key: string,
    pod: {
      nodeName: string | undefined;
      phase?: string;
      hostNetwork?: boolean;
      /** Annotations. */
      asks?: Readonly<Record<string, string>>;
    },
    sameUid?: boolean,
  ): void;
  deletePod(key: string): void;
  setService(key: string, service: SmallService): void;
  deleteService(key: string): void;
  setSlice(key: string, slice: SmallSlice): void;
  deleteSlice(key: string): void;
  /** @param createdAt of a new one; which is the older of two counts */
  setOwn(kind: OwnKind, name: string, spec: Readonly<Record<string, unknown>>, createdAt?: string): void;
  deleteOwn(kind: OwnKind, name: string): void;
  annotate(kind: "pod" | "node", key: string, uid: string, text: string): void;
  /** Everything as it is now. */
  records(): {
    nodes: NodeRecord[];
    namespaces: NamespaceRecord[];
    pods: PodRecord[];
    services: ServiceRecord[];
    endpointSlices: EndpointSliceRecord[];
    own: { readonly kind: OwnKind; readonly object: TenantRecord | SubnetRecord | IpPoolRecord }[];
  };
  /** Tells the watch about an object again, though nothing changed. */
  repeat(kind: Kind, key: string): void;
}

export function createSmallCluster(): SmallCluster {
  const nodes = new Map<string, SmallNode>();
  const namespaces = new Set<string>();
  const pods = new Map<string, SmallPod>();
  const services = new Map<string, { readonly uid: string; readonly service: SmallService }>();
  const slices = new Map<string, SmallSlice>();
  const own: Readonly<Record<OwnKind, Map<string, SmallResource>>> = {
    tenant: new Map(),
    subnet: new Map(),
    ipPool: new Map(),
  };
  const ownKinds = Object.keys(own) as OwnKind[];
  const pending = Object.fromEntries(kinds.map((kind) => [kind, [] as AnyEvent[]])) as Record<Kind, AnyEvent[]>;
  let uids = 0;
  const nextUid = (): string => {
    uids += 1;
    return `uid-${uids}`;
  };

  function nodeRecord(name: string, { uid, gateway, zone, more, annotation }: SmallNode): NodeRecord {
    const last = name.charCodeAt(0);
    const chassis = {
      systemId: `chassis-${name}`,
      gateway: {
        mac: "02:00:00:00:00:01",
        addresses: [`192.168.0.${last}/24`, `fc00::${last}/64`],
        nextHops: ["192.168.0.1", "fc00::1"],
        physicalNetwork: "physnet",
      },
    };
    const annotations = {
      ...(gateway ? { "ovenbird.io/chassis": JSON.stringify(chassis) } : {}),
      ...(annotation === undefined ? {} : { "ovenbird.io/node-network": annotation }),
    };
    const own = [`192.168.0.${last}`, ...Array.from({ length: more }, (_, index) => `192.168.${index + 1}.${last}`)];
    const status = { addresses: own.map((address) => ({ type: "InternalIP", address })) };
    const labels = zone === "" ? {} : { "topology.kubernetes.io/zone": zone };
    return projectNode({ metadata: { name, uid, labels, annotations }, status });
  }

  function podRecord(key: string, { uid, nodeName, phase, hostNetwork, asks, annotation }: SmallPod): PodRecord {
    const [namespace, name] = key.split("/");
    const annotations = annotation === undefined ? asks : { ...asks, "ovenbird.io/network": annotation };
    return projectPod({
      metadata: { namespace, name, uid, annotations },
      spec: { nodeName, hostNetwork },
      status: { phase },
    });
  }

  function serviceRecord(key: string, { uid, service }: { uid: string; service: SmallService }): ServiceRecord {
    const [namespace, name] = key.split("/");
    const { createdAt: creationTimestamp, spec, ingress = [] } = service;
    return projectService({
      metadata: { namespace, name, uid, creationTimestamp },
      spec,
      status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } },
    });
  }

  function sliceRecord(key: string, { service, family, ports, endpoints }: SmallSlice): EndpointSliceRecord {
    const [namespace, name] = key.split("/");
    return projectEndpointSlice({
      metadata: { namespace, name, labels: { "kubernetes.io/service-name": service } },
      addressType: `IPv${family}`,
      ports,
      endpoints: endpoints.map(({ address, nodeName, ready, terminating, zone }) => ({
        addresses: [address],
        nodeName,
        conditions: { ready, serving: true, terminating },
        hints: zone === undefined ? undefined : { forZones: [{ name: zone }] },
      })),
    });
  }

  /** As the API server counts changes of specs. */
  const generations = new Map<string, { readonly text: string; readonly generation: number }>();

  function ownRecord(kind: OwnKind, name: string, { uid, createdAt, spec }: SmallResource) {
    const text = JSON.stringify(spec);
    const before = generations.get(`${kind}/${name}`);
    const generation = before?.text === text ? before.generation : (before?.generation ?? 0) + 1;
    generations.set(`${kind}/${name}`, { text, generation });
    return projections[kind]({ metadata: { name, uid, creationTimestamp: createdAt, generation }, spec });
  }

  function recordOf(kind: Kind, key: string): AnyRecord | undefined {
    const node = nodes.get(key);
    const pod = pods.get(key);
    const service = services.get(key);
    const slice = slices.get(key);
    switch (kind) {
      case "node":
        return node && nodeRecord(key, node);
      case "namespace":
        return namespaces.has(key) ? namespaceRecord(key) : undefined;
      case "pod":
        return pod && podRecord(key, pod);
      case "service":
        return service && serviceRecord(key, service);
      case "endpointSlice":
        return slice && sliceRecord(key, slice);
      default: {
        const resource = own[kind].get(key);
        return resource && ownRecord(kind, key, resource);
      }
    }
  }

  const namespaceRecord = (name: string): NamespaceRecord => projectNamespace({ metadata: { name, uid: name } });

  function tell(kind: Kind, key: string): void {
    const object = recordOf(kind, key);
    if (object !== undefined) pending[kind].push({ kind: "upsert", key, object });
    else pending[kind].push({ kind: "delete", key, object: { key } as AnyRecord });
  }

  return {
    pending,
    setNode(name, gateway, { zone = "", more = 0 } = {}) {
      const before = nodes.get(name);
      nodes.set(name, { uid: before?.uid ?? nextUid(), gateway, zone, more, annotation: before?.annotation });
      tell("node", name);
    },
    deleteNode(name) {
      if (nodes.delete(name)) tell("node", name);
    },
    setNamespace(name) {
      namespaces.add(name);
      tell("namespace", name);
    },
    deleteNamespace(name) {
      if (namespaces.delete(name)) tell("namespace", name);
    },
    setPod(key, { nodeName, phase = "Pending", hostNetwork = false, asks = {} }, sameUid = false) {
      const before = pods.get(key);
      const kept = sameUid && before !== undefined ? before : undefined;
      pods.set(key, {
        uid: kept?.uid ?? nextUid(),
        // A pod that was scheduled stays where it is.
        nodeName: kept?.nodeName ?? nodeName,
        phase,
        hostNetwork: kept?.hostNetwork ?? hostNetwork,
        asks: kept?.asks ?? asks,
        annotation: kept?.annotation,
      });
      tell("pod", key);
    },
    deletePod(key) {
      if (pods.delete(key)) tell("pod", key);
    },
    setService(key, service) {
      services.set(key, { uid: services.get(key)?.uid ?? nextUid(), service });
      tell("service", key);
    },
    deleteService(key) {
      if (services.delete(key)) tell("service", key);
    },
    setSlice(key, slice) {
      slices.set(key, slice);
      tell("endpointSlice", key);
    },
    deleteSlice(key) {
      if (slices.delete(key)) tell("endpointSlice", key);
    },
    setOwn(kind, name, spec, createdAt = "2026-01-01T00:00:00Z") {
      const before = own[kind].get(name);
      own[kind].set(name, {
        uid: before?.uid ?? nextUid(),
        createdAt: before?.createdAt ?? createdAt,
        generation: (before?.generation ?? 0) + 1,
        spec,
      });
      tell(kind, name);
    },
    deleteOwn(kind, name) {
      if (own[kind].delete(name)) tell(kind, name);
    },
    annotate(kind, key, uid, text) {
      const object = (kind === "pod" ? pods : nodes).get(key);
      if (object === undefined || object.uid !== uid) return;
      object.annotation = text;
      tell(kind, key);
    },
    records: () => ({
      nodes: [...nodes].map(([name, node]) => nodeRecord(name, node)),
      namespaces: [...namespaces].map(namespaceRecord),
      pods: [...pods].map(([key, pod]) => podRecord(key, pod)),
      services: [...services].map(([key, service]) => serviceRecord(key, service)),
      endpointSlices: [...slices].map(([key, slice]) => sliceRecord(key, slice)),
      own: ownKinds.flatMap((kind) =>
        [...own[kind]].map(([name, resource]) => ({ kind, object: ownRecord(kind, name, resource) })),
      ),
    }),
    repeat: tell,
  };
}
