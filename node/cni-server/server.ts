import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { type CniResponse, cniPath, supportedVersions } from "@ovenbird/cni";
import type { PortBinding } from "../binding/index.ts";
import { hostDeviceName, type PodLinks } from "../links/index.ts";
import type { Logger } from "../logger.ts";
import type { PodSource } from "../pods/index.ts";
import { type CniTimeouts, createAttachments } from "./attachments.ts";
import { answerVersionOf, type CniCall, parseCall } from "./call.ts";
import { CniFailure, cniErrorCodes, failureOf, interrupted } from "./errors.ts";
import { createTurns } from "./turns.ts";

/** A GC with 65,000 attachments is the largest request that makes sense. */
const longestRequestBytes = 16 * 1024 * 1024;
const mostConnections = 1024;

/** Whether pods can be attached; what STATUS answers. */
export type Readiness =
  | { readonly kind: "ready" }
  /** ADD can't be served. */
  | { readonly kind: "unavailable"; readonly reason: string }
  /** ADD can be served, but pods would not reach everything. */
  | { readonly kind: "limited"; readonly reason: string };

export interface CniMetrics {
  /** @param code 0 for success, else the CNI error's code */
  observe(command: CniCall["command"], code: number, seconds: number): void;
}

export interface CniServerOptions {
  readonly socketPath: string;
  readonly binding: PortBinding;
  readonly pods: PodSource;
  readonly links: PodLinks;
  readonly logger: Logger;
  readonly ready: () => Readiness;
  readonly metrics?: CniMetrics;
  readonly timeouts?: Partial<CniTimeouts>;
}

export interface CniServer {
  /**
   * Takes calls on the socket, which only its owner may use (mode 0600).
   * @throws {Error} EADDRINUSE when another agent listens there; what the file system refuses
   */
  listen(): Promise<void>;
  /** Takes no more calls, cuts off the ADDs under way (nothing is left of them) and waits for the rest. */
  close(): Promise<void>;
}

/** The agent's side of the CNI plugin: one HTTP request per call, `POST /cni` (see the cni package's wire types). */
export function createCniServer(options: CniServerOptions): CniServer {
  const { socketPath, logger, ready, metrics } = options;
  const attachments = createAttachments(options);
  const turns = createTurns();
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      logger.warn({ err: error }, "a CNI request could not be answered");
      response.destroy();
    });
  });
  server.maxConnections = mostConnections;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url !== cniPath) return send(response, 404, failed(undefined, cniErrorCodes.decoding, "no such path"));
    if (request.method !== "POST") return send(response, 405, failed(undefined, cniErrorCodes.decoding, "POST only"));
    const text = await bodyOf(request);
    if (text === undefined) {
      return send(response, 413, failed(undefined, cniErrorCodes.decoding, `longer than ${longestRequestBytes} bytes`));
    }
    const gone = new AbortController();
    response.on("close", () => {
      if (!response.writableFinished) gone.abort(interrupted("the runtime gave the call up"));
    });
    send(response, 200, await answer(text, gone.signal));
  }

  async function answer(text: string, signal: AbortSignal): Promise<CniResponse> {
    const startedAt = performance.now();
    let body: unknown;
    let command: CniCall["command"] | undefined;
    try {
      body = parseJson(text);
      const call = parseCall(body);
      command = call.command;
      const result = await run(call, signal);
      metrics?.observe(command, 0, (performance.now() - startedAt) / 1000);
      return { result };
    } catch (error) {
      const failure = failureOf(error, "the CNI call");
      // A runtime asks for the STATUS every few seconds, and the one who is not ready has said so already.
      logger[command === "STATUS" ? "debug" : "warn"](
        { command, code: failure.code, reason: failure.message, details: failure.details },
        "CNI call failed",
      );
      if (command !== undefined) metrics?.observe(command, failure.code, (performance.now() - startedAt) / 1000);
      return { error: failure.toBody(answerVersionOf(body)) };
    }
  }

  async function run(call: CniCall, signal: AbortSignal): Promise<Readonly<Record<string, unknown>> | undefined> {
    switch (call.command) {
      case "ADD": {
        const readiness = ready();
        if (readiness.kind === "unavailable") {
          throw new CniFailure(cniErrorCodes.tryAgainLater, `the node agent is not ready: ${readiness.reason}`);
        }
        return inTurn(hostDeviceName(call.containerId, call.ifname), true, (turn) =>
          attachments.add(call, AbortSignal.any([signal, turn])),
        );
      }
      case "DEL":
        // An ADD under way would put back what is removed here.
        turns.interrupt(
          hostDeviceName(call.containerId, call.ifname),
          interrupted("a DEL for the same container came"),
        );
        // Not bound to the caller: a removal is carried through once it has begun.
        await inTurn(hostDeviceName(call.containerId, call.ifname), false, (turn) => attachments.remove(call, turn));
        return undefined;
      case "CHECK":
        await inTurn(hostDeviceName(call.containerId, call.ifname), false, async () => attachments.check(call));
        return undefined;
      case "GC":
        await attachments.collect(call, turns.busy, signal);
        return undefined;
      case "STATUS": {
        const readiness = ready();
        if (readiness.kind === "unavailable") throw new CniFailure(cniErrorCodes.unavailable, readiness.reason);
        if (readiness.kind === "limited") throw new CniFailure(cniErrorCodes.limitedConnectivity, readiness.reason);
        return undefined;
      }
      case "VERSION":
        return { cniVersion: call.cniVersion, supportedVersions };
    }
  }

  async function inTurn<T>(key: string, abortable: boolean, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await turns.take(key, abortable, task);
    } catch (error) {
      if (error instanceof RangeError) throw new CniFailure(cniErrorCodes.tryAgainLater, `${key}: ${error.message}`);
      throw error;
    }
  }

  return {
    async listen() {
      await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
      await removeStaleSocket(socketPath);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        // bind(2) happens within listen(): no moment at which others could connect.
        const mask = process.umask(0o177);
        try {
          server.listen(socketPath, () => {
            server.off("error", reject);
            resolve();
          });
        } finally {
          process.umask(mask);
        }
      });
      await chmod(socketPath, 0o600);
      server.on("error", (error) => logger.warn({ err: error }, "the CNI socket has a problem"));
      logger.info({ socketPath }, "taking CNI calls");
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await turns.drain(interrupted("the node agent is ending"));
      // Calls that are answered close by themselves (the plugin speaks HTTP/1.0); idle connections are ended here.
      server.closeIdleConnections();
      await closed;
    },
  };
}

/** @throws {CniFailure} 6 */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CniFailure(
      cniErrorCodes.decoding,
      "the request is not JSON",
      error instanceof Error ? error.message : String(error),
    );
  }
}

/** Undefined when it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longestRequestBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function failed(body: unknown, code: number, message: string): CniResponse {
  return { error: new CniFailure(code, message).toBody(answerVersionOf(body)) };
}

function send(response: ServerResponse, status: number, body: CniResponse): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    connection: "close",
  });
  response.end(text);
}

/** A socket that nobody listens on is what a killed agent left. @throws {Error} EADDRINUSE when somebody does */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket`);
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });
  if (alive) throw Object.assign(new Error(`another agent listens on ${path}`), { code: "EADDRINUSE" });
  await unlink(path);
}
