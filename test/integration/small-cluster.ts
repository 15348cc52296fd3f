import {
  type NamespaceRecord,
  type NodeRecord,
  type PodRecord,
  parseNetworkConfig,
  projectNamespace,
  projectNode,
  projectPod,
} from "@ovenbird/controller";
import type { ReflectorEvent } from "@ovenbird/kube";

/** Blocks of eight addresses, so that they run out. */
const parsed = parseNetworkConfig({ clusterCidr: "10.1.0.0/24,fd01::/112", nodePrefix: "29,120" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
export const network = parsed.network;

export type Kind = "node" | "namespace" | "pod";
export type AnyRecord = NodeRecord | NamespaceRecord | PodRecord;
export type AnyEvent = ReflectorEvent<AnyRecord>;

interface SmallPod {
  readonly uid: string;
  readonly nodeName: string | undefined;
  readonly phase: string;
  readonly hostNetwork: boolean;
  annotation: string | undefined;
}

interface SmallNode {
  readonly uid: string;
  readonly gateway: boolean;
  annotation: string | undefined;
}

/** The cluster as the API server would have it, and the events that the watch has yet to deliver, per kind in order. */
export interface SmallCluster {
  readonly pending: Readonly<Record<Kind, AnyEvent[]>>;
  setNode(name: string, gateway: boolean): void;
  deleteNode(name: string): void;
  setNamespace(name: string): void;
  deleteNamespace(name: string): void;
  /** Creates the pod, or changes the one that is there when `sameUid`. */
  setPod(
    key: string,
    pod: { nodeName: string | undefined; phase?: string; hostNetwork?: boolean },
    sameUid?: boolean,
  ): void;
  deletePod(key: string): void;
  annotate(kind: "pod" | "node", key: string, uid: string, text: string): void;
  /** Everything as it is now. */
  records(): { nodes: NodeRecord[]; namespaces: NamespaceRecord[]; pods: PodRecord[] };
  /** Tells the watch about an object again, though nothing changed. */
  repeat(kind: Kind, key: string): void;
}

export function createSmallCluster(): SmallCluster {
  const nodes = new Map<string, SmallNode>();
  const namespaces = new Set<string>();
  const pods = new Map<string, SmallPod>();
  const pending: Record<Kind, AnyEvent[]> = { node: [], namespace: [], pod: [] };
  let uids = 0;
  const nextUid = (): string => {
    uids += 1;
    return `uid-${uids}`;
  };

  function nodeRecord(name: string, { uid, gateway, annotation }: SmallNode): NodeRecord {
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
    const status = { addresses: [{ type: "InternalIP", address: `192.168.0.${last}` }] };
    return projectNode({ metadata: { name, uid, annotations }, status });
  }

  function podRecord(key: string, { uid, nodeName, phase, hostNetwork, annotation }: SmallPod): PodRecord {
    const [namespace, name] = key.split("/");
    const annotations = annotation === undefined ? {} : { "ovenbird.io/network": annotation };
    return projectPod({
      metadata: { namespace, name, uid, annotations },
      spec: { nodeName, hostNetwork },
      status: { phase },
    });
  }

  const namespaceRecord = (name: string): NamespaceRecord => projectNamespace({ metadata: { name, uid: name } });

  function tell(kind: Kind, key: string): void {
    const node = nodes.get(key);
    const pod = pods.get(key);
    const object =
      kind === "node"
        ? node && nodeRecord(key, node)
        : kind === "pod"
          ? pod && podRecord(key, pod)
          : namespaces.has(key)
            ? namespaceRecord(key)
            : undefined;
    if (object !== undefined) pending[kind].push({ kind: "upsert", key, object });
    else pending[kind].push({ kind: "delete", key, object: { key } as AnyRecord });
  }

  return {
    pending,
    setNode(name, gateway) {
      const before = nodes.get(name);
      nodes.set(name, { uid: before?.uid ?? nextUid(), gateway, annotation: before?.annotation });
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
    setPod(key, { nodeName, phase = "Pending", hostNetwork = false }, sameUid = false) {
      const before = pods.get(key);
      const kept = sameUid && before !== undefined ? before : undefined;
      pods.set(key, {
        uid: kept?.uid ?? nextUid(),
        // A pod that was scheduled stays where it is.
        nodeName: kept?.nodeName ?? nodeName,
        phase,
        hostNetwork: kept?.hostNetwork ?? hostNetwork,
        annotation: kept?.annotation,
      });
      tell("pod", key);
    },
    deletePod(key) {
      if (pods.delete(key)) tell("pod", key);
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
    }),
    repeat: tell,
  };
}
