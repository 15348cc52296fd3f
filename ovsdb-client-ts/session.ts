import { OvsdbError, serverError } from "./errors.ts";
import { createFramer } from "./framing.ts";
import { stringifyExact } from "./json.ts";
import type { RequestOptions } from "./options.ts";
import type { PieceHandler } from "./piece-parser.ts";

export interface SessionOptions {
  /** Where the bytes go. */
  readonly write: (text: string) => void;
  /** How many bytes `write` has taken and not yet sent. */
  readonly unsentBytes: () => number;
  readonly onNotification: (method: string, params: readonly unknown[]) => void;
  /** Sees the pieces of large notifications; those of replies go to the request's own handler. */
  readonly onPiece?: PieceHandler | undefined;
  readonly maxMessageBytes: number;
  readonly maxPendingRequests: number;
  readonly pieceThresholdBytes?: number | undefined;
}

/** Parameters that are JSON already, each by itself. */
export interface EncodedParams {
  readonly texts: readonly string[];
}

export type ReplyHandler = (error: OvsdbError | undefined, result: unknown) => void;

/** JSON-RPC 1.0 over one connection, both ways (RFC 7047 section 4). Knows no socket. */
export interface Session {
  /**
   * Sends a request and calls back in the moment that the reply is read, before any later message is.
   * Returns the request's id. @throws OvsdbError CONNECTION_LOST or BACKPRESSURE; nothing was sent then
   */
  send(
    method: string,
    params: readonly unknown[] | EncodedParams,
    onReply: ReplyHandler,
    onPiece?: PieceHandler,
  ): number;
  /** Like `send`, as a promise. Rejects with what the server said, ABORTED, TIMED_OUT or what ended the session. */
  request(method: string, params: readonly unknown[] | EncodedParams, options?: RequestOptions): Promise<unknown>;
  /** @throws OvsdbError when the stream can't be followed any more; the session must be closed then */
  receive(chunk: Buffer): void;
  /** Fails everything that waits. */
  close(error: OvsdbError): void;
  readonly closed: boolean;
  readonly pendingRequests: number;
}

/** Bound of what waits in the socket because the server doesn't read. */
const maxUnsentBytes = 256 << 20;

interface Pending {
  readonly method: string;
  readonly onReply: ReplyHandler;
  readonly onPiece: PieceHandler | undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function createSession(options: SessionOptions): Session {
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let closedBy: OvsdbError | undefined;
  let outbox: string[] = [];

  function flush(): void {
    const texts = outbox;
    outbox = [];
    if (closedBy === undefined && texts.length > 0)
      options.write(texts.length === 1 ? (texts[0] ?? "") : texts.join(""));
  }

  /** Messages of one turn leave in one write; but a request that nothing is ahead of leaves at once. */
  function post(text: string, isAlone = false): void {
    if (isAlone && outbox.length === 0) {
      options.write(text);
      return;
    }
    outbox.push(text);
    if (outbox.length === 1) queueMicrotask(flush);
  }

  const framer = createFramer({
    maxMessageBytes: options.maxMessageBytes,
    ...(options.pieceThresholdBytes === undefined ? {} : { pieceThresholdBytes: options.pieceThresholdBytes }),
    onMessage,
    onPiece(piece, frames) {
      const message = frames[0]?.container;
      // The server writes a message's id first; where another doesn't, the pieces just stay as they are.
      const id = isRecord(message) ? message.id : undefined;
      const handler = typeof id === "number" ? pending.get(id)?.onPiece : options.onPiece;
      return handler === undefined ? piece : handler(piece, frames);
    },
  });

  function onMessage(message: unknown): void {
    if (closedBy !== undefined) return;
    if (!isRecord(message)) throw new OvsdbError("MALFORMED_MESSAGE", "A message is not an object");
    const { id, method } = message;
    if (method === undefined) onReply(id, message);
    else if (typeof method !== "string" || !Array.isArray(message.params)) {
      throw new OvsdbError("MALFORMED_MESSAGE", "A request has no method or no params");
    } else if (method === "echo") {
      if (options.unsentBytes() < maxUnsentBytes)
        post(stringifyExact({ result: message.params, error: null, id: id ?? null }));
    } else if (id === null || id === undefined) options.onNotification(method, message.params);
    else post(stringifyExact({ result: null, error: "unknown method", id }));
  }

  function onReply(id: unknown, message: Record<string, unknown>): void {
    const request = typeof id === "number" ? pending.get(id) : undefined;
    if (request === undefined || typeof id !== "number") {
      throw new OvsdbError("MALFORMED_MESSAGE", "A reply answers no request", { details: { id } });
    }
    pending.delete(id);
    if (message.error !== null && message.error !== undefined) {
      request.onReply(serverError(message.error, request.method), undefined);
    } else request.onReply(undefined, message.result);
  }

  function send(
    method: string,
    params: readonly unknown[] | EncodedParams,
    onReply: ReplyHandler,
    onPiece?: PieceHandler,
  ): number {
    if (closedBy !== undefined) throw closedBy;
    if (pending.size >= options.maxPendingRequests) {
      throw new OvsdbError("BACKPRESSURE", `${pending.size} requests wait for their reply`);
    }
    if (options.unsentBytes() > maxUnsentBytes) {
      throw new OvsdbError("BACKPRESSURE", "The server doesn't read what was sent");
    }
    const id = nextId++;
    const text =
      "texts" in params
        ? `{"method":${JSON.stringify(method)},"params":[${params.texts.join(",")}],"id":${id}}`
        : stringifyExact({ method, params, id });
    pending.set(id, { method, onReply, onPiece });
    post(text, pending.size === 1);
    return id;
  }

  return {
    send,
    request(method, params, { signal, timeoutMs } = {}) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(new OvsdbError("ABORTED", `${method} was aborted before it was sent`, { cause: signal.reason }));
          return;
        }
        if (signal === undefined && timeoutMs === undefined) {
          send(method, params, (error, result) => (error === undefined ? resolve(result) : reject(error)));
          return;
        }
        // The entry stays pending until the server answers, so that a late reply finds its request.
        const giveUp = (error: OvsdbError): void => {
          settle();
          reject(error);
          if (closedBy === undefined && method === "transact")
            post(stringifyExact({ method: "cancel", params: [id], id: null }));
        };
        const onAbort = (): void =>
          giveUp(new OvsdbError("ABORTED", `${method} was aborted after it was sent`, { cause: signal?.reason }));
        const settle = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
        };
        const id = send(method, params, (error, result) => {
          settle();
          if (error === undefined) resolve(result);
          else reject(error);
        });
        const timer =
          timeoutMs === undefined
            ? undefined
            : setTimeout(
                () => giveUp(new OvsdbError("TIMED_OUT", `${method} was not answered in ${timeoutMs} ms`)),
                timeoutMs,
              );
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
    receive: (chunk) => framer.push(chunk),
    close(error) {
      if (closedBy !== undefined) return;
      closedBy = error;
      const waiting = [...pending.values()];
      pending.clear();
      for (const { onReply } of waiting) onReply(error, undefined);
    },
    get closed() {
      return closedBy !== undefined;
    },
    get pendingRequests() {
      return pending.size;
    },
  };
}
