import type { OwnerName } from "./owner.ts";

/** How often an owner is repaired at once within the window before its repairs are spaced out. */
const quickRepairs = 5;
const windowMs = 10_000;
const longestDelayMs = 30_000;
/** Owners remembered; beyond that all start afresh. */
const maxRemembered = 10_000;

/**
 * How long to wait before rows are repaired that somebody changed: not at all, unless the same owner's were changed again
 * and again, for then two programs disagree, and neither the database nor northd shall bear it at full speed.
 */
export function createRepairPace(): (owner: OwnerName, now: number) => number {
  const histories = new Map<OwnerName, { count: number; readonly since: number }>();
  return (owner, now) => {
    if (histories.size > maxRemembered) histories.clear();
    const history = histories.get(owner);
    if (history === undefined || now - history.since > windowMs * Math.max(1, history.count - quickRepairs)) {
      histories.set(owner, { count: 1, since: now });
      return 0;
    }
    history.count += 1;
    return history.count <= quickRepairs ? 0 : Math.min(longestDelayMs, 100 * 2 ** (history.count - quickRepairs));
  };
}
