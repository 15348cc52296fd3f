import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import type { Client, Replica } from "ovsdb-client-ts";
import { createKeyedQueue } from "./keyed-queue.ts";

export interface SouthboundOptions {
  readonly client: Client<OvnSouthbound>;
  readonly onError?: (systemId: string, error: unknown) => void;
  readonly onRemoved?: (systemId: string) => void;
  /** A chassis that registers again though its node is gone is removed again after this long; default 10,000 ms. */
  readonly reappearMs?: number;
}

/** Removes from the southbound database what nodes that are gone left there: `Chassis` and `Chassis_Private`. */
export interface Southbound {
  readonly connected: boolean;
  /** The node with this `system-id` is gone. */
  gone(systemId: string): void;
  /** A node with this `system-id` exists (again). */
  lives(systemId: string): void;
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** Nodes remembered as gone; beyond that the oldest is forgotten. */
const maxGone = 10_000;

export function createSouthbound({ client, onError, onRemoved, reappearMs = 10_000 }: SouthboundOptions): Southbound {
  const goneIds = new Set<string>();
  const timers = new Set<NodeJS.Timeout>();
  const abort = new AbortController();
  let replica: Replica<OvnSouthbound> | undefined;
  let stop: (() => void) | undefined;

  const queue = createKeyedQueue({
    concurrency: 1,
    // Whatever it is, the next connection may bring the answer.
    isRetried: () => !abort.signal.aborted,
    ...(onError === undefined ? {} : { onError }),
    async work(systemId) {
      const rows = replica ?? (await replicating);
      if (!goneIds.has(systemId)) return;
      const transaction = client.transaction().comment(`ovenbird: the node of chassis ${systemId} is gone`);
      let found = 0;
      for (const table of ["Chassis_Private", "Chassis"] as const) {
        for (const row of rows.table(table).by("name", systemId)) {
          transaction.delete(table, row._uuid);
          found += 1;
        }
      }
      if (found === 0) return;
      await transaction.commit({ timeoutMs: 30_000, signal: abort.signal });
      onRemoved?.(systemId);
    },
  });

  const replicating = client
    .replicate(
      { Chassis: ["name"], Chassis_Private: ["name"] },
      { indexes: { Chassis: { name: "name" }, Chassis_Private: { name: "name" } }, signal: abort.signal },
    )
    .then((ready) => {
      replica = ready;
      stop = ready.subscribe((changes) => {
        for (const change of changes) {
          if (change.kind === "insert" && change.table === "Chassis" && goneIds.has(change.row.name)) {
            again(change.row.name);
          }
        }
      });
      return ready;
    });
  // Who waits for it is told by the queue's own error.
  replicating.catch(() => undefined);

  function again(systemId: string): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (goneIds.has(systemId)) queue.add(systemId);
    }, reappearMs);
    timer.unref();
    timers.add(timer);
  }

  return {
    get connected() {
      return client.state === "connected" && replica?.synced === true;
    },
    gone(systemId) {
      if (goneIds.size >= maxGone) {
        for (const oldest of goneIds) {
          goneIds.delete(oldest);
          break;
        }
      }
      goneIds.add(systemId);
      queue.add(systemId);
    },
    lives(systemId) {
      if (goneIds.delete(systemId)) queue.forget(systemId);
    },
    idle: () => queue.idle(),
    async close() {
      abort.abort();
      stop?.();
      for (const timer of timers) clearTimeout(timer);
      await queue.close();
      await replica?.close();
    },
  };
}
