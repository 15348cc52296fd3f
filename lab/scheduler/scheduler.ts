import type { SchedulableNode, SchedulablePod } from "./records.ts";

export interface SchedulerOptions {
  /** Binds a pod; `retry` when the API could not be asked, `gone` when there is nothing to bind any more. */
  readonly bind: (pod: SchedulablePod, node: string) => Promise<"bound" | "gone" | "retry">;
  /** How long a failed binding waits, in ms; default 500. */
  readonly retryMs?: number;
}

export interface Scheduler {
  node(name: string, node: SchedulableNode | undefined): void;
  pod(key: string, pod: SchedulablePod | undefined): void;
  /** A kind's first list is complete; nothing is bound before both are, or the counts would be wrong. */
  synced(kind: "nodes" | "pods"): void;
}

/**
 * Chooses for each unbound pod the schedulable node with the fewest active pods (the first by name among equals).
 * The only selector it knows is `nodeSelector` by `kubernetes.io/hostname`.
 */
export function createScheduler({ bind, retryMs = 500 }: SchedulerOptions): Scheduler {
  const nodes = new Map<string, SchedulableNode>();
  const pods = new Map<string, SchedulablePod>();
  const unbound = new Set<string>();
  /** Bindings under way: the watch has not told of them yet. */
  const assumed = new Map<string, string>();
  const loads = new Map<string, number>();
  const missing = new Set(["nodes", "pods"]);

  function count(pod: SchedulablePod | undefined, by: 1 | -1): void {
    if (pod?.active && pod.nodeName !== "") loads.set(pod.nodeName, (loads.get(pod.nodeName) ?? 0) + by);
  }

  function choose(pod: SchedulablePod): string | undefined {
    const wanted = pod.nodeSelector["kubernetes.io/hostname"];
    const assumedLoads = Map.groupBy(assumed.values(), (node) => node);
    const load = (node: string) => (loads.get(node) ?? 0) + (assumedLoads.get(node)?.length ?? 0);
    return [...nodes]
      .filter(([name, node]) => node.schedulable && (wanted === undefined || wanted === name))
      .map(([name]) => name)
      .sort((a, b) => load(a) - load(b) || a.localeCompare(b, "en", { numeric: true }))[0];
  }

  function schedule(): void {
    if (missing.size > 0) return;
    for (const key of unbound) {
      const pod = pods.get(key);
      if (pod === undefined || assumed.has(key)) continue;
      const node = choose(pod);
      if (node === undefined) continue;
      assumed.set(key, node);
      void bind(pod, node).then((outcome) => {
        if (outcome === "bound") return;
        if (outcome === "gone") return void assumed.delete(key);
        setTimeout(() => {
          assumed.delete(key);
          schedule();
        }, retryMs);
      });
    }
  }

  return {
    node(name, node) {
      if (node === undefined) nodes.delete(name);
      else nodes.set(name, node);
      schedule();
    },
    pod(key, pod) {
      const old = pods.get(key);
      count(old, -1);
      count(pod, 1);
      if (pod === undefined) pods.delete(key);
      else pods.set(key, pod);
      if (pod?.uid !== old?.uid || (pod?.nodeName ?? "") !== "") assumed.delete(key);
      if (pod?.active && pod.nodeName === "") {
        unbound.add(key);
        schedule();
      } else unbound.delete(key);
    },
    synced(kind) {
      missing.delete(kind);
      schedule();
    },
  };
}
