import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Credentials, KubeConnection } from "./connection.ts";
import { KubeError, messageOf } from "./error.ts";
import {
  createHttpConnections,
  destroyHttpConnections,
  type HttpConnections,
  retireHttpConnections,
} from "./http-connections.ts";

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

/** Bound on the time that TCP and TLS take for a new connection. */
const connectTimeoutMs = 10_000;
/** What is kept of an answer that turned a stream down. */
const maxErrorBodyBytes = 1 << 20;

/**
 * On Node's own client, which is part of its start-up snapshot and costs no memory of its own, unlike undici and its
 * WebAssembly parser (12 MB in every process of every node).
 */
export function createTransport(connection: KubeConnection, options: TransportOptions): Transport {
  const url = new URL(connection.server);
  const openRequest = url.protocol === "https:" ? httpsRequest : httpRequest;
  // An IPv6 address stands in brackets in a URL only.
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const pathPrefix = url.pathname.replace(/\/+$/, "");
  const fixedHeaders = connection.headers.flat();
  const running = new Set<(error: KubeError) => void>();
  let current: { readonly credentials: Credentials; readonly connections: HttpConnections } | undefined;
  let closed = false;

  function connectionsFor(credentials: Credentials): HttpConnections {
    if (current !== undefined) {
      const { certificate, key } = current.credentials;
      if (certificate === credentials.certificate && key === credentials.key) return current.connections;
    }
    const connections = createHttpConnections(connection, credentials, options.maxSockets);
    if (current !== undefined) retireHttpConnections(current.connections);
    current = { credentials, connections };
    return connections;
  }

  function open(request: TransportRequest, kind: keyof HttpConnections): ClientRequest {
    const { authorization } = request.credentials;
    const authorizationHeader = authorization === undefined ? [] : ["authorization", authorization];
    // Node leaves it out by itself for a DELETE with a body.
    const length = request.body === undefined ? [] : ["content-length", String(Buffer.byteLength(request.body))];
    return openRequest({
      agent: connectionsFor(request.credentials)[kind],
      host,
      port: url.port,
      method: request.method,
      path: pathPrefix + request.path,
      headers: groupHeaders([...request.headers, ...fixedHeaders, ...authorizationHeader, ...length]),
    });
  }

  /** What `send` and `stream` share: without `onData` the whole body is kept. */
  function exchange(
    request: TransportRequest,
    kind: keyof HttpConnections,
    timeoutMs: number,
    headTimeoutMs: number | undefined,
    onData: ((chunk: Buffer) => void) | undefined,
  ): Promise<TransportResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<TransportResponse>();
    const what = `${request.method} ${request.path}`;
    let outgoing: ClientRequest | undefined;
    let sent = false;
    let settled = false;
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
      outgoing?.destroy();
    }
    function lost(cause: unknown): void {
      if (settled) return;
      const code = sent ? "CONNECTION_LOST" : "UNREACHABLE";
      fail(new KubeError(code, `${what}: ${connection.server}: ${messageOf(cause)}`, { cause }));
    }

    function receive(incoming: IncomingMessage): void {
      const status = incoming.statusCode ?? 0;
      const streaming = onData !== undefined && status >= 200 && status < 300;
      const limit = onData === undefined ? options.maxResponseBytes : maxErrorBodyBytes;
      clearTimeout(headTimer);
      incoming.on("data", (chunk: Buffer) => {
        if (settled) return;
        if (streaming) {
          try {
            onData(chunk);
          } catch (error) {
            fail(error);
          }
          return;
        }
        bytes += chunk.length;
        if (bytes > limit) fail(new KubeError("RESPONSE_TOO_LARGE", `${what}: an answer of more than ${limit} bytes`));
        else chunks.push(chunk);
      });
      incoming.on("error", lost);
      incoming.on("end", () => {
        if (settled) return;
        settle();
        const [only] = chunks;
        const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes);
        resolve({ status, headers: incoming.headers, body });
      });
    }

    if (closed) fail(new KubeError("CLOSED", `${what}: the client is closed`));
    else if (request.signal?.aborted === true) onAbort();
    if (settled) return promise;
    running.add(fail);
    request.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      outgoing = open(request, kind);
    } catch (error) {
      lost(error);
      return promise;
    }
    outgoing.once("socket", (socket) =>
      whenConnected(socket, lost, () => {
        sent = true;
      }),
    );
    outgoing.once("response", receive);
    outgoing.on("error", lost);
    outgoing.once("close", () => lost(new Error("the connection was closed")));
    outgoing.end(request.body);
    return promise;
  }

  return {
    send: (request) => exchange(request, "requests", request.timeoutMs, undefined, undefined),
    stream: (request) => exchange(request, "streams", request.timeoutMs, request.headTimeoutMs, request.onData),
    close() {
      closed = true;
      for (const fail of [...running]) fail(new KubeError("CLOSED", "the client was closed"));
      if (current !== undefined) destroyHttpConnections(current.connections);
      current = undefined;
      return Promise.resolve();
    },
  };
}

/** Tells when what is written to a socket goes out; or that it took too long to get there. */
function whenConnected(socket: Socket, onTimeout: (error: Error) => void, onConnected: () => void): void {
  const secure = socket instanceof TLSSocket;
  // Before the end of the handshake it is null (Node.js documentation, `tlsSocket.alpnProtocol`).
  if (secure ? socket.alpnProtocol !== null : !socket.connecting) {
    onConnected();
    return;
  }
  const timer = setTimeout(() => onTimeout(new Error(`no connection after ${connectTimeoutMs} ms`)), connectTimeoutMs);
  socket.once("close", () => clearTimeout(timer));
  socket.once(secure ? "secureConnect" : "connect", () => {
    clearTimeout(timer);
    onConnected();
  });
}

/** From names and values in turn to what Node takes: all values of one name together. */
function groupHeaders(flat: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let index = 0; index < flat.length; index += 2) {
    const name = flat[index];
    const value = flat[index + 1];
    if (name === undefined || value === undefined) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}
