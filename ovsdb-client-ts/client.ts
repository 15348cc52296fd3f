import { asOvsdbError, type Connection, openConnection } from "./connection.ts";
import { dial, type Endpoint, parseEndpoints } from "./endpoint.ts";
import { OvsdbError } from "./errors.ts";
import { createListeners } from "./listeners.ts";
import { createLockClaim, type Lock, type LockClaim } from "./lock.ts";
import type { UntypedModel } from "./model.ts";
import { createMonitor, type Monitor } from "./monitor.ts";
import type { Operation, OperationResult } from "./operation.ts";
import type { ClientOptions, RequestOptions } from "./options.ts";
import { pause } from "./pause.ts";
import type { Replica, ReplicaSpec, ReplicateOptions } from "./replica.ts";
import { type DatabaseSchema, parseSchema } from "./schema.ts";
import { followServerDatabase, type SeenIndex, serverMonitorId } from "./server-database.ts";
import { compileSchema, createTransaction, readResults, type SchemaCodecs, type Transaction } from "./transaction.ts";

export type ClientEvent =
  /** `sessions` counts the connections so far, this one included. All replicas have caught up when it comes. */
  | { readonly kind: "connected"; readonly endpoint: string; readonly sessions: number }
  | { readonly kind: "disconnected"; readonly error: OvsdbError };

export interface Client<M> {
  readonly state: "connecting" | "connected" | "closed";
  /** Of the connected server (or the last one). @throws OvsdbError NOT_CONNECTED before the first connection */
  readonly schema: DatabaseSchema;
  /** Resolves when connected. Rejects with ABORTED (its cause: why the last attempt failed) or CLOSED. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Executes operations as one transaction. When it resolves, the replicas of this client have its effects already.
   * Several may be in flight; the server executes them in order.
   * @throws OvsdbError NOT_CONNECTED (nothing sent), OUTCOME_UNKNOWN (reply lost or late), or what the server said
   */
  transact(operations: readonly Operation[], options?: RequestOptions): Promise<readonly OperationResult[]>;
  /** @throws OvsdbError NOT_CONNECTED before the first connection, for rows are encoded after the server's schema */
  transaction(): Transaction<M>;
  /** Resolves when the first snapshot is in; waits for a connection when there is none. */
  replicate(spec: ReplicaSpec<M>, options?: ReplicateOptions<M>): Promise<Replica<M>>;
  /** Begins to ask for a lock and goes on over reconnects until it is released. One claim per name. */
  lock(name: string, options?: { readonly steal?: boolean }): Lock;
  /** Any method of the protocol, such as `list_dbs` or `get_server_id`; parameters and result as on the wire. */
  call(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
  on(listener: (event: ClientEvent) => void): () => void;
  close(): Promise<void>;
}

const defaults = {
  connectTimeoutMs: 5000,
  probeIntervalMs: 5000,
  backoff: { minMs: 100, maxMs: 8000 },
  maxMessageBytes: 2 ** 30,
  maxPendingRequests: 10_000,
};

function shuffled<T>(items: readonly T[]): T[] {
  const result = [...items];
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1));
    const [a, b] = [result[index], result[other]];
    if (a !== undefined && b !== undefined) [result[index], result[other]] = [b, a];
  }
  return result;
}

/**
 * Opens a client and starts connecting at once; it reconnects until closed.
 * @throws OvsdbError INVALID_ARGUMENT for a malformed endpoint, or `ssl:` without `tls`
 */
export function createClient<M = UntypedModel>(options: ClientOptions): Client<M> {
  const endpoints = parseEndpoints(options.endpoints);
  if (options.tls === undefined && endpoints.some(({ kind }) => kind === "ssl")) {
    throw new OvsdbError("INVALID_ARGUMENT", "ssl: endpoints need the option tls");
  }
  const { database, logger } = options;
  const backoff = options.backoff ?? defaults.backoff;
  const leaderOnly = options.leaderOnly ?? true;
  const events = createListeners<ClientEvent>();
  const monitors = new Map<string, Monitor>();
  const locks = new Map<string, LockClaim>();
  const seen: SeenIndex = { cluster: undefined, index: 0 };
  const closing = new AbortController();

  let state: Client<M>["state"] = "connecting";
  let connection: Connection | undefined;
  let schemaText = "";
  let schema: DatabaseSchema | undefined;
  let codecs: SchemaCodecs | undefined;
  let sessions = 0;
  let nextMonitor = 1;
  let lastError: OvsdbError | undefined;

  function learnSchema(wire: unknown): DatabaseSchema {
    const text = JSON.stringify(wire);
    if (schema !== undefined && text === schemaText) return schema;
    schema = parseSchema(wire);
    schemaText = text;
    codecs = compileSchema(schema);
    return schema;
  }

  function connected(): Connection {
    if (state === "closed") throw new OvsdbError("CLOSED", "The client is closed");
    if (state === "connecting" || connection === undefined) {
      throw new OvsdbError("NOT_CONNECTED", "There is no connection to a suitable server", { cause: lastError });
    }
    return connection;
  }

  /** Dials, asks what must be known, brings replicas and locks back. Resolves with what ended the connection. */
  async function follow(endpoint: Endpoint): Promise<OvsdbError> {
    const attempt = new AbortController();
    const late = (): void =>
      attempt.abort(new OvsdbError("CONNECT_FAILED", `${endpoint.text} took too long to answer`));
    const timer = setTimeout(late, options.connectTimeoutMs ?? defaults.connectTimeoutMs);
    const server = followServerDatabase(database, leaderOnly, seen);
    const ended = Promise.withResolvers<OvsdbError>();
    let current: Connection | undefined;
    try {
      const socket = await dial(endpoint, options.tls, AbortSignal.any([attempt.signal, closing.signal]));
      current = openConnection(socket, {
        probeIntervalMs: options.probeIntervalMs ?? defaults.probeIntervalMs,
        maxMessageBytes: options.maxMessageBytes ?? defaults.maxMessageBytes,
        maxPendingRequests: options.maxPendingRequests ?? defaults.maxPendingRequests,
        onNotification(method, params) {
          if (method.startsWith("update") && params[0] === serverMonitorId) {
            server.onUpdate(params[1]);
            const reason = server.unsuitable();
            if (reason !== undefined) throw reason;
          } else onNotification(method, params);
        },
        onPiece(piece, frames) {
          const params = frames[1]?.container;
          const id = Array.isArray(params) ? params[0] : undefined;
          return typeof id === "string" ? (monitors.get(id)?.onPiece(piece, frames) ?? piece) : piece;
        },
        onClose(error) {
          disconnected(error);
          ended.resolve(error);
        },
      });
      const opened = current;
      connection = opened;
      attempt.signal.addEventListener("abort", () => opened.close(asOvsdbError(attempt.signal.reason)), { once: true });
      await establish(opened, server);
      clearTimeout(timer);
      await Promise.all([...monitors.values()].map((monitor) => startMonitor(opened, monitor)));
      announce(opened, endpoint);
    } catch (error) {
      const reason = asOvsdbError(error);
      if (current === undefined) ended.resolve(reason);
      else current.close(reason);
    }
    const error = await ended.promise;
    clearTimeout(timer);
    return error;
  }

  async function establish(opened: Connection, server: ReturnType<typeof followServerDatabase>): Promise<void> {
    const { session } = opened;
    await server.start(session);
    const reason = server.unsuitable();
    if (reason !== undefined) throw reason;
    learnSchema(await session.request("get_schema", [database]));
    try {
      // From now on a converted database ends our monitors instead of our connection.
      await session.request("set_db_change_aware", [true]);
    } catch (error) {
      if (!(error instanceof OvsdbError && error.code === "NOT_SUPPORTED")) throw error;
    }
  }

  async function startMonitor(opened: Connection, monitor: Monitor): Promise<void> {
    if (schema === undefined) throw new OvsdbError("NOT_CONNECTED", "The schema is not known yet");
    opened.awaitedSnapshots++;
    try {
      await monitor.start(opened.session, schema);
    } finally {
      opened.awaitedSnapshots--;
    }
  }

  function announce(opened: Connection, endpoint: Endpoint): void {
    if (opened.session.closed) return;
    for (const claim of locks.values()) claim.start(opened.session);
    state = "connected";
    sessions++;
    lastError = undefined;
    logger?.info({ endpoint: endpoint.text, database, sessions }, "connected to the database");
    events.emit({ kind: "connected", endpoint: endpoint.text, sessions });
  }

  function disconnected(error: OvsdbError): void {
    const before = state;
    connection = undefined;
    lastError = error;
    if (state === "connected") state = "connecting";
    for (const monitor of monitors.values()) monitor.stop();
    for (const claim of locks.values()) claim.stop();
    if (before !== "connected") return;
    logger?.info({ database, code: error.code, reason: error.message }, "lost the database");
    events.emit({ kind: "disconnected", error });
  }

  function onNotification(method: string, params: readonly unknown[]): void {
    const name = params[0];
    if (typeof name !== "string") throw new OvsdbError("MALFORMED_MESSAGE", `A ${method} notification names nothing`);
    switch (method) {
      case "update":
      case "update2":
      case "update3":
        monitors.get(name)?.onUpdate(method, params);
        return;
      case "locked":
        locks.get(name)?.onLocked();
        return;
      case "stolen":
        locks.get(name)?.onStolen();
        return;
      case "monitor_canceled":
        if (!monitors.has(name)) return;
        // The database was converted or removed. The next session learns its new schema.
        monitors.get(name)?.onCanceled();
        throw new OvsdbError("CONNECTION_LOST", `The server ended the monitors of ${database}`);
      default:
        logger?.debug({ method }, "ignored a notification");
    }
  }

  async function run(): Promise<void> {
    let delayMs = backoff.minMs;
    while (state !== "closed") {
      let lastedMs = 0;
      for (const endpoint of shuffled(endpoints)) {
        const sessionsBefore = sessions;
        const startedMs = performance.now();
        const error = await follow(endpoint);
        lastError = error;
        if (closing.signal.aborted) return;
        if (sessions > sessionsBefore) {
          lastedMs = performance.now() - startedMs;
          break;
        }
        logger?.debug({ endpoint: endpoint.text, code: error.code, reason: error.message }, "could not use the server");
      }
      // A session that lasted earns another round at once; what fails again and again waits longer and longer.
      if (lastedMs > delayMs) delayMs = backoff.minMs;
      else {
        await pause(delayMs * (0.5 + Math.random() / 2), closing.signal);
        delayMs = Math.min(2 * delayMs, backoff.maxMs);
      }
    }
  }

  function ready({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error: OvsdbError | undefined): void => {
        stop();
        signal?.removeEventListener("abort", onAbort);
        closing.signal.removeEventListener("abort", onClosed);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = (): void =>
        settle(
          new OvsdbError("ABORTED", "Waiting for a connection was aborted", { cause: lastError ?? signal?.reason }),
        );
      const onClosed = (): void => settle(new OvsdbError("CLOSED", "The client is closed"));
      let stop = (): void => {};
      if (state === "connected") settle(undefined);
      else if (closing.signal.aborted) onClosed();
      else if (signal?.aborted) onAbort();
      else {
        stop = events.add((event) => {
          if (event.kind === "connected") settle(undefined);
        });
        signal?.addEventListener("abort", onAbort, { once: true });
        closing.signal.addEventListener("abort", onClosed, { once: true });
      }
    });
  }

  /** `texts`: the operations as JSON, where they have been written already. */
  async function execute(
    operations: readonly Operation[],
    request: RequestOptions = {},
    texts?: readonly string[],
  ): Promise<readonly OperationResult[]> {
    const { session } = connected();
    if (codecs === undefined) throw new OvsdbError("NOT_CONNECTED", "The schema is not known yet");
    let reply: unknown;
    try {
      const params = texts === undefined ? [database, ...operations] : { texts: [JSON.stringify(database), ...texts] };
      reply = await session.request("transact", params, request);
    } catch (error) {
      const unknown = session.closed || (error instanceof OvsdbError && error.code === "TIMED_OUT");
      if (!unknown || (error instanceof OvsdbError && error.code === "ABORTED")) throw error;
      throw new OvsdbError("OUTCOME_UNKNOWN", "The transaction was sent and its reply never came", { cause: error });
    }
    return readResults(codecs, operations, reply);
  }

  async function closeMonitor(monitor: Monitor, session: unknown): Promise<void> {
    monitors.delete(monitor.id);
    const current = connection?.session;
    if (current === undefined || current !== session || current.closed) return;
    await current.request("monitor_cancel", [monitor.id]);
  }

  async function replicate(
    spec: ReplicaSpec<UntypedModel>,
    { indexes, signal }: ReplicateOptions<UntypedModel> = {},
  ): Promise<Replica<UntypedModel>> {
    await ready({ signal });
    if (schema === undefined) throw new OvsdbError("NOT_CONNECTED", "The schema is not known yet");
    const id = `replica-${nextMonitor++}`;
    const monitor = createMonitor({ id, database, spec, indexes, onClose: closeMonitor }, schema);
    monitors.set(id, monitor);
    const giveUp = (): void => void monitor.replica.close();
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      const opened = connected();
      try {
        await startMonitor(opened, monitor);
      } catch (error) {
        // What can't be understood once can't be followed.
        if (asOvsdbError(error).code === "MALFORMED_MESSAGE") opened.close(asOvsdbError(error));
        else if (!opened.session.closed) throw error;
        // The next session starts the monitor by itself.
      }
      while (!monitor.replica.synced) {
        if (signal?.aborted) throw new OvsdbError("ABORTED", "The replica was aborted", { cause: signal.reason });
        await ready({ signal });
      }
      return monitor.replica;
    } catch (error) {
      monitors.delete(id);
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  async function close(): Promise<void> {
    if (state === "closed") return;
    const error = new OvsdbError("CLOSED", "The client is closed");
    const current = connection;
    if (state === "connected") events.emit({ kind: "disconnected", error });
    state = "closed";
    closing.abort(error);
    options.signal?.removeEventListener("abort", onSignal);
    current?.close(error);
    for (const claim of locks.values()) claim.close();
    locks.clear();
    monitors.clear();
    await running;
    events.clear();
  }

  const onSignal = (): void => void close();
  const running = run();
  if (options.signal?.aborted) onSignal();
  else options.signal?.addEventListener("abort", onSignal, { once: true });

  return {
    get state() {
      return state;
    },
    get schema() {
      if (schema === undefined) throw new OvsdbError("NOT_CONNECTED", "The schema is not known yet");
      return schema;
    },
    ready,
    transact: (operations, request) => execute(operations, request),
    transaction() {
      if (codecs === undefined) throw new OvsdbError("NOT_CONNECTED", "The schema is not known yet");
      return createTransaction<M>(codecs, execute);
    },
    // The rows that come out are shaped by the server's schema, which is what the model M describes.
    replicate: replicate as unknown as Client<M>["replicate"],
    lock(name, { steal = false } = {}) {
      if (state === "closed") throw new OvsdbError("CLOSED", "The client is closed");
      if (locks.has(name)) throw new OvsdbError("INVALID_ARGUMENT", `Lock ${name} is claimed already`);
      const claim = createLockClaim(name, steal, () => locks.delete(name));
      locks.set(name, claim);
      if (state === "connected" && connection !== undefined) claim.start(connection.session);
      return claim.lock;
    },
    async call(method, params, request) {
      return connected().session.request(method, params, request);
    },
    on: (listener) => events.add(listener),
    close,
  };
}
