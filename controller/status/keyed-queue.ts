import { type Backoff, createBackoff } from "@ovenbird/kube";

export interface KeyedQueueOptions {
  /** How many keys are worked on at once. */
  readonly concurrency: number;
  /** Does whatever the key needs now; reads the state itself, for a key says nothing of what changed. */
  readonly work: (key: string) => Promise<void>;
  /** Whether to try again after this error. */
  readonly isRetried: (error: unknown) => boolean;
  readonly onError?: (key: string, error: unknown, retryInMs: number | undefined) => void;
  /** Pauses between tries of one key; default 200 ms to 60 s. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
}

/** Level-triggered work by key: each key is in it at most once, is never worked on twice at a time, and is retried. */
export interface KeyedQueue {
  add(key: string): void;
  /** Drops the key and its retries. */
  forget(key: string): void;
  readonly pending: number;
  /** Resolves when nothing waits or runs; keys between two tries count as waiting. */
  idle(): Promise<void>;
  /** Takes no more, and waits for what runs. */
  close(): Promise<void>;
}

export function createKeyedQueue(options: KeyedQueueOptions): KeyedQueue {
  const { concurrency, work, isRetried, onError, backoff: bounds = { minMs: 200, maxMs: 60_000 } } = options;
  const waiting = new Set<string>();
  const running = new Set<string>();
  const retries = new Map<string, { readonly backoff: Backoff; timer: NodeJS.Timeout | undefined }>();
  const idleWaiters: (() => void)[] = [];
  let closed = false;

  const isIdle = (): boolean =>
    running.size === 0 &&
    (closed || (waiting.size === 0 && [...retries.values()].every(({ timer }) => timer === undefined)));

  function next(): void {
    while (!closed && running.size < concurrency) {
      const key = takeNext();
      if (key === undefined) break;
      run(key);
    }
    if (isIdle()) for (const resolve of idleWaiters.splice(0)) resolve();
  }

  function takeNext(): string | undefined {
    for (const key of waiting) {
      // A key that changed while it is worked on has its turn after that.
      if (running.has(key)) continue;
      waiting.delete(key);
      return key;
    }
    return undefined;
  }

  function run(key: string): void {
    running.add(key);
    work(key)
      .then(
        () => void retries.delete(key),
        (error: unknown) => failed(key, error),
      )
      .finally(() => {
        running.delete(key);
        next();
      });
  }

  function failed(key: string, error: unknown): void {
    if (!isRetried(error) || closed) {
      retries.delete(key);
      onError?.(key, error, undefined);
      return;
    }
    const entry = retries.get(key) ?? { backoff: createBackoff(bounds), timer: undefined };
    const retryInMs = entry.backoff.next();
    entry.timer = setTimeout(() => {
      entry.timer = undefined;
      waiting.add(key);
      next();
    }, retryInMs);
    entry.timer.unref();
    retries.set(key, entry);
    onError?.(key, error, retryInMs);
  }

  return {
    add(key) {
      if (closed) return;
      const retry = retries.get(key);
      // Between two tries: its turn comes, however often it is asked for.
      if (retry?.timer !== undefined) return;
      waiting.add(key);
      next();
    },
    forget(key) {
      waiting.delete(key);
      clearTimeout(retries.get(key)?.timer);
      retries.delete(key);
      next();
    },
    get pending() {
      return waiting.size + running.size + retries.size;
    },
    idle: () =>
      new Promise((resolve) => {
        idleWaiters.push(resolve);
        next();
      }),
    async close() {
      closed = true;
      for (const { timer } of retries.values()) clearTimeout(timer);
      waiting.clear();
      if (running.size > 0) await new Promise<void>((resolve) => idleWaiters.push(resolve));
    },
  };
}
