import type { OwnerName } from "./owner.ts";
import type { Work } from "./work.ts";

/** Owners that are left alone for a while. */
export interface HeldOwners {
  readonly size: number;
  /** Holds the owner back; after the delay it is given to `release`. */
  hold(owner: OwnerName, work: Work, delayMs: number): void;
  get(owner: OwnerName): Work | undefined;
  /** Takes the owner out before its time. */
  take(owner: OwnerName): Work | undefined;
  clear(): void;
}

export function createHeldOwners(release: (owner: OwnerName, work: Work) => void): HeldOwners {
  const held = new Map<OwnerName, { readonly work: Work; readonly timer: NodeJS.Timeout }>();
  return {
    get size() {
      return held.size;
    },
    hold(owner, work, delayMs) {
      const timer = setTimeout(() => {
        held.delete(owner);
        release(owner, work);
      }, delayMs);
      timer.unref();
      held.set(owner, { work, timer });
    },
    get: (owner) => held.get(owner)?.work,
    take(owner) {
      const entry = held.get(owner);
      if (entry === undefined) return undefined;
      clearTimeout(entry.timer);
      held.delete(owner);
      return entry.work;
    },
    clear() {
      for (const { timer } of held.values()) clearTimeout(timer);
      held.clear();
    },
  };
}
