/** Pods that wait for an address of their node's block, in the order in which they began to. */
export interface WaitingPods {
  add(node: string, pod: string, reason: "exhausted" | "conflict"): void;
  remove(node: string, pod: string): void;
  /**
   * Who shall try again after so many addresses became free in the node's block: as many as can succeed, and all whose
   * announced address somebody else had, since it may be among the free ones.
   */
  next(node: string, freed: number): readonly string[];
}

export function createWaitingPods(): WaitingPods {
  const nodes = new Map<string, Readonly<Record<"exhausted" | "conflict", Set<string>>>>();
  return {
    add(node, pod, reason) {
      const waiting = nodes.get(node) ?? { exhausted: new Set(), conflict: new Set() };
      nodes.set(node, waiting);
      waiting[reason].add(pod);
    },
    remove(node, pod) {
      const waiting = nodes.get(node);
      if (waiting === undefined) return;
      waiting.exhausted.delete(pod);
      waiting.conflict.delete(pod);
      if (waiting.exhausted.size + waiting.conflict.size === 0) nodes.delete(node);
    },
    next(node, freed) {
      const waiting = nodes.get(node);
      if (waiting === undefined) return [];
      const pods = [...waiting.conflict];
      let left = freed;
      for (const pod of waiting.exhausted) {
        if (left-- <= 0) break;
        pods.push(pod);
      }
      return pods;
    },
  };
}
