import type { Uuid } from "ovsdb-client-ts";
import type { OwnerName } from "./owner.ts";
import type { Work } from "./work.ts";

/** Owners whose rows are to be members of a row that is not there yet. */
export interface WaitingOwners {
  readonly size: number;
  add(owner: OwnerName, on: Uuid, work: Work): void;
  get(owner: OwnerName): Work | undefined;
  take(owner: OwnerName): Work | undefined;
  /** Who waits for a row. */
  waitingFor(row: Uuid): readonly OwnerName[];
}

export function createWaitingOwners(): WaitingOwners {
  const waiting = new Map<OwnerName, { readonly on: Uuid; readonly work: Work }>();
  const byRow = new Map<Uuid, Set<OwnerName>>();
  return {
    get size() {
      return waiting.size;
    },
    add(owner, on, work) {
      waiting.set(owner, { on, work });
      const owners = byRow.get(on) ?? new Set();
      byRow.set(on, owners.add(owner));
    },
    get: (owner) => waiting.get(owner)?.work,
    take(owner) {
      const entry = waiting.get(owner);
      if (entry === undefined) return undefined;
      waiting.delete(owner);
      const owners = byRow.get(entry.on);
      owners?.delete(owner);
      if (owners?.size === 0) byRow.delete(entry.on);
      return entry.work;
    },
    waitingFor: (row) => [...(byRow.get(row) ?? [])],
  };
}
