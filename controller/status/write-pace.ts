export interface WritePaceOptions {
  /** Before the same is written again for the first time; default 1,000. */
  readonly firstPauseMs?: number;
  /** Default 60,000. */
  readonly longestPauseMs?: number;
}

/**
 * Keeps two that write the same field from wearing each other out: what was written and has to be written again waits,
 * each time twice as long. A watch that has not yet told of the last write is waited for in the same way.
 */
export interface WritePace {
  /** @returns whether this may be written to the object now */
  allows(key: string, uid: string, text: string): boolean;
  /** It is written. */
  wrote(key: string, uid: string, text: string): void;
  forget(key: string): void;
}

interface Written {
  readonly uid: string;
  readonly text: string;
  readonly atMs: number;
  readonly pauseMs: number;
}

export function createWritePace({ firstPauseMs = 1_000, longestPauseMs = 60_000 }: WritePaceOptions = {}): WritePace {
  const written = new Map<string, Written>();
  const last = (key: string, uid: string, text: string): Written | undefined => {
    const before = written.get(key);
    return before?.uid === uid && before.text === text ? before : undefined;
  };
  return {
    allows(key, uid, text) {
      const before = last(key, uid, text);
      return before === undefined || performance.now() - before.atMs >= before.pauseMs;
    },
    wrote(key, uid, text) {
      const before = last(key, uid, text);
      const pauseMs = before === undefined ? firstPauseMs : Math.min(before.pauseMs * 2, longestPauseMs);
      written.set(key, { uid, text, atMs: performance.now(), pauseMs });
    },
    forget: (key) => void written.delete(key),
  };
}
