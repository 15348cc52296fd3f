import type { Uuid } from "ovsdb-client-ts";
import type { Membership } from "../translate/desired.ts";
import type { Drift } from "./drift.ts";
import type { Suspects } from "./plan.ts";

/** Why an owner is dirty, beyond its bundle. */
export interface Work extends Suspects {
  readonly rows: Map<Uuid, string>;
  readonly memberships: Membership[];
  /** What somebody did to the owner's rows; empty when its own change made it dirty. */
  readonly drifts: Drift[];
  /** The same for owners that go into one transaction. */
  batch: number | undefined;
  /** `performance.now()` of the first event. */
  since: number;
}

export function newWork(since: number): Work {
  return { rows: new Map(), memberships: [], drifts: [], batch: undefined, since };
}

/** Adds what `other` knows to `work`. */
export function mergeWork(work: Work, other: Work): void {
  for (const [uuid, table] of other.rows) work.rows.set(uuid, table);
  work.memberships.push(...other.memberships);
  work.since = Math.min(work.since, other.since);
}
