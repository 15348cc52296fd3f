import { Observable } from "rxjs";
import type { KubeClient } from "./client.ts";
import { asKubeError, isKubeError, KubeError } from "./error.ts";
import { claim, type Lease, type LeaseSpec, released } from "./lease.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { leases } from "./resource.ts";

export interface LeaderElectionOptions {
  /** The Lease's place. */
  readonly namespace: string;
  readonly name: string;
  /** Unique to this process. */
  readonly identity: string;
  /** A leader that was silent for so long, as others saw it, is replaced; whole seconds, default 15,000 ms. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for so long steps down; default 10,000 ms, less than the above. */
  readonly renewDeadlineMs?: number;
  /** Between attempts; default 2,000 ms. */
  readonly retryPeriodMs?: number;
  /** Steps down, gives the Lease back and completes. */
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
}

export interface Leadership {
  readonly leading: boolean;
  /** Whom the Lease names, as far as known. */
  readonly holder: string | undefined;
}

/** Giving the Lease back is tried for so long at most. */
const releaseTimeoutMs = 3_000;

/**
 * Stands for election by a Lease, after client-go's rules (`tools/leaderelection`): whoever holds it renews it; whoever
 * sees it unchanged for its duration takes it. Times are measured here, from when a change was seen: clocks of different
 * machines are never compared. A leader that could not renew by the deadline steps down before others may take over.
 *
 * Tells every change of leadership or holder. Losing does not end it: it goes on standing. The signal's abort, or
 * unsubscribing, first tells (`leading: false`), then gives the Lease back; after an abort it completes when that is done.
 * It guards against nothing that happens while the process is stopped: writers need a fence of their own.
 * @throws (errors with) KubeError INVALID_CONFIG when the times do not fit
 */
export function electLeader(
  client: Pick<KubeClient, "get" | "create" | "replace" | "watch">,
  options: LeaderElectionOptions,
): Observable<Leadership> {
  return new Observable((subscriber) => {
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    if (options.signal?.aborted === true) stop.abort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    stand(client, options, stop.signal, (leadership) => subscriber.next(leadership)).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => {
      options.signal?.removeEventListener("abort", onAbort);
      stop.abort();
    };
  });
}

/** A Lease's spec as last seen, and when a change of it was seen first. */
interface Observation {
  readonly lease: Lease;
  readonly atMs: number;
}

async function stand(
  client: Pick<KubeClient, "get" | "create" | "replace" | "watch">,
  options: LeaderElectionOptions,
  stop: AbortSignal,
  tell: (leadership: Leadership) => void,
): Promise<void> {
  const { namespace, name, identity } = options;
  const logger = options.logger ?? silentLogger;
  const leaseDurationMs = options.leaseDurationMs ?? 15_000;
  const renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
  const retryPeriodMs = options.retryPeriodMs ?? 2_000;
  // client-go asks the same: in between, a renewal that comes late must still find the Lease its own.
  if (!(retryPeriodMs > 0 && retryPeriodMs * 1.2 < renewDeadlineMs && renewDeadlineMs < leaseDurationMs)) {
    throw new KubeError("INVALID_CONFIG", "wanted: 1.2 × retryPeriodMs < renewDeadlineMs < leaseDurationMs");
  }
  const target = { namespace, name };
  const leaseDurationSeconds = Math.max(1, Math.round(leaseDurationMs / 1000));

  let seen: Observation | undefined;
  let told: Leadership | undefined;
  let leading = false;
  /** When leadership ends unless it is renewed, by `performance.now()`. */
  let leadsUntilMs = 0;
  /** A write of ours may have gone through: the Lease must be given back in the end. */
  let mayHold = false;

  function say(): void {
    const holder = seen?.lease.spec?.holderIdentity || undefined;
    if (told !== undefined && told.leading === leading && told.holder === holder) return;
    told = { leading, holder };
    tell(told);
  }

  function stepDown(reason: string): void {
    if (!leading) return;
    leading = false;
    logger.warn({ lease: `${namespace}/${name}`, identity, reason }, "leadership lost");
    say();
  }

  function observe(lease: Lease): void {
    // What counts is that the record changed, not what its times say.
    if (seen === undefined || JSON.stringify(seen.lease.spec) !== JSON.stringify(lease.spec)) {
      seen = { lease, atMs: performance.now() };
    } else seen = { lease, atMs: seen.atMs };
  }

  function heldByOther(): boolean {
    const spec = seen?.lease.spec;
    if (seen === undefined || !spec?.holderIdentity || spec.holderIdentity === identity) return false;
    const durationMs = (spec.leaseDurationSeconds ?? leaseDurationSeconds) * 1000;
    return performance.now() < seen.atMs + durationMs;
  }

  /** One attempt to take or renew the Lease. */
  async function acquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const call = { signal, timeoutMs: renewDeadlineMs };
    const holding = leading && seen?.lease.spec?.holderIdentity === identity;
    if (!holding || seen === undefined) {
      try {
        observe(await client.get<Lease>(leases, target, call));
      } catch (error) {
        if (!isKubeError(error, "NOT_FOUND")) throw error;
        seen = undefined;
      }
      if (heldByOther()) return false;
    }
    const begunMs = performance.now();
    const next: Lease = claim(seen?.lease, { ...target, identity, leaseDurationSeconds, nowMs: Date.now() });
    mayHold = true;
    const written =
      seen === undefined
        ? await client.create<Lease>(leases, { namespace }, next, call)
        : await client.replace<Lease>(leases, target, next, call);
    observe(written);
    // From when it was asked for, not from when the answer came: others may have seen it that early.
    leadsUntilMs = begunMs + renewDeadlineMs;
    return true;
  }

  async function attempt(): Promise<void> {
    // The process may have stood still.
    if (leading && performance.now() >= leadsUntilMs) stepDown("not renewed by the deadline");
    const deadline = new AbortController();
    const timer = leading
      ? setTimeout(
          () => {
            stepDown("not renewed by the deadline");
            deadline.abort();
          },
          Math.max(0, leadsUntilMs - performance.now()),
        )
      : undefined;
    try {
      const won = await acquireOrRenew(AbortSignal.any([stop, deadline.signal]));
      if (won && !leading && !stop.aborted) logger.info({ lease: `${namespace}/${name}`, identity }, "leadership won");
      if (!won) stepDown("another holds the lease");
      leading = won && !stop.aborted;
    } catch (thrown) {
      if (stop.aborted) return;
      const error = asKubeError(thrown);
      // Somebody else wrote it: what we hold of it is no longer so.
      if (isKubeError(error, "CONFLICT", "NOT_FOUND", "ALREADY_EXISTS")) {
        seen = undefined;
        await look(deadline.signal);
      }
      logger.debug({ lease: `${namespace}/${name}`, code: error.code, error: error.message }, "lease not renewed");
    } finally {
      clearTimeout(timer);
    }
    if (leading && performance.now() >= leadsUntilMs) stepDown("not renewed by the deadline");
    if (!stop.aborted) say();
  }

  /** Learns who holds it after a write was refused; a leader that sees another's name is none. */
  async function look(deadline: AbortSignal): Promise<void> {
    try {
      observe(await client.get<Lease>(leases, target, { signal: AbortSignal.any([stop, deadline]) }));
      if (heldByOther()) stepDown("another holds the lease");
    } catch (error) {
      logger.debug({ lease: `${namespace}/${name}`, error: asKubeError(error).message }, "lease not read");
    }
  }

  while (!stop.aborted) {
    await attempt();
    // A leader wakes at its deadline at the latest, to step down in time.
    const pauseMs = leading
      ? Math.min(retryPeriodMs, Math.max(0, leadsUntilMs - performance.now()))
      : retryPeriodMs * (1 + 0.2 * Math.random());
    await pauseUnlessChanged(pauseMs);
  }
  if (leading) {
    leading = false;
    say();
  }
  if (mayHold) await release();

  /** Waits; who is not leading is woken early when the Lease changes, so that a free one is taken at once. */
  async function pauseUnlessChanged(ms: number): Promise<void> {
    const over = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    stop.addEventListener("abort", () => resolve(), { once: true, signal: over.signal });
    const version = seen?.lease.metadata?.resourceVersion;
    if (!leading && version !== undefined) {
      const options = {
        namespace,
        fieldSelector: `metadata.name=${name}`,
        resourceVersion: version,
        timeoutSeconds: Math.max(1, Math.floor(ms / 1000)),
        signal: AbortSignal.any([stop, over.signal]),
      };
      client
        .watch(leases, options, ({ type, object }) => {
          if (type === "DELETED" || (type !== "BOOKMARK" && isFree(object))) resolve();
        })
        .catch((error: unknown) => {
          // The timer runs all the same: a watch only makes it faster.
          if (!over.signal.aborted)
            logger.debug({ lease: `${namespace}/${name}`, error: asKubeError(error).message }, "lease not watched");
        });
    }
    await promise;
    clearTimeout(timer);
    over.abort();
  }

  async function release(): Promise<void> {
    try {
      const lease = await client.get<Lease>(leases, target, { timeoutMs: releaseTimeoutMs });
      if (lease.spec?.holderIdentity !== identity) return;
      await client.replace(leases, target, released(lease, Date.now()), { timeoutMs: releaseTimeoutMs });
    } catch (error) {
      logger.warn({ lease: `${namespace}/${name}`, error: asKubeError(error).message }, "lease not given back");
    }
  }
}

function isFree(object: unknown): boolean {
  const spec = (object as { spec?: LeaseSpec } | null)?.spec;
  return !spec?.holderIdentity;
}
