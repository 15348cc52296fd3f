import type { Dispatcher, ProxyAgent } from "undici";
import Pool from "undici/lib/dispatcher/pool.js";
import type { Credentials, KubeConnection } from "./connection.ts";
import { KubeError, messageOf } from "./error.ts";

export interface TransportRequest {
  readonly method: string;
  /** From the root of the API, with its query. */
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: string | undefined;
  readonly credentials: Credentials;
  readonly signal: AbortSignal | undefined;
}

export interface TransportResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export interface StreamRequest extends TransportRequest {
  /** Bound on the time until the answer's head is there. */
  readonly headTimeoutMs: number;
  /** Bound on the whole. */
  readonly timeoutMs: number;
  /** Takes a piece of the body of a successful answer; what it throws ends the stream and is what `stream` rejects with. */
  readonly onData: (chunk: Buffer) => void;
}

/** HTTP to one server: connections that are kept, TLS, bounds on time and size. Knows nothing of objects. */
export interface Transport {
  /** One attempt. Rejects with UNREACHABLE, CONNECTION_LOST, TIMED_OUT, ABORTED, RESPONSE_TOO_LARGE, CLOSED. */
  send(request: TransportRequest & { readonly timeoutMs: number }): Promise<TransportResponse>;
  /** Resolves when the server has ended the body; with the whole answer if its status is not 2xx. */
  stream(request: StreamRequest): Promise<TransportResponse>;
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly maxSockets: number;
  readonly maxResponseBytes: number;
}

/** Idle connections are dropped before load balancers and servers do it under our feet (kube-apiserver: 90 s). */
const keepAliveTimeoutMs = 20_000;
/** After so long without a byte the kernel asks the peer for a sign of life: a dead peer shows within half a minute. */
const tcpKeepAliveDelayMs = 15_000;
const connectTimeoutMs = 10_000;
/** What is kept of an answer that turned a stream down. */
const maxErrorBodyBytes = 1 << 20;

/** Dispatchers made with one client certificate; a renewed one gets new ones. */
interface Dispatchers {
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** For requests, bounded in number. */
  readonly requests: Dispatcher;
  /** For streams, which hold their connection: they must not starve the requests. */
  readonly streams: Dispatcher;
}

export function createTransport(connection: KubeConnection, options: TransportOptions): Transport {
  const url = new URL(connection.server);
  const pathPrefix = url.pathname.replace(/\/+$/, "");
  const fixedHeaders = connection.headers.flat();
  const retired = new Set<Promise<unknown>>();
  let current: Dispatchers | undefined;
  let closed = false;
  const running = new Set<(error: KubeError) => void>();

  /** Proxies are rare, and want all of undici. */
  let ProxyDispatcher: typeof ProxyAgent | undefined;
  async function viaProxy<T>(send: () => Promise<T>): Promise<T> {
    ProxyDispatcher ??= (await import("undici")).ProxyAgent;
    return send();
  }

  function dispatchersFor({ certificate, key }: Credentials): Dispatchers {
    if (current !== undefined && current.certificate === certificate && current.key === key) return current;
    if (current !== undefined) {
      // What is under way ends on the old connections.
      const closing = Promise.all([current.requests.close(), current.streams.close()]);
      retired.add(closing);
      void closing.finally(() => retired.delete(closing));
    }
    const open = (connections: number | null) =>
      openDispatcher(connection, url, connections, certificate, key, ProxyDispatcher);
    current = { certificate, key, requests: open(options.maxSockets), streams: open(null) };
    return current;
  }

  /** What `send` and `stream` share: `head` says how much of the body is kept, or where it goes. */
  function dispatch(
    request: TransportRequest,
    kind: "requests" | "streams",
    timeoutMs: number,
    headTimeoutMs: number | undefined,
    onData: ((chunk: Buffer) => void) | undefined,
  ): Promise<TransportResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<TransportResponse>();
    const what = `${request.method} ${request.path}`;
    let controller: Dispatcher.DispatchController | undefined;
    let settled = false;
    let status = 0;
    let headers: TransportResponse["headers"] = {};
    let chunks: Buffer[] = [];
    let bytes = 0;

    const timer = setTimeout(
      () => fail(new KubeError("TIMED_OUT", `${what}: not done after ${timeoutMs} ms`)),
      timeoutMs,
    );
    const headTimer =
      headTimeoutMs === undefined
        ? undefined
        : setTimeout(
            () => fail(new KubeError("TIMED_OUT", `${what}: no answer after ${headTimeoutMs} ms`)),
            headTimeoutMs,
          );
    const onAbort = (): void =>
      fail(new KubeError("ABORTED", `${what}: aborted`, { cause: request.signal?.reason as unknown }));

    function settle(): void {
      settled = true;
      clearTimeout(timer);
      clearTimeout(headTimer);
      request.signal?.removeEventListener("abort", onAbort);
      running.delete(fail);
    }
    function fail(error: unknown): void {
      if (settled) return;
      settle();
      chunks = [];
      reject(error);
      controller?.abort(error instanceof Error ? error : new Error(messageOf(error)));
    }

    if (closed) fail(new KubeError("CLOSED", `${what}: the client is closed`));
    else if (request.signal?.aborted === true) onAbort();
    if (settled) return promise;
    running.add(fail);
    request.signal?.addEventListener("abort", onAbort, { once: true });

    const { authorization } = request.credentials;
    const authorizationHeader = authorization === undefined ? [] : ["authorization", authorization];
    dispatchersFor(request.credentials)[kind].dispatch(
      {
        origin: url.origin,
        method: request.method,
        path: pathPrefix + request.path,
        headers: [...request.headers, ...fixedHeaders, ...authorizationHeader],
        body: request.body ?? null,
        // A request that stays open must not keep others from its connection.
        blocking: kind === "streams",
      },
      {
        onRequestStart(started) {
          controller = started;
          if (settled) started.abort(new Error("no longer wanted"));
        },
        onResponseStart(_controller, statusCode, responseHeaders) {
          status = statusCode;
          headers = responseHeaders;
          clearTimeout(headTimer);
        },
        onResponseData(_controller, chunk) {
          if (settled) return;
          if (onData !== undefined && status >= 200 && status < 300) {
            try {
              onData(chunk);
            } catch (error) {
              fail(error);
            }
            return;
          }
          bytes += chunk.length;
          const limit = onData === undefined ? options.maxResponseBytes : maxErrorBodyBytes;
          if (bytes > limit)
            fail(new KubeError("RESPONSE_TOO_LARGE", `${what}: an answer of more than ${limit} bytes`));
          else chunks.push(chunk);
        },
        onResponseEnd() {
          if (settled) return;
          settle();
          const [only] = chunks;
          const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes);
          resolve({ status, headers, body });
        },
        onResponseError(_controller, cause) {
          const code = controller === undefined ? "UNREACHABLE" : "CONNECTION_LOST";
          fail(new KubeError(code, `${what}: ${connection.server}: ${messageOf(cause)}`, { cause }));
        },
      },
    );
    return promise;
  }

  return {
    send(request) {
      const send = () => dispatch(request, "requests", request.timeoutMs, undefined, undefined);
      return connection.proxyUrl === undefined ? send() : viaProxy(send);
    },
    stream(request) {
      const send = () => dispatch(request, "streams", request.timeoutMs, request.headTimeoutMs, request.onData);
      return connection.proxyUrl === undefined ? send() : viaProxy(send);
    },
    async close() {
      closed = true;
      for (const fail of [...running]) fail(new KubeError("CLOSED", "the client was closed"));
      const last = current;
      current = undefined;
      await Promise.all([last?.requests.destroy(), last?.streams.destroy(), ...retired]);
    },
  };
}

function openDispatcher(
  connection: KubeConnection,
  url: URL,
  connections: number | null,
  certificate: string | undefined,
  key: string | undefined,
  ProxyDispatcher: typeof ProxyAgent | undefined,
): Dispatcher {
  const tls = {
    ...(connection.tls.ca === undefined ? {} : { ca: connection.tls.ca }),
    ...(connection.tls.serverName === undefined ? {} : { servername: connection.tls.serverName }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    rejectUnauthorized: !connection.tls.insecureSkipVerify,
  };
  const pool: Pool.Options = {
    connections,
    pipelining: 1,
    allowH2: false,
    // Time is bounded per request, from the call on: waiting for a connection counts too.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  const socket = { timeout: connectTimeoutMs, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveDelayMs };
  if (connection.proxyUrl === undefined || ProxyDispatcher === undefined) {
    return new Pool(url.origin, { ...pool, connect: { ...tls, ...socket } });
  }
  return new ProxyDispatcher({ ...pool, uri: connection.proxyUrl, requestTls: { ...tls, ...socket } });
}
