import type { Logger } from "./logger.ts";

/**
 * Runs one level-triggered task, never twice at a time. A trigger while it runs makes it run once more, so any burst of
 * events costs at most one further run; a failure is tried again after a growing pause, or at once on the next trigger.
 */
export interface Reconciler {
  /** Something that the task looks at may have changed. */
  trigger(): void;
  /** Runs the task, after what is under way, and rejects when that run fails. */
  run(): Promise<void>;
  /** No further runs; resolves when the one under way has ended. */
  stop(): Promise<void>;
}

const firstRetryMs = 200;
const lastRetryMs = 10_000;

/**
 * @param options.name for the log
 * @param options.task brings the world to what it should be; must be idempotent
 */
export function createReconciler(options: {
  readonly name: string;
  readonly task: () => Promise<void>;
  readonly logger: Logger;
}): Reconciler {
  const { name, task, logger } = options;
  let stopped = false;
  let running: Promise<void> | undefined;
  let next: PromiseWithResolvers<void> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let retryMs = firstRetryMs;

  async function runs(): Promise<void> {
    while (next && !stopped) {
      const { resolve, reject } = next;
      next = undefined;
      clearTimeout(retry);
      try {
        await task();
        retryMs = firstRetryMs;
        resolve();
      } catch (error) {
        logger.warn({ err: error, task: name, retryMs }, "reconciling failed, will try again");
        reject(error);
        retry = setTimeout(() => enqueue(), retryMs);
        retryMs = Math.min(retryMs * 2, lastRetryMs);
      }
    }
    next?.reject(new Error(`${name} was stopped`));
    next = undefined;
  }

  function enqueue(): Promise<void> {
    if (stopped) return Promise.reject(new Error(`${name} was stopped`));
    if (!next) {
      next = Promise.withResolvers();
      // Most callers only trigger: the failure is logged and tried again above.
      next.promise.catch(() => undefined);
    }
    const { promise } = next;
    running ??= runs().finally(() => {
      running = undefined;
    });
    return promise;
  }

  return {
    trigger() {
      enqueue().catch(() => undefined);
    },
    run: enqueue,
    async stop() {
      stopped = true;
      clearTimeout(retry);
      await running;
    },
  };
}
