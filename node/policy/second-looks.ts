import { type Changes, createChanges } from "./changes.ts";

/** Changes that were looked at once and are to be looked at again, when a while has passed. */
export interface SecondLooks {
  /** These have been looked at. */
  add(changes: Changes): void;
  /** What is due, if anything; it is not due any more. */
  take(): Changes | undefined;
  /** These could not be looked at: so long later, whatever else. */
  postpone(changes: Changes, ms: number): void;
  /** The datapath has forgotten its flows, as it does before a second look where it is faulty. */
  forgot(): void;
  /** When something is due, by the same clock; undefined where nothing is. */
  readonly dueAt: number | undefined;
}

interface Batch {
  readonly changes: Changes;
  readonly dueAt: number;
}

/**
 * What is due waits for nothing that comes later: that goes into a batch of its own.
 * @param options.afterMs from the first look
 * @param options.leastForgetMs between two times at which the datapath forgets its flows
 * @param options.now in ms, of a clock that only goes on
 */
export function createSecondLooks(options: {
  readonly afterMs: number;
  readonly leastForgetMs: number;
  readonly now?: () => number;
}): SecondLooks {
  const { afterMs, leastForgetMs, now = () => performance.now() } = options;
  let first: Batch | undefined;
  let second: Batch | undefined;
  let forgotAt = Number.NEGATIVE_INFINITY;

  const dueAt = (): number | undefined => first && Math.max(first.dueAt, forgotAt + leastForgetMs);

  function mergeOf(...all: readonly (Changes | undefined)[]): Changes {
    const merged = createChanges();
    for (const changes of all) if (changes !== undefined) merged.merge(changes);
    return merged;
  }

  return {
    add(changes) {
      const batch = { changes: mergeOf(changes, second?.changes), dueAt: now() + afterMs };
      if (first === undefined) first = batch;
      else second = batch;
    },
    take() {
      const due = dueAt();
      if (due === undefined || due > now()) return undefined;
      const changes = first?.changes;
      first = second;
      second = undefined;
      return changes;
    },
    postpone(changes, ms) {
      first = { changes: mergeOf(changes, first?.changes, second?.changes), dueAt: now() + ms };
      second = undefined;
    },
    forgot() {
      forgotAt = now();
    },
    get dueAt() {
      return dueAt();
    },
  };
}
