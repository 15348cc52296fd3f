import type { Bundle, BundleChange, Owner } from "../translate/desired.ts";

/** A set or a group that is there as long as some policy asks for it, each part of it for itself. */
export interface UsedSet<Use> {
  /** @param policy who asks, by `policyId`; for each use once */
  acquire(use: Use, policy: string): void;
  release(use: Use, policy: string): void;
}

/** What one policy asks for; each use of a set once. */
export class PolicyUses {
  readonly #uses = new Map<UsedSet<unknown>, Set<unknown>>();

  add<Use>(set: UsedSet<Use>, use: Use): void {
    const uses = this.#uses.get(set as UsedSet<unknown>);
    if (uses === undefined) this.#uses.set(set as UsedSet<unknown>, new Set([use]));
    else uses.add(use);
  }

  /** Takes what is asked for, and gives up what only the former uses asked for. */
  replace(former: PolicyUses, policy: string): void {
    for (const [set, use] of this.#without(former)) set.acquire(use, policy);
    for (const [set, use] of former.#without(this)) set.release(use, policy);
  }

  *#without(other: PolicyUses): Generator<[UsedSet<unknown>, unknown]> {
    for (const [set, uses] of this.#uses) {
      const others = other.#uses.get(set);
      for (const use of uses) if (others?.has(use) !== true) yield [set, use];
    }
  }
}

/** How many ask for each use. */
export class UseCounts<Use> {
  readonly #counts = new Map<Use, number>();

  /** @returns true when it is the first */
  add(use: Use): boolean {
    const count = this.#counts.get(use) ?? 0;
    this.#counts.set(use, count + 1);
    return count === 0;
  }

  /** @returns true when it was the last */
  remove(use: Use): boolean {
    const count = this.#counts.get(use) ?? 0;
    if (count > 1) {
      this.#counts.set(use, count - 1);
      return false;
    }
    return this.#counts.delete(use);
  }

  has(use: Use): boolean {
    return this.#counts.has(use);
  }

  keys(): Iterable<Use> {
    return this.#counts.keys();
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }
}

/** Changes of rows that others refer to: they come before those, and go after them. */
export interface SetChanges {
  /** Rows that come, and what changes in those that stay; what goes is still there. */
  readonly came: BundleChange[];
  /** What is left when the rows are gone that nobody asks for any more. */
  readonly left: BundleChange[];
}

/** Whether a bundle has nothing that the former one lacks, nor lacks members of what it keeps. */
function isWithin(now: Bundle, before: Bundle | undefined): boolean {
  const present = new Set(now.rows.map(({ uuid }) => uuid));
  const former = new Set(before?.rows.map(({ uuid }) => uuid));
  if (now.rows.some(({ uuid }) => !former.has(uuid))) return false;
  const kept = before?.memberships.filter(({ row }) => present.has(row)) ?? [];
  const members = new Set(kept.map(({ row, member }) => `${row} ${member}`));
  return (
    kept.length === now.memberships.length &&
    now.memberships.every(({ row, member }) => members.has(`${row} ${member}`))
  );
}

/** Notes how a bundle changed. */
export function noteChange(
  changes: SetChanges,
  owner: Owner,
  before: Bundle | undefined,
  now: Bundle | undefined,
): void {
  const present = new Set(now?.rows.map(({ uuid }) => uuid));
  const going = before?.rows.filter(({ uuid }) => !present.has(uuid)) ?? [];
  if (going.length === 0) {
    if (now !== undefined) changes.came.push({ owner, bundle: now });
    return;
  }
  if (now !== undefined && !isWithin(now, before)) {
    const gone = new Set(going.map(({ uuid }) => uuid));
    const memberships = before?.memberships.filter(({ row }) => gone.has(row)) ?? [];
    const bundle = { rows: [...now.rows, ...going], memberships: [...now.memberships, ...memberships] };
    changes.came.push({ owner, bundle });
  }
  changes.left.push({ owner, bundle: now });
}
