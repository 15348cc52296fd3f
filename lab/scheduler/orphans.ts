import type { SchedulablePod } from "./records.ts";

/** Pods whose Node object is gone have no kubelet that would end them. */
export interface OrphanCollector {
  node(name: string, exists: boolean): void;
  pod(key: string, pod: SchedulablePod | undefined): void;
  /** A kind's first list is complete; nothing is judged before both are. */
  synced(kind: "nodes" | "pods"): void;
}

export interface OrphanOptions {
  /** Removes a pod for good; false when the API could not be asked. */
  readonly remove: (pod: SchedulablePod) => Promise<boolean>;
  /** How long a node may be away, in ms; default 40 000, as in upstream's pod garbage collector. */
  readonly quarantineMs?: number;
}

/** Removes the pods of nodes that stay away, as kube-controller-manager's pod garbage collector does. */
export function createOrphanCollector({ remove, quarantineMs = 40_000 }: OrphanOptions): OrphanCollector {
  const nodes = new Set<string>();
  const pods = new Map<string, SchedulablePod>();
  const missing = new Set(["nodes", "pods"]);
  /** By the name of a node that is away. */
  const quarantines = new Map<string, NodeJS.Timeout>();

  function watch(node: string): void {
    if (missing.size > 0 || node === "" || nodes.has(node) || quarantines.has(node)) return;
    quarantines.set(
      node,
      setTimeout(() => void collect(node), quarantineMs),
    );
  }

  async function collect(node: string): Promise<void> {
    const orphans = [...pods.values()].filter(({ nodeName }) => nodeName === node);
    const removed = await Promise.all(orphans.map(remove));
    quarantines.delete(node);
    if (removed.includes(false)) watch(node);
  }

  return {
    node(name, exists) {
      if (exists) {
        nodes.add(name);
        clearTimeout(quarantines.get(name));
        quarantines.delete(name);
        return;
      }
      nodes.delete(name);
      if ([...pods.values()].some(({ nodeName }) => nodeName === name)) watch(name);
    },
    pod(key, pod) {
      if (pod === undefined) pods.delete(key);
      else {
        pods.set(key, pod);
        watch(pod.nodeName);
      }
    },
    synced(kind) {
      missing.delete(kind);
      for (const { nodeName } of pods.values()) watch(nodeName);
    },
  };
}
