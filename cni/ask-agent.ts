import { createConnection } from "node:net";
import type { AgentCall } from "./call.ts";
import { CniFailure, cniErrorCodes } from "./error.ts";
import { type CniCommand, type CniResponse, cniPath } from "./wire.ts";

/**
 * How long the agent may take to answer, in ms. The agent's own waits are shorter and name what they waited for; these
 * only hold when it hangs. Kubelet gives a sandbox two minutes by default.
 */
export const answerTimeoutMs: Readonly<Record<CniCommand, number>> = {
  ADD: 90_000,
  DEL: 60_000,
  CHECK: 30_000,
  GC: 60_000,
  STATUS: 10_000,
  VERSION: 10_000,
};

/** A result is some hundred bytes; whatever is longer comes from something else that listens there. */
const longestAnswerBytes = 1 << 20;

/**
 * Sends a call to the agent and gives its answer.
 *
 * HTTP is spoken by hand, version 1.0, where the answer ends with the connection: it costs one write and one read, and
 * the plugin is executed anew for each call, so that loading `node:http` would be most of its time.
 *
 * @throws {CniFailure} 11 (50 for STATUS) when no agent listens or it takes too long, 100 when the answer is none
 */
export function askAgent(call: AgentCall, timeoutMs = answerTimeoutMs[call.request.command]): Promise<CniResponse> {
  const { command } = call.request;
  const body = JSON.stringify(call.request);
  const unavailable = command === "STATUS" ? cniErrorCodes.unavailable : cniErrorCodes.tryAgainLater;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = createConnection({ path: call.socketPath });
    const fail = (code: number, message: string, details?: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new CniFailure(code, message, details));
    };
    const timer = setTimeout(() => {
      fail(unavailable, `the node agent did not answer ${command} within ${timeoutMs} ms`, call.socketPath);
    }, timeoutMs);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      fail(
        unavailable,
        error.code === "ENOENT" || error.code === "ECONNREFUSED"
          ? "the node agent is not running"
          : "the node agent can't be reached",
        `${call.socketPath}: ${error.message}`,
      );
    });
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > longestAnswerBytes) fail(cniErrorCodes.invalidAnswer, "the node agent's answer is too long");
    });
    socket.on("end", () => {
      clearTimeout(timer);
      socket.destroy();
      try {
        resolve(parseAnswer(Buffer.concat(chunks).toString("utf8"), unavailable));
      } catch (error) {
        reject(error);
      }
    });
    socket.write(
      `POST ${cniPath} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}

/**
 * Reads an HTTP response whose body is a {@link CniResponse}.
 * @param unavailable the code for a connection that closed without an answer: the agent was stopped in mid-call
 */
export function parseAnswer(text: string, unavailable: number): CniResponse {
  if (text === "") throw new CniFailure(unavailable, "the node agent closed the connection without an answer");
  const invalid = (details: string) =>
    new CniFailure(cniErrorCodes.invalidAnswer, "the node agent's answer can't be understood", details);
  const headEnd = text.indexOf("\r\n\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
  if (headEnd < 0 || status === undefined) throw invalid(text.slice(0, 200));
  const body = text.slice(headEnd + 4);
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    throw invalid(`HTTP status ${status}, ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isResponse(json)) throw invalid(`HTTP status ${status}, ${body.slice(0, 200)}`);
  return json;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON knows no undefined: an answer without a result is `{}`. */
function isResponse(json: unknown): json is CniResponse {
  if (!isObject(json)) return false;
  const { error, result } = json;
  if (error !== undefined) return isObject(error) && typeof error.code === "number" && typeof error.msg === "string";
  return result === undefined || isObject(result);
}
