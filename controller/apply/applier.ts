import { setImmediate as nextTurn } from "node:timers/promises";
import { type Backoff, createBackoff } from "@ovenbird/kube";
import {
  type Client,
  type Lock,
  OvsdbError,
  type OvsdbErrorCode,
  type Replica,
  type UntypedModel,
} from "ovsdb-client-ts";
import type { BundleChange, DesiredRow, Membership } from "../translate/desired.ts";
import type { ApplierListener } from "./applier-listener.ts";
import { ApplyError, type ApplyErrorCode } from "./apply-error.ts";
import { createCommitQueue } from "./commit-queue.ts";
import { createDesiredStore } from "./desired-store.ts";
import { type Drift, driftOf, leftovers, strayMembersOf } from "./drift.ts";
import { createHeldOwners } from "./held-owners.ts";
import { lateLeftovers } from "./late-leftovers.ts";
import { managedTables } from "./managed-columns.ts";
import { isLaterTurn, laterTurn, type OwnerName, ownerName, withoutPart } from "./owner.ts";
import { createPlan, type OperationKind, type Plan } from "./plan.ts";
import { createRepairPace } from "./repair-pace.ts";
import { createWaitingOwners } from "./waiting-owners.ts";
import { newWork, type Work } from "./work.ts";

export interface ApplierOptions {
  readonly client: Client<UntypedModel>;
  readonly replica: Replica<UntypedModel>;
  /** Asserted by every transaction. */
  readonly lock: Lock;
  readonly listener?: ApplierListener;
  /** What a transaction may cost before the next one takes what is left, in rows written; default 1,000. */
  readonly maxGroupWeight?: number;
  /**
   * The same for owners that belong into one transaction; default 20,000. A transaction that the server can't finish in time
   * would never be committed, and leave pods open for good; one that is cut goes on in the order of the list: pods join what
   * they shall be in before policies come, these before those that go, and pods leave what shuts them last.
   */
  readonly maxBatchWeight?: number;
  /** Owners with something to write per transaction; by default only their weight counts. */
  readonly maxGroupOwners?: number;
  /** Bound of one transaction; default 30,000 ms. */
  readonly transactionTimeoutMs?: number;
  /** Pauses before an owner that was set aside is tried again; default 1 s to 5 min. */
  readonly retryBackoff?: { readonly minMs: number; readonly maxMs: number };
}

/** The only writer of the northbound database: brings it to the bundles it was told, and keeps it there. */
export interface Applier {
  /** Replaces bundles. Nothing is written before `start`. @param receivedAt `performance.now()` of the first event behind the changes */
  set(changes: readonly BundleChange[], receivedAt: number): void;
  /** Begins to write, and to remove what is ours and not desired: call it once all watched kinds have synced. */
  start(): void;
  /** True when the owner has a bundle and the database holds it. */
  isCommitted(owner: OwnerName): boolean;
  /** Resolves when nothing is left to write, but for owners set aside or waiting for a parent row. */
  idle(): Promise<void>;
  readonly desiredOwners: number;
  readonly dirtyOwners: number;
  readonly setAsideOwners: number;
  readonly waitingOwners: number;
  /** Finishes the transaction in flight and writes no more. */
  close(): Promise<void>;
}

/** Errors that some rows of the transaction are to blame for; all others are about the connection or the server. */
const blameRows: ReadonlySet<OvsdbErrorCode> = new Set<OvsdbErrorCode>([
  "CONSTRAINT_VIOLATION",
  "REFERENTIAL_INTEGRITY",
  "DUPLICATE_UUID",
  "DOMAIN_ERROR",
  "RANGE_ERROR",
  "SYNTAX_ERROR",
  "INVALID_ARGUMENT",
  "NOT_ALLOWED",
  "NOT_SUPPORTED",
]);

/** Owners looked at without anything to write before other work gets its turn. */
const maxLooked = 500;

export function createApplier(options: ApplierOptions): Applier {
  const { client, replica, lock, listener = {}, transactionTimeoutMs = 30_000 } = options;
  const { maxGroupWeight = 1_000, maxBatchWeight = 20_000, maxGroupOwners = Number.POSITIVE_INFINITY } = options;
  const retryBounds = options.retryBackoff ?? { minMs: 1_000, maxMs: 300_000 };
  const tables = managedTables(client.schema);
  const desired = createDesiredStore();
  const context = { tables, replica, desired };

  const dirty = createCommitQueue();
  const inFlight = new Map<OwnerName, Work>();
  const aside = createHeldOwners((owner, work) => {
    dirty.restore(owner, work);
    wake();
  });
  const attempts = new Map<OwnerName, Backoff>();
  const waiting = createWaitingOwners();
  const repairDelayMs = createRepairPace();
  /** Parts of a group that was rejected, to be tried on their own. */
  const parts: (readonly OwnerName[])[] = [];
  const idleWaiters: (() => void)[] = [];
  const connectionBackoff = createBackoff({ minMs: 50, maxMs: 10_000 });

  /** The plan under way, or the one before: until the next one is made, what it wrote may still be coming in. */
  let lastPlan: Plan | undefined;
  let batches = 0;
  let started = false;
  let closed = false;
  let pumping: Promise<void> | undefined;
  let pause: NodeJS.Timeout | undefined;

  const canWrite = (): boolean =>
    started && !closed && pause === undefined && client.state === "connected" && replica.synced && lock.held;

  function wake(): void {
    if (pumping === undefined && dirty.size > 0 && canWrite()) {
      pumping = pump().finally(() => {
        pumping = undefined;
        // What came while the last step ended would be left lying otherwise.
        wake();
        tellIdle();
      });
    } else tellIdle();
  }

  function tellIdle(): void {
    if (dirty.size > 0 || inFlight.size > 0 || pumping !== undefined) return;
    for (const resolve of idleWaiters.splice(0)) resolve();
  }

  /** Makes an owner dirty, with everything known of it. */
  function markDirty(owner: OwnerName, since: number): Work {
    const existing = dirty.get(owner);
    if (existing !== undefined) return existing;
    const work = aside.take(owner) ?? waiting.take(owner) ?? newWork(since);
    dirty.set(owner, work);
    return work;
  }

  function setAside(owner: OwnerName, work: Work, code: ApplyErrorCode, message: string): void {
    let backoff = attempts.get(owner);
    if (backoff === undefined) {
      backoff = createBackoff(retryBounds);
      attempts.set(owner, backoff);
    }
    const retryInMs = backoff.next();
    aside.hold(owner, work, retryInMs);
    listener.problem?.({ owner, code, message, retryInMs });
  }

  function settle(owner: OwnerName, work: Work): void {
    attempts.delete(owner);
    if (dirty.has(owner) || isLaterTurn(owner)) return;
    listener.committed?.(owner, performance.now() - work.since);
  }

  /** A row that was to go as a whole and is wanted again may hold what went meanwhile. */
  function noteStrays({ table: name, uuid }: DesiredRow, work: Work): void {
    const table = tables.get(name);
    const row = table === undefined || table.membershipColumns.length === 0 ? undefined : replica.table(name).get(uuid);
    if (table === undefined || row === undefined) return;
    for (const { strayMember } of strayMembersOf(context, table, row)) {
      if (strayMember !== undefined) work.memberships.push(strayMember);
    }
  }

  /** Notes what somebody did to our rows. Repairs of an owner that somebody else keeps changing are spaced out. */
  function noteDrift(drift: Drift): void {
    const { owner } = drift;
    const stray = drift.strayRow === true || drift.strayMember !== undefined;
    if (stray && !started) return;
    // Our own doing, and no longer wanted meanwhile: who wanted it is dirty.
    if (drift.strayMember !== undefined && lastPlan?.insertsMember(drift.strayMember) === true) return;
    const busy = dirty.get(owner) ?? aside.get(owner) ?? waiting.get(owner);
    const now = performance.now();
    const work = busy ?? newWork(now);
    if (drift.strayRow === true) work.rows.set(drift.uuid, drift.table);
    if (drift.strayMember !== undefined) work.memberships.push(drift.strayMember);
    if (busy !== undefined) {
      if (busy.drifts.length > 0 && busy.drifts.length < 10) busy.drifts.push(drift);
      return;
    }
    // Not our own doing: what we write ends in what is desired, and a change of that would have made the owner dirty.
    work.drifts.push(drift);
    const delayMs = repairDelayMs(owner, now);
    if (delayMs > 0) aside.hold(owner, work, delayMs);
    else dirty.set(owner, work);
  }

  function onChanges(changes: Parameters<Parameters<typeof replica.subscribe>[0]>[0]): void {
    for (const change of changes) {
      for (const drift of driftOf(context, change)) noteDrift(drift);
      if (change.kind !== "insert") continue;
      for (const owner of waiting.waitingFor(change.uuid)) markDirty(owner, performance.now());
    }
    wake();
  }

  /** Plans the next group; owners with nothing to write are settled on the way. */
  function nextPlan(): Plan {
    const plan = createPlan({ ...context, suspects: (owner) => dirty.get(owner) });
    const isFull = (): boolean =>
      plan.weight >= maxGroupWeight || plan.owners.length >= maxGroupOwners || looked >= maxLooked;
    let looked = 0;
    let batch: number | undefined;
    for (const owner of parts.shift() ?? dirty.owners()) {
      const work = dirty.get(owner);
      if (work === undefined) continue;
      if (plan.weight >= maxBatchWeight) break;
      if (isFull() && (batch === undefined || work.batch !== batch)) break;
      batch = work.batch;
      try {
        const planned = plan.add(owner);
        if (planned.kind === "settled") {
          dirty.delete(owner);
          settle(owner, work);
          looked += 1;
        } else if (planned.kind === "blocked") {
          dirty.delete(owner);
          // Its rows went with their parent: that is no tampering.
          work.drifts.length = 0;
          waiting.add(owner, planned.on, work);
        }
      } catch (error) {
        if (!(error instanceof ApplyError)) throw error;
        dirty.delete(owner);
        setAside(owner, work, error.code, error.message);
      }
    }
    return plan;
  }

  function reportDrifts(owner: OwnerName, work: Work): void {
    if (work.drifts.length === 0) return;
    listener.drift?.(owner, work.drifts.splice(0));
  }

  async function pump(): Promise<void> {
    while (dirty.size > 0 && canWrite()) {
      const plan = nextPlan();
      if (plan.owners.length === 0) {
        if (dirty.size > 0) await nextTurn();
        continue;
      }
      for (const owner of plan.owners) {
        const work = dirty.get(owner);
        if (work === undefined) continue;
        dirty.delete(owner);
        inFlight.set(owner, work);
        reportDrifts(owner, work);
      }
      lastPlan = plan;
      await commit(plan);
    }
  }

  async function commit(plan: Plan): Promise<void> {
    const begin = performance.now();
    const took = (): number => performance.now() - begin;
    try {
      const transaction = client.transaction().assertLock(lock.name);
      const operations: [string, OperationKind][] = [];
      plan.write(transaction, (table, kind) => operations.push([table, kind]));
      await transaction.commit({ timeoutMs: transactionTimeoutMs });
      for (const [table, kind] of operations) listener.operation?.(table, kind);
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      fail(plan, error, took());
      return;
    }
    connectionBackoff.reset();
    listener.transaction?.("committed", plan.owners.length, took());
    const done = [...inFlight];
    inFlight.clear();
    const vanished = new Set<OwnerName>();
    for (const row of plan.inserted.values()) if (isGone(row)) vanished.add(withoutPart(row.owner));
    for (const [owner, work] of done) {
      if (vanished.has(owner) && !dirty.has(owner)) {
        setAside(owner, work, "ROW_VANISHED", "A row was committed and is gone: its parent was removed meanwhile");
      } else settle(owner, work);
    }
  }

  /** Whether the member's row lives without being referred to, as load balancers and their groups do. */
  function standsAlone({ table, column }: Membership): boolean {
    const referred = tables.get(table)?.references.get(column);
    return referred !== undefined && tables.get(referred)?.isRoot === true;
  }

  function isGone({ table, uuid }: DesiredRow): boolean {
    return desired.hasRow(uuid) && !replica.table(table).has(uuid);
  }

  function fail(plan: Plan, error: OvsdbError, durationMs: number): void {
    const group = [...inFlight];
    const changedMeanwhile = new Set(group.filter(([owner]) => dirty.has(owner)).map(([owner]) => owner));
    inFlight.clear();
    dirty.restoreAll(group, (owner) => desired.bundle(owner) !== undefined);
    if (!blameRows.has(error.code)) {
      listener.transaction?.("failed", group.length, durationMs);
      listener.retry?.(error, group.length);
      // Disconnected: the next connection wakes us. Else the server is in trouble and gets time.
      if (client.state === "connected") pauseFor(connectionBackoff.next());
      return;
    }
    listener.transaction?.("rejected", group.length, durationMs);
    const [first, ...others] = plan.owners;
    if (first !== undefined && others.length === 0) {
      const work = dirty.get(first);
      if (work === undefined || changedMeanwhile.has(first)) return;
      dirty.delete(first);
      setAside(first, work, "REJECTED", error.message);
      return;
    }
    const middle = Math.ceil(plan.owners.length / 2);
    parts.unshift(plan.owners.slice(0, middle), plan.owners.slice(middle));
  }

  function pauseFor(delayMs: number): void {
    pause = setTimeout(() => {
      pause = undefined;
      wake();
    }, delayMs);
  }

  const stops = [
    replica.subscribe(onChanges),
    client.on((event) => {
      if (event.kind === "connected") wake();
    }),
    lock.on((held) => {
      if (held) wake();
    }),
  ];

  return {
    set(changes, receivedAt) {
      const seen = new Set<OwnerName>();
      let isInBatch = false;
      for (const { owner, bundle, together = false } of changes) {
        if (together && !isInBatch) batches += 1;
        isInBatch = together;
        const name = ownerName(owner);
        const replaced = desired.replace(name, bundle);
        const comesAgain = seen.has(name);
        seen.add(name);
        if (comesAgain && replaced.rows.length + replaced.memberships.length === 0) continue;
        const turn = comesAgain ? laterTurn(name) : name;
        const work = markDirty(turn, receivedAt);
        // What only goes does so after all that was to come before, even if the owner has been waiting for its turn.
        if (comesAgain || bundle === undefined || together) dirty.setLast(turn, work);
        work.batch = together ? batches : undefined;
        for (const row of replaced.rows) work.rows.set(row.uuid, row.table);
        work.memberships.push(...replaced.memberships);
        if (started) for (const row of replaced.came) noteStrays(row, work);
      }
      wake();
    },
    start() {
      started = true;
      const goesLate = lateLeftovers(context, [...dirty.owners()]);
      for (const drift of leftovers(context)) {
        const owner = goesLate(drift) ? laterTurn(drift.owner) : drift.owner;
        const work = markDirty(owner, performance.now());
        if (drift.strayRow === true) work.rows.set(drift.uuid, drift.table);
        if (drift.strayMember === undefined) continue;
        work.memberships.push(drift.strayMember);
        if (!standsAlone(drift.strayMember)) continue;
        // A group that serves a switch does so until the switch's own turn has brought it what it shall have instead.
        dirty.setLast(owner, work);
      }
      wake();
    },
    isCommitted: (owner) =>
      started &&
      desired.bundle(owner) !== undefined &&
      !dirty.has(owner) &&
      !inFlight.has(owner) &&
      aside.get(owner) === undefined &&
      waiting.get(owner) === undefined,
    idle: () =>
      new Promise((resolve) => {
        idleWaiters.push(resolve);
        tellIdle();
      }),
    get desiredOwners() {
      return desired.owners;
    },
    get dirtyOwners() {
      return dirty.size + inFlight.size;
    },
    get setAsideOwners() {
      return aside.size;
    },
    get waitingOwners() {
      return waiting.size;
    },
    async close() {
      closed = true;
      for (const stop of stops) stop();
      await pumping;
      // Only now: the transaction in flight may have failed, and asked for a pause.
      clearTimeout(pause);
      aside.clear();
    },
  };
}
