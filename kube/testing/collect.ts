import type { Observable } from "rxjs";

export interface Collected<T> {
  readonly values: readonly T[];
  readonly completed: boolean;
  /** Resolves once the values (from `since` on) satisfy the condition. */
  until(condition: (values: readonly T[]) => boolean): Promise<void>;
  unsubscribe(): void;
}

/** Subscribes and remembers all that comes. */
export function collect<T>(source: Observable<T>): Collected<T> {
  const values: T[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  const state = { completed: false };
  const subscription = source.subscribe({
    next(value) {
      values.push(value);
      wake();
    },
    complete() {
      state.completed = true;
      wake();
    },
  });
  return {
    values,
    get completed() {
      return state.completed;
    },
    until(condition) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = (): void => {
        if (!condition(values)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
      return promise;
    },
    unsubscribe: () => subscription.unsubscribe(),
  };
}
