/** What waits for its turn at most; a runtime that asks more often for one container gets an error. */
const longestQueue = 16;

/** Lets one task at a time run per key, in the order of their coming. */
export interface Turns {
  /**
   * @param abortable whether {@link interrupt} ends it
   * @throws {RangeError} when too many wait already
   */
  take<T>(key: string, abortable: boolean, task: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Aborts the abortable tasks of a key, running and waiting. */
  interrupt(key: string, reason: Error): void;
  /** Keys that have a task, running or waiting. */
  busy(key: string): boolean;
  /** Aborts all abortable tasks and waits until every task has ended. */
  drain(reason: Error): Promise<void>;
}

interface Turn {
  readonly abortable: boolean;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

export function createTurns(): Turns {
  const queues = new Map<string, Turn[]>();

  function interrupt(key: string, reason: Error): void {
    for (const turn of queues.get(key) ?? []) if (turn.abortable) turn.controller.abort(reason);
  }

  return {
    async take(key, abortable, task) {
      const queue = queues.get(key) ?? [];
      if (queue.length >= longestQueue) throw new RangeError(`${queue.length} calls wait already`);
      queues.set(key, queue);
      const before = queue.at(-1)?.ended;
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const turn: Turn = { abortable, controller: new AbortController(), ended };
      queue.push(turn);
      try {
        if (before !== undefined) await before;
        turn.controller.signal.throwIfAborted();
        return await task(turn.controller.signal);
      } finally {
        queue.splice(queue.indexOf(turn), 1);
        if (queue.length === 0) queues.delete(key);
        end();
      }
    },
    interrupt,
    busy: (key) => queues.has(key),
    async drain(reason) {
      for (const key of queues.keys()) interrupt(key, reason);
      await Promise.all([...queues.values()].flat().map((turn) => turn.ended));
    },
  };
}
