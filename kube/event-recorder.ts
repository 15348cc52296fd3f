import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { createBackoff } from "./backoff.ts";
import type { KubeClient } from "./client.ts";
import { asKubeError, isKubeError } from "./error.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { formatTime } from "./micro-time.ts";
import { events } from "./resource.ts";
import { createTokenBucket } from "./token-bucket.ts";

/** The object that an Event is about. */
export interface EventSubject {
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly uid?: string | undefined;
}

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** A short UpperCamelCase word that machines may match. */
  readonly reason: string;
  /** For people; cut after 1024 characters. */
  readonly message: string;
}

export interface EventRecorder {
  /** Notes it down and returns; it is sent in the background, and dropped rather than held up without bound. Never throws. */
  event(subject: EventSubject, note: EventNote): void;
  /** Sends what is pending, for at most a few seconds. Never rejects. */
  close(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly component: string;
  readonly host?: string;
  readonly logger?: Logger;
  /** Events sent per second in the long run, and at once; default 10 and 50. */
  readonly perSecond?: number;
  readonly burst?: number;
  /** Subjects with a reason that are remembered, so that repetition counts up; default 4096. */
  readonly maxRemembered?: number;
  /** Subjects with a reason that wait to be sent; default 1024. */
  readonly maxPending?: number;
}

const maxMessageLength = 1024;
const maxAttempts = 4;
const closeTimeoutMs = 3_000;
const requestTimeoutMs = 10_000;
/** A repetition after so long is a new Event, as the server forgets the old one (`--event-ttl`, 1 h). */
const rememberMs = 50 * 60_000;

/** An Event as it stands with the server and as it should. */
interface Series {
  readonly key: string;
  readonly subject: EventSubject;
  note: EventNote;
  count: number;
  readonly firstMs: number;
  lastMs: number;
  /** Its name once it was created. */
  name: string | undefined;
  attempts: number;
}

/**
 * Records Events (core/v1, which `kubectl describe` and `kubectl get events` of every version show) about objects.
 * What repeats about an object for the same reason counts up one Event with the latest message, so that a loop of failures
 * costs one PATCH now and then. Bounded in every direction: rate, queue, memory, attempts.
 */
export function createEventRecorder(
  client: Pick<KubeClient, "create" | "patch">,
  options: EventRecorderOptions,
): EventRecorder {
  const logger = options.logger ?? silentLogger;
  const maxRemembered = options.maxRemembered ?? 4096;
  const maxPending = options.maxPending ?? 1024;
  /** A fault is the server's rather than one Event's: all wait. */
  const backoff = createBackoff({ minMs: 200, maxMs: 10_000 });
  const bucket = createTokenBucket(options.perSecond ?? 10, options.burst ?? 50);
  /** Least recently noted first. */
  const remembered = new Map<string, Series>();
  /** What the server does not know yet, oldest first; a series is in it once, however often it repeats. */
  const pending = new Map<string, Series>();
  const stop = new AbortController();
  let closed = false;
  let dropped = 0;
  let sending: Promise<void> | undefined;

  function note(subject: EventSubject, given: EventNote): void {
    const nowMs = Date.now();
    const { kind, namespace = "", name, uid = "" } = subject;
    const key = [kind, namespace, name, uid, given.type, given.reason].join("\0");
    const message = given.message.slice(0, maxMessageLength);
    let series = remembered.get(key);
    if (series === undefined || nowMs - series.lastMs > rememberMs) {
      series = { key, subject, note: given, count: 0, firstMs: nowMs, lastMs: nowMs, name: undefined, attempts: 0 };
    }
    series.note = { ...given, message };
    series.count++;
    series.lastMs = nowMs;
    series.attempts = 0;
    remembered.delete(key);
    remembered.set(key, series);
    forgetBeyond(remembered, maxRemembered);
    pending.set(key, series);
    dropped += forgetBeyond(pending, maxPending);
    sending ??= send();
  }

  async function send(): Promise<void> {
    // What is noted in the same turn is sent as one.
    await Promise.resolve();
    try {
      for (;;) {
        if (pending.size === 0) break;
        const waitMs = closed ? 0 : bucket.take();
        if (waitMs > 0) await delay(waitMs, undefined, { signal: stop.signal });
        // Taken after the wait: it bears all repetitions until now.
        const [series] = pending.values();
        if (series === undefined || stop.signal.aborted) break;
        pending.delete(series.key);
        await sendOne(series);
      }
    } catch (error) {
      logger.debug({ error: asKubeError(error).message }, "events are no longer sent");
    } finally {
      sending = undefined;
    }
    if (dropped > 0) {
      logger.warn({ dropped }, "events dropped");
      dropped = 0;
    }
  }

  async function sendOne(series: Series): Promise<void> {
    try {
      await write(series);
      series.attempts = 0;
      backoff.reset();
    } catch (thrown) {
      const error = asKubeError(thrown);
      const passing = !isKubeError(error, "FORBIDDEN", "NOT_FOUND", "INVALID", "BAD_REQUEST", "ABORTED", "CLOSED");
      const fields = {
        reason: series.note.reason,
        object: series.subject.name,
        code: error.code,
        error: error.message,
      };
      if (!passing || ++series.attempts >= maxAttempts || stop.signal.aborted) {
        logger.warn(fields, "event not recorded");
        return;
      }
      logger.debug(fields, "event to be recorded again");
      if (!pending.has(series.key)) pending.set(series.key, series);
      await delay(closed ? 100 : Math.max(error.retryAfterMs ?? 0, backoff.next()), undefined, { signal: stop.signal });
    }
  }

  async function write(series: Series): Promise<void> {
    const { subject, note, count, lastMs, name } = series;
    const namespace = subject.namespace ?? "default";
    const call = { signal: stop.signal, timeoutMs: requestTimeoutMs };
    if (name !== undefined) {
      const change = { count, lastTimestamp: formatTime(lastMs), message: note.message };
      try {
        await client.patch(events, { namespace, name }, change, { ...call, type: "merge" });
        return;
      } catch (error) {
        // The server has forgotten it: begin anew.
        if (!isKubeError(error, "NOT_FOUND")) throw error;
      }
    }
    const newName = eventName(subject.name, series.firstMs);
    await client.create(events, { namespace }, eventObject(series, namespace, newName), call);
    series.name = newName;
  }

  function eventObject(series: Series, namespace: string, name: string): object {
    const { subject, note, count, firstMs, lastMs } = series;
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace, name },
      involvedObject: subject,
      type: note.type,
      reason: note.reason,
      message: note.message,
      count,
      firstTimestamp: formatTime(firstMs),
      lastTimestamp: formatTime(lastMs),
      source: { component: options.component, ...(options.host === undefined ? {} : { host: options.host }) },
      reportingComponent: options.component,
      reportingInstance: options.host ?? "",
    };
  }

  return {
    event(subject, given) {
      if (closed) return;
      try {
        note(subject, given);
      } catch (error) {
        logger.warn({ error: asKubeError(error).message }, "event not recorded");
      }
    },
    async close() {
      closed = true;
      const timer = setTimeout(() => stop.abort(), closeTimeoutMs);
      while (sending !== undefined && !stop.signal.aborted) await sending;
      clearTimeout(timer);
      stop.abort();
    },
  };
}

/** As client-go names them: the object's name, and a time in hexadecimal; with chance in it, since clocks are coarse. */
function eventName(subject: string, epochMs: number): string {
  const suffix = `.${epochMs.toString(16)}${randomBytes(4).toString("hex")}`;
  return subject.slice(0, 253 - suffix.length) + suffix;
}

/** Drops the oldest beyond a size; says how many. */
function forgetBeyond(map: Map<string, unknown>, size: number): number {
  let count = 0;
  for (const key of map.keys()) {
    if (map.size <= size) break;
    map.delete(key);
    count++;
  }
  return count;
}
