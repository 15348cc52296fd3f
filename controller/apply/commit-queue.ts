import type { OwnerName } from "./owner.ts";
import { mergeWork, type Work } from "./work.ts";

/** Owners to be looked at, in the order in which what they need may be committed. */
export interface CommitQueue {
  readonly size: number;
  get(owner: OwnerName): Work | undefined;
  has(owner: OwnerName): boolean;
  owners(): Iterable<OwnerName>;
  /** At the end; an owner that waits already keeps its place. */
  set(owner: OwnerName, work: Work): void;
  /** At the end, also if it waits already. */
  setLast(owner: OwnerName, work: Work): void;
  delete(owner: OwnerName): void;
  /** Adds what is known of an owner to what has come since; at the end if nothing has. */
  restore(owner: OwnerName, work: Work): void;
  /**
   * Puts back what could not be committed, before what comes after it; but what goes meanwhile keeps its place.
   * @param isWanted whether the owner still has a bundle
   */
  restoreAll(group: readonly (readonly [OwnerName, Work])[], isWanted: (owner: OwnerName) => boolean): void;
}

export function createCommitQueue(): CommitQueue {
  const dirty = new Map<OwnerName, Work>();

  function setLast(owner: OwnerName, work: Work): void {
    dirty.delete(owner);
    dirty.set(owner, work);
  }

  function restore(owner: OwnerName, work: Work): void {
    const newer = dirty.get(owner);
    if (newer === undefined) dirty.set(owner, work);
    else mergeWork(newer, work);
  }

  return {
    get size() {
      return dirty.size;
    },
    get: (owner) => dirty.get(owner),
    has: (owner) => dirty.has(owner),
    owners: () => dirty.keys(),
    set: (owner, work) => dirty.set(owner, work),
    setLast,
    delete: (owner) => dirty.delete(owner),
    restore,
    restoreAll(group, isWanted) {
      const later = [...dirty];
      const early = new Set<OwnerName>();
      for (const [owner, work] of group) {
        const goesMeanwhile = dirty.has(owner) && !isWanted(owner);
        restore(owner, work);
        if (!goesMeanwhile) early.add(owner);
      }
      for (const owner of early) {
        const work = dirty.get(owner);
        if (work !== undefined) setLast(owner, work);
      }
      for (const [owner, work] of later) if (!early.has(owner)) setLast(owner, work);
    },
  };
}
