/** Warns of a problem that lasts. */
export interface Alarm {
  /** The problem may have come, changed or gone. */
  look(): void;
  stop(): void;
}

/**
 * Warns once of each problem that is still there some time after it was first seen: while things are being set up there
 * always is one.
 * @param options.problem what is wrong now, undefined when nothing is
 */
export function createAlarm(options: {
  readonly afterMs: number;
  readonly problem: () => string | undefined;
  readonly warn: (problem: string) => void;
}): Alarm {
  const { afterMs, problem, warn } = options;
  let timer: NodeJS.Timeout | undefined;
  let warned: string | undefined;

  function elapse(): void {
    timer = undefined;
    const now = problem();
    if (now !== undefined && now !== warned) warn(now);
    warned = now;
  }
  return {
    look() {
      const now = problem();
      if (now === undefined || now === warned) {
        clearTimeout(timer);
        timer = undefined;
        warned = now;
      } else timer ??= setTimeout(elapse, afterMs);
    },
    stop: () => clearTimeout(timer),
  };
}
