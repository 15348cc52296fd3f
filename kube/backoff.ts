export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Backoff {
  /** The next pause in ms: twice the last one, up to the bound, and between half and all of it by chance. */
  next(): number;
  /** The next pause is a short one again. */
  reset(): void;
}

/** Pauses between attempts that grow, and that many clients do not take in step. */
export function createBackoff(bounds: BackoffBounds, random: () => number = Math.random): Backoff {
  let base = bounds.minMs;
  return {
    next() {
      const pause = base * (0.5 + 0.5 * random());
      base = Math.min(bounds.maxMs, base * 2);
      return pause;
    },
    reset() {
      base = bounds.minMs;
    },
  };
}
