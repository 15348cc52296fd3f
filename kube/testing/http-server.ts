import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Credentials, KubeConnection } from "../connection.ts";
import { fixedCredentials } from "../credentials.ts";

export interface ReceivedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** The common name of the client's certificate, where one was shown. */
  readonly clientName: string | undefined;
}

export type Handler = (request: ReceivedRequest, response: ServerResponse) => void;

export interface TestServer {
  readonly port: number;
  readonly requests: readonly ReceivedRequest[];
  /** Connections accepted so far. */
  readonly connectionCount: number;
  connection(options?: { readonly ca?: string; readonly credentials?: Credentials }): KubeConnection;
  /** Closes the listener and breaks all connections. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
}

export interface ServerTls {
  readonly key: string;
  readonly cert: string;
  readonly ca?: string;
}

/** A real HTTP or HTTPS server on a free port of 127.0.0.1 whose answers the test writes. */
export async function startServer(handle: Handler, tls?: ServerTls): Promise<TestServer> {
  const requests: ReceivedRequest[] = [];
  let connectionCount = 0;
  let server: Server | undefined;
  let port = 0;

  function receive(message: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const request: ReceivedRequest = {
        method: message.method ?? "",
        url: new URL(message.url ?? "/", "http://server"),
        headers: message.headers,
        body: Buffer.concat(chunks).toString("utf8"),
        clientName: tls?.ca === undefined ? undefined : clientNameOf(message.socket as TLSSocket),
      };
      requests.push(request);
      handle(request, response);
    });
  }

  async function start(): Promise<void> {
    const fresh =
      tls === undefined
        ? createHttpServer(receive)
        : createHttpsServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: false }, receive);
    fresh.on(tls === undefined ? "connection" : "secureConnection", () => connectionCount++);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    fresh.once("error", reject);
    fresh.listen(port, "127.0.0.1", resolve);
    await promise;
    port = (fresh.address() as AddressInfo).port;
    server = fresh;
  }

  async function stop(): Promise<void> {
    const running = server;
    server = undefined;
    if (running === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    running.close(() => resolve());
    running.closeAllConnections();
    await promise;
  }

  await start();
  return {
    port,
    requests,
    get connectionCount() {
      return connectionCount;
    },
    connection: ({ ca, credentials = {} } = {}) => ({
      server: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
      namespace: undefined,
      context: "test",
      tls: { ...(ca === undefined ? {} : { ca }), insecureSkipVerify: false },
      proxyUrl: undefined,
      headers: [],
      credentials: fixedCredentials(credentials),
    }),
    start,
    stop,
  };
}

function clientNameOf(socket: TLSSocket): string | undefined {
  const name = socket.getPeerCertificate().subject?.CN;
  return typeof name === "string" ? name : undefined;
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** A `Status` as the API server answers with. */
export function statusOf(code: number, reason: string, message: string, details?: object): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, ...(details && { details }) };
}
