import { setTimeout as delay } from "node:timers/promises";
import { Observable } from "rxjs";
import { createBackoff } from "./backoff.ts";
import type { KubeClient, ListPage, Selection, WatchEvent } from "./client.ts";
import { asKubeError, isKubeError, KubeError, messageOf } from "./error.ts";
import { defaultPageSize, forEachPage } from "./list.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { createReflectedObjects } from "./reflected-objects.ts";
import type { Resource } from "./resource.ts";
import { isOlderVersion } from "./resource-version.ts";

export type ReflectorEvent<T> =
  /** The object is new (`old` absent) or was changed. */
  | { readonly kind: "upsert"; readonly key: string; readonly object: T; readonly old?: T }
  /** The object is gone, or no longer selected; `object` is its last known state. */
  | { readonly kind: "delete"; readonly key: string; readonly object: T }
  /** A list is complete: everything that exists has been told, everything that is gone too. */
  | { readonly kind: "synced" };

/** What a reflector ran into; none of it ends it. */
export type ReflectorProblem =
  /** `project` threw: the object stays as it last could be read. */
  | { readonly kind: "unreadable"; readonly key: string; readonly error: unknown }
  /** Listing or watching failed; tried again after `retryInMs`. */
  | { readonly kind: "failed"; readonly error: KubeError; readonly retryInMs: number };

export interface ReflectOptions<T> extends Selection {
  /**
   * Keeps what is of use, as plain data; called for each version of an object, and again when everything is listed again.
   * The raw object is let go right after.
   */
  readonly project: (raw: unknown) => T;
  /**
   * The cluster may lack the resource's definition: as long as the server knows no such resource (404), it counts as one
   * without objects, which is told as a list is. Else the resource is awaited. It is asked for again after a pause. Objects
   * that are known go only when the server has said so three times in a row.
   */
  readonly mayBeAbsent?: boolean;
  /** Objects per list request; default 500. */
  readonly pageSize?: number;
  readonly logger?: Logger;
  readonly onProblem?: (problem: ReflectorProblem) => void;
  /** Bounds of the pause after a failure; default 200 ms to 30 s. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
  /** A watch is renewed after this long to twice this long; default 300 s. */
  readonly watchSeconds?: number;
}

/** A watch that lived so long was sound: the next failure is the first one again. */
const soundAfterMs = 5_000;
/** The longest pause that a server may ask for. */
const maxRetryAfterMs = 120_000;
/** After so many failures in a row the position is in doubt, and everything is listed again. */
const maxFailuresAtPosition = 3;

/**
 * Follows all objects of a resource that a selection names: lists them, then watches, for as long as it is subscribed to
 * (client-go `tools/cache` reflector.go; KEP-956 bookmarks). Every subscription follows on its own.
 *
 * No failure ends it: the watch is taken up where it broke off, and where that cannot be (410, an ERROR event, a line
 * that makes no sense, a server that was set back to an older state) everything is listed again and only what differs is
 * told. An object that `project` throws for is reported and holds up no other. One thing escapes it: a server restored
 * from a backup that by the time of the reconnect has counted on to the very version that was seen last; sets of up to
 * a page are listed again after every break, so that only larger ones are exposed to that.
 *
 * Events of one piece of the stream come synchronously one after another.
 */
export function reflect<T>(
  client: Pick<KubeClient, "listPage" | "watch">,
  resource: Resource,
  options: ReflectOptions<T>,
): Observable<ReflectorEvent<T>> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    follow(client, resource, options, (event) => subscriber.next(event), abort.signal).catch((error: unknown) => {
      subscriber.error(error);
    });
    return () => abort.abort();
  });
}

const absencesBelieved = 3;

async function follow<T>(
  client: Pick<KubeClient, "listPage" | "watch">,
  resource: Resource,
  options: ReflectOptions<T>,
  next: (event: ReflectorEvent<T>) => void,
  signal: AbortSignal,
): Promise<void> {
  const logger = options.logger ?? silentLogger;
  const backoff = createBackoff(options.backoff ?? { minMs: 200, maxMs: 30_000 });
  const watchSeconds = options.watchSeconds ?? 300;
  const { namespace, labelSelector, fieldSelector } = options;
  const selection: Selection = { namespace, labelSelector, fieldSelector };
  const objects = createReflectedObjects<T>({
    resource,
    project: options.project,
    emit: (event) => {
      if (!signal.aborted) next(event);
    },
    unreadable(key, error) {
      logger.warn({ resource: resource.plural, key, error: messageOf(error) }, "object cannot be read");
      options.onProblem?.({ kind: "unreadable", key, error });
    },
  });

  /** The version to watch from; absent: to be listed first. */
  let position: string | undefined;
  /** A stream broke off: the server that answers next may have been restored from a backup. */
  let doubtful = false;
  let failures = 0;
  /** How often in a row the server knew no such resource. */
  let absences = 0;
  /** What was warned of since the last success; the retries that follow are the same story. */
  let warnedOf: string | undefined;

  async function list(): Promise<string> {
    objects.listBegun();
    const version = await forEachPage<unknown>(
      (page) => client.listPage(resource, page),
      { ...selection, signal, ...(options.pageSize === undefined ? {} : { pageSize: options.pageSize }) },
      (page: ListPage<unknown>) => objects.listed(page.items),
      () => objects.listBegun(),
    ).catch((error: unknown) => {
      if (options.mayBeAbsent === true && isKubeError(error, "NOT_FOUND")) {
        absences++;
        // A server that has just begun may not know yet what is defined; what protects somebody must not go for that.
        if (objects.size === 0 || absences >= absencesBelieved) {
          objects.listBegun();
          objects.listEnded();
        }
      }
      throw error;
    });
    absences = 0;
    signal.throwIfAborted();
    objects.listEnded();
    return version;
  }

  /** Whether the server's state is older than what was seen of it; what takes one request anyway is listed again to be sure. */
  async function mayHaveGoneBack(seen: string): Promise<boolean> {
    if (objects.size <= (options.pageSize ?? defaultPageSize)) return true;
    const page = await client.listPage(resource, { ...selection, limit: 1, signal });
    return isOlderVersion(page.resourceVersion, seen);
  }

  function take(event: WatchEvent): void {
    if (signal.aborted) return;
    const version = (event.object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion;
    if (typeof version === "string" && version !== "") {
      if (position !== undefined && isOlderVersion(version, position)) {
        throw new KubeError("GONE", `the watch went back from version ${position} to ${version}`);
      }
    }
    if (event.type === "ADDED" || event.type === "MODIFIED") objects.changed(event.object);
    else if (event.type === "DELETED") objects.removed(event.object);
    else if (event.type !== "BOOKMARK") {
      throw new KubeError("MALFORMED_RESPONSE", `a watch event of the unknown type ${event.type.slice(0, 64)}`);
    }
    if (typeof version === "string" && version !== "") position = version;
  }

  async function watch(from: string): Promise<void> {
    const timeoutSeconds = Math.round(watchSeconds * (1 + Math.random()));
    const begun = performance.now();
    try {
      await client.watch(resource, { ...selection, resourceVersion: from, timeoutSeconds, signal }, take);
    } finally {
      const livedMs = performance.now() - begun;
      if (livedMs >= soundAfterMs) {
        backoff.reset();
        failures = 0;
        warnedOf = undefined;
      }
      doubtful = livedMs < timeoutSeconds * 1000 - 1000;
    }
    // A server that ends each watch at once must not be asked in a tight loop.
    const livedMs = performance.now() - begun;
    if (livedMs < 1000 && position === from)
      throw new KubeError("CONNECTION_LOST", `the watch ended after ${livedMs | 0} ms`);
  }

  while (!signal.aborted) {
    try {
      if (position !== undefined && doubtful && (await mayHaveGoneBack(position))) position = undefined;
      doubtful = false;
      position ??= await list();
      await watch(position);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = asKubeError(thrown);
      failures++;
      if (!keepsPosition(error, failures)) position = undefined;
      const retryInMs = Math.max(backoff.next(), Math.min(error.retryAfterMs ?? 0, maxRetryAfterMs));
      const fields = { resource: resource.plural, code: error.code, error: error.message, retryInMs };
      const isNews = failures > 1 && warnedOf !== error.code;
      if (isNews) warnedOf = error.code;
      logger[isNews ? "warn" : "debug"](fields, "list or watch failed");
      options.onProblem?.({ kind: "failed", error, retryInMs });
      await delay(retryInMs, undefined, { signal }).catch(() => {
        // Unsubscribed in the meantime: the loop ends.
      });
    }
  }
}

/** Whether a watch may be taken up where it broke off. */
function keepsPosition(error: KubeError, failures: number): boolean {
  if (isKubeError(error, "UNREACHABLE")) return true;
  const passing = isKubeError(
    error,
    "CONNECTION_LOST",
    "TIMED_OUT",
    "TOO_MANY_REQUESTS",
    "UNAVAILABLE",
    "INTERNAL_ERROR",
    "UNAUTHORIZED",
  );
  return passing && failures < maxFailuresAtPosition;
}
