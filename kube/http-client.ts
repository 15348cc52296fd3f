import { setTimeout as delay } from "node:timers/promises";
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  KubeClientOptions,
  ListPage,
  ListPageOptions,
  RawRequest,
  Selection,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./client.ts";
import type { KubeConnection } from "./connection.ts";
import { discover } from "./discovery.ts";
import { errorOfStatus, isKubeError, KubeError, messageOf } from "./error.ts";
import { createLineSplitter } from "./lines.ts";
import { listAll } from "./list.ts";
import { silentLogger } from "./logger.ts";
import { patchContentType } from "./patch.ts";
import { pathOf, type Resource } from "./resource.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { createTransport, type TransportRequest, type TransportResponse } from "./transport.ts";

const json = "application/json";
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/** Answers 429 and 5xx with Retry-After are tried again so many times, as client-go does. */
const maxAttempts = 10;
/** A watch is cut so long after the server should have ended it. */
const watchGraceMs = 30_000;
/** Some servers send a watch's head only with its first event. */
const watchHeadTimeoutMs = 90_000;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

function withQuery(path: string, query: Query): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return parts.length === 0 ? path : `${path}?${parts.join("&")}`;
}

function selectionQuery(selection: Selection): Query {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}

function writeQuery(options: WriteOptions): Query {
  return { fieldManager: options.fieldManager, dryRun: options.dryRun === true ? "All" : undefined };
}

function parseBody(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new KubeError("MALFORMED_RESPONSE", `${what}: ${messageOf(cause)}`, { cause });
  }
}

/** The body of an answer that is no success, where it is JSON; proxies in between answer in HTML. */
function parseErrorBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

function assertSuccess(response: TransportResponse, what: string): void {
  if (response.status >= 200 && response.status < 300) return;
  const retryAfterMs = parseRetryAfter(response.headers["retry-after"], Date.now());
  throw errorOfStatus(response.status, parseErrorBody(response.body), what, retryAfterMs);
}

/**
 * Speaks with the API server of a connection. Opens connections on the first request.
 * @see KubeClient
 */
export function createKubeClient(connection: KubeConnection, options: KubeClientOptions = {}): KubeClient {
  const logger = options.logger ?? silentLogger;
  const requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
  const maxWatchLineBytes = options.maxWatchLineBytes ?? 16 * 2 ** 20;
  const agentHeader = ["user-agent", options.userAgent ?? "ovenbird"];
  const closing = new AbortController();
  const transport = createTransport(connection, {
    maxSockets: options.maxSockets ?? 64,
    maxResponseBytes: options.maxResponseBytes ?? 256 * 2 ** 20,
  });

  /**
   * A request with new credentials after a 401, and again after a pause where the server asks for one.
   * @param deadline by `performance.now()`; absent: tried again for the 401 only
   */
  async function attempt(
    request: Omit<TransportRequest, "credentials">,
    deadline: number | undefined,
    once: (request: TransportRequest, timeoutMs: number) => Promise<TransportResponse>,
  ): Promise<TransportResponse> {
    let refused = false;
    let lost = deadline === undefined;
    for (let count = 1; ; count++) {
      const credentials = await connection.credentials.current();
      const remainingMs = deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(1, deadline - performance.now());
      let response: TransportResponse;
      try {
        response = await once({ ...request, credentials }, remainingMs);
      } catch (error) {
        // A kept connection that the server closed as we wrote: reading again harms nobody.
        if (lost || request.method !== "GET" || !isKubeError(error, "CONNECTION_LOST")) throw error;
        lost = true;
        continue;
      }
      if (response.status === 401 && !refused) {
        refused = true;
        connection.credentials.invalidate();
        continue;
      }
      if (deadline === undefined || (response.status !== 429 && response.status < 500)) return response;
      const retryAfterMs = parseRetryAfter(response.headers["retry-after"], Date.now());
      if (retryAfterMs === undefined || count >= maxAttempts) return response;
      if (performance.now() + retryAfterMs >= deadline) return response;
      logger.debug({ path: request.path, status: response.status, retryAfterMs }, "the API server asks to wait");
      await pause(retryAfterMs, request.signal);
    }
  }

  async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const signals = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
    try {
      await delay(ms, undefined, { signal: signals });
    } catch (cause) {
      throw new KubeError(signal?.aborted === true ? "ABORTED" : "CLOSED", "gave up waiting for Retry-After", {
        cause,
      });
    }
  }

  function send(
    method: string,
    path: string,
    headers: readonly string[],
    body: string | undefined,
    call: CallOptions,
  ): Promise<TransportResponse> {
    const deadline = performance.now() + (call.timeoutMs ?? requestTimeoutMs);
    return attempt(
      { method, path, headers: [...agentHeader, ...headers], body, signal: call.signal },
      deadline,
      (request, timeoutMs) => transport.send({ ...request, timeoutMs }),
    );
  }

  async function call<T>(
    method: string,
    path: string,
    callOptions: CallOptions & { readonly metadataOnly?: boolean },
    body?: object,
    contentType: string = json,
  ): Promise<T> {
    const accept = callOptions.metadataOnly === true ? metadataOnly : json;
    const headers = body === undefined ? ["accept", accept] : ["accept", accept, "content-type", contentType];
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await send(method, path, headers, text, callOptions);
    const what = `${method} ${path}`;
    assertSuccess(response, what);
    return parseBody(response.body, what) as T;
  }

  async function listPage<T>(resource: Resource, page: ListPageOptions = {}): Promise<ListPage<T>> {
    const path = withQuery(pathOf(resource, { namespace: page.namespace }), {
      ...selectionQuery(page),
      limit: page.limit,
      continue: page.continue,
      resourceVersion: page.resourceVersion,
    });
    const body = await call<{
      readonly items?: readonly T[] | null;
      readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
    } | null>("GET", path, page);
    const resourceVersion = body?.metadata?.resourceVersion;
    if (
      typeof resourceVersion !== "string" ||
      !(Array.isArray(body?.items) || (body?.items ?? undefined) === undefined)
    ) {
      throw new KubeError("MALFORMED_RESPONSE", `GET ${path}: not a list`);
    }
    const next = body?.metadata?.continue;
    return { items: body?.items ?? [], resourceVersion, continue: next === "" ? undefined : next };
  }

  async function watch(
    resource: Resource,
    watchOptions: WatchOptions,
    onEvent: (event: WatchEvent) => void,
  ): Promise<void> {
    const path = withQuery(pathOf(resource, { namespace: watchOptions.namespace }), {
      watch: true,
      allowWatchBookmarks: true,
      ...selectionQuery(watchOptions),
      resourceVersion: watchOptions.resourceVersion,
      timeoutSeconds: watchOptions.timeoutSeconds,
    });
    const what = `WATCH ${path}`;
    const onData = createLineSplitter(maxWatchLineBytes, (line) => {
      const event = parseBody(line, what) as Partial<WatchEvent> | null;
      if (typeof event?.type !== "string") throw new KubeError("MALFORMED_RESPONSE", `${what}: a line without a type`);
      if (event.type === "ERROR") throw errorOfStatus(0, event.object, what);
      onEvent({ type: event.type, object: event.object });
    });
    const timeoutMs = watchOptions.timeoutSeconds * 1000 + watchGraceMs;
    const headers = [...agentHeader, "accept", json];
    const response = await attempt(
      { method: "GET", path, headers, body: undefined, signal: watchOptions.signal },
      // Trying again is the caller's business here: events may have been handed on already.
      undefined,
      (request) => {
        const headTimeoutMs = Math.min(watchHeadTimeoutMs, timeoutMs);
        return transport.stream({ ...request, timeoutMs, headTimeoutMs, onData });
      },
    );
    assertSuccess(response, what);
  }

  function deleteBody(deletion: DeleteOptions): object {
    return {
      apiVersion: "v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: deletion.gracePeriodSeconds,
      propagationPolicy: deletion.propagationPolicy,
      preconditions: deletion.preconditions,
      ...(deletion.dryRun === true ? { dryRun: ["All"] } : {}),
    };
  }

  return {
    connection,
    get: (resource, target, get = {}) => call("GET", pathOf(resource, { ...target, ...subresourceOf(get) }), get),
    list: (resource, list = {}) => listAll((page) => listPage(resource, page), list),
    listPage,
    create: (resource, target, body, write = {}) =>
      // Only a subresource (eviction, binding, token) is created under a name.
      call(
        "POST",
        withQuery(pathOf(resource, { namespace: target.namespace, ...createdUnder(target, write) }), writeQuery(write)),
        write,
        body,
      ),
    replace: (resource, target, body, write = {}) =>
      call("PUT", withQuery(pathOf(resource, { ...target, ...subresourceOf(write) }), writeQuery(write)), write, body),
    patch: (resource, target, body, patch) =>
      call(
        "PATCH",
        withQuery(pathOf(resource, { ...target, ...subresourceOf(patch) }), {
          ...writeQuery(patch),
          force: patch.type === "apply" ? patch.force : undefined,
        }),
        patch,
        body,
        patchContentType[patch.type],
      ),
    delete: (resource, target, deletion = {}) =>
      call("DELETE", pathOf(resource, target), deletion, deleteBody(deletion)),
    watch,
    discover: (discovery = {}) =>
      discover(async (path, accept) => {
        const response = await send("GET", path, ["accept", accept], undefined, discovery);
        assertSuccess(response, `GET ${path}`);
        return parseBody(response.body, `GET ${path}`);
      }),
    async request(raw: RawRequest) {
      const headers = Object.entries(raw.headers ?? {}).flat();
      return send(raw.method, raw.path, headers, raw.body, raw);
    },
    async close() {
      closing.abort();
      await transport.close();
    },
  };
}

function subresourceOf(options: { readonly subresource?: string }): { readonly subresource?: string } {
  return options.subresource === undefined ? {} : { subresource: options.subresource };
}

function createdUnder(
  target: { readonly name?: string },
  options: WriteOptions,
): { readonly name?: string; readonly subresource?: string } {
  if (options.subresource === undefined) return {};
  return { subresource: options.subresource, ...(target.name === undefined ? {} : { name: target.name }) };
}
