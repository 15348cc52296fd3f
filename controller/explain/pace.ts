import { setImmediate } from "node:timers/promises";

/** Lets a long computation leave turns to other work, the renewal of the Lease among it. */
export interface Pace {
  /** Whether it has worked long enough at a stretch: ask often, it costs next to nothing. */
  isDue(): boolean;
  /** Gives other work its turn. */
  rest(): Promise<void>;
  /** Whether all the time it has is over, rests included. */
  isOver(): boolean;
}

/** @param turnMs how long to work at a stretch @param maxMs how long in all, from now on */
export function createPace(turnMs: number, maxMs: number): Pace {
  const began = performance.now();
  let resumed = began;
  return {
    isDue: () => performance.now() - resumed > turnMs,
    async rest() {
      await setImmediate();
      resumed = performance.now();
    },
    isOver: () => performance.now() - began > maxMs,
  };
}
