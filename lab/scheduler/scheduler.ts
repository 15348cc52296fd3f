import type { SchedulableNode, SchedulablePod } from "./records.ts";

export interface SchedulerOptions {
  /** Binds a pod; `retry` when the API could not be asked, `gone` when there is nothing to bind any more. */
  readonly bind: (pod: SchedulablePod, node: string) => Promise<"bound" | "gone" | "retry">;
  /** Told once of each reason why a pod fits no node; answers whether that could be written down. */
  readonly unschedulable: (pod: SchedulablePod, message: string) => Promise<boolean>;
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
 * Of what a pod may ask of a node it knows `nodeSelector`.
 */
export function createScheduler({ bind, unschedulable, retryMs = 500 }: SchedulerOptions): Scheduler {
  const nodes = new Map<string, SchedulableNode>();
  const pods = new Map<string, SchedulablePod>();
  const unbound = new Set<string>();
  /** Bindings under way: the watch has not told of them yet. */
  const assumed = new Map<string, string>();
  const loads = new Map<string, number>();
  /** What was last said of a pod that fits nowhere. */
  const told = new Map<string, string>();
  const missing = new Set(["nodes", "pods"]);

  function count(pod: SchedulablePod | undefined, by: 1 | -1): void {
    if (pod?.active && pod.nodeName !== "") loads.set(pod.nodeName, (loads.get(pod.nodeName) ?? 0) + by);
  }

  function choose(pod: SchedulablePod): string | undefined {
    const assumedLoads = Map.groupBy(assumed.values(), (node) => node);
    const load = (node: string) => (loads.get(node) ?? 0) + (assumedLoads.get(node)?.length ?? 0);
    return [...nodes]
      .filter(([, node]) => node.schedulable && fits(pod, node))
      .map(([name]) => name)
      .sort((a, b) => load(a) - load(b) || a.localeCompare(b, "en", { numeric: true }))[0];
  }

  function complain(key: string, pod: SchedulablePod): void {
    const message = whyNowhere(pod, [...nodes.values()]);
    if (told.get(key) === message) return;
    told.set(key, message);
    void unschedulable(pod, message).then((written) => {
      if (written || told.get(key) !== message) return;
      setTimeout(() => {
        if (told.get(key) === message) told.delete(key);
        schedule();
      }, retryMs);
    });
  }

  function schedule(): void {
    if (missing.size > 0) return;
    for (const key of unbound) {
      const pod = pods.get(key);
      if (pod === undefined || assumed.has(key)) continue;
      const node = choose(pod);
      if (node === undefined) {
        complain(key, pod);
        continue;
      }
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
      if (pod?.uid !== old?.uid || (pod?.nodeName ?? "") !== "") told.delete(key);
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

function fits({ nodeSelector }: SchedulablePod, { labels }: SchedulableNode): boolean {
  return Object.entries(nodeSelector).every(([key, value]) => labels[key] === value);
}

/** Why no node takes a pod, in kube-scheduler's manner. */
function whyNowhere(pod: SchedulablePod, nodes: readonly SchedulableNode[]): string {
  if (nodes.length === 0) return "no nodes available to schedule pods";
  const unready = nodes.filter(({ schedulable }) => !schedulable).length;
  const unfit = nodes.filter((node) => node.schedulable && !fits(pod, node)).length;
  const reasons = [
    unready === 0 ? "" : `${unready} node(s) were not ready or unschedulable`,
    unfit === 0 ? "" : `${unfit} node(s) didn't match Pod's node affinity/selector`,
  ].filter((reason) => reason !== "");
  return `0/${nodes.length} nodes are available: ${reasons.join(", ")}.`;
}
