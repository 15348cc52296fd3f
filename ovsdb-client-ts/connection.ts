import type { Socket } from "node:net";
import { OvsdbError } from "./errors.ts";
import type { PieceHandler } from "./piece-parser.ts";
import { createSession, type Session } from "./session.ts";

export interface ConnectionOptions {
  readonly probeIntervalMs: number;
  readonly maxMessageBytes: number;
  readonly maxPendingRequests: number;
  readonly onNotification: (method: string, params: readonly unknown[]) => void;
  readonly onPiece: PieceHandler;
  /** Called once, at once, whoever ends the connection. */
  readonly onClose: (error: OvsdbError) => void;
}

/** A session over a socket, watched by probes. */
export interface Connection {
  readonly session: Session;
  /** Snapshots asked for: meanwhile the server may be silent for longer, for it does nothing else while it writes one. */
  awaitedSnapshots: number;
  close(error: OvsdbError): void;
}

/** How long a server may take to begin a snapshot. */
const snapshotPatienceMs = 120_000;

export function openConnection(socket: Socket, options: ConnectionOptions): Connection {
  let heard = false;
  let silentIntervals = 0;
  let closed = false;

  const session = createSession({
    write: (text) => void socket.write(text),
    unsentBytes: () => socket.writableLength,
    onNotification: options.onNotification,
    onPiece: options.onPiece,
    maxMessageBytes: options.maxMessageBytes,
    maxPendingRequests: options.maxPendingRequests,
  });

  function close(error: OvsdbError): void {
    if (closed) return;
    closed = true;
    clearInterval(probe);
    socket.destroy();
    options.onClose(error);
    session.close(error);
  }

  /** After an interval without a byte an echo is sent; after another one the server is given up. */
  function judge(): void {
    if (closed) return;
    if (heard) {
      heard = false;
      silentIntervals = 0;
      return;
    }
    silentIntervals++;
    const limitMs =
      connection.awaitedSnapshots > 0
        ? Math.max(snapshotPatienceMs, 2 * options.probeIntervalMs)
        : 2 * options.probeIntervalMs;
    if (silentIntervals * options.probeIntervalMs >= limitMs) {
      close(
        new OvsdbError("PROBE_TIMEOUT", `The server sent nothing for ${silentIntervals * options.probeIntervalMs} ms`),
      );
      return;
    }
    if (silentIntervals > 1) return;
    try {
      session.send("echo", [], () => {});
    } catch (error) {
      close(asOvsdbError(error));
    }
  }

  // A timer that comes late, after a long parse or a busy caller, finds bytes unread: they count before the verdict.
  const probe =
    options.probeIntervalMs > 0 ? setInterval(() => setImmediate(judge), options.probeIntervalMs) : undefined;

  socket.on("data", (chunk: Buffer) => {
    heard = true;
    if (closed) return;
    try {
      session.receive(chunk);
    } catch (error) {
      close(asOvsdbError(error));
    }
  });
  socket.on("error", (cause) =>
    close(new OvsdbError("CONNECTION_LOST", `The connection broke: ${cause.message}`, { cause })),
  );
  socket.on("close", () => close(new OvsdbError("CONNECTION_LOST", "The server closed the connection")));

  const connection: Connection = { session, awaitedSnapshots: 0, close };
  return connection;
}

/** Errors of this package as they are; anything else was caused by what the server sent. */
export function asOvsdbError(error: unknown): OvsdbError {
  if (error instanceof OvsdbError) return error;
  return new OvsdbError("MALFORMED_MESSAGE", "A message could not be handled", { cause: error });
}
