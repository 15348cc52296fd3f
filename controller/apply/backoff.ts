/** Delays that double from `minMs` to `maxMs`, each spread over its upper half so that many waiters don't meet. */
export interface Backoff {
  next(): number;
  reset(): void;
}

export function createBackoff({ minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }): Backoff {
  let step = minMs;
  return {
    next() {
      const delayMs = step * (0.5 + Math.random() / 2);
      step = Math.min(maxMs, step * 2);
      return delayMs;
    },
    reset() {
      step = minMs;
    },
  };
}
