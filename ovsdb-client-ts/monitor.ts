import { OvsdbError } from "./errors.ts";
import { createListeners } from "./listeners.ts";
import type { RowChange, UntypedModel, UntypedRow } from "./model.ts";
import type { Condition, Uuid } from "./operation.ts";
import type { PieceFrame } from "./piece-parser.ts";
import type { IndexSpec, Replica, ReplicaSpec, ReplicateOptions } from "./replica.ts";
import { type AnyChange, createReplicaTable, DecodedRow, type ReplicaTableStore } from "./replica-table.ts";
import type { DatabaseSchema } from "./schema.ts";
import type { Session } from "./session.ts";
import { createSharedTexts } from "./shared-texts.ts";

/** A replica and how it follows its server, session after session. */
export interface Monitor {
  readonly id: string;
  readonly replica: Replica<UntypedModel>;
  /** Asks the server for the rows; resolves when the replica is level with it. */
  start(session: Session, schema: DatabaseSchema): Promise<void>;
  /** The session ended. */
  stop(): void;
  onUpdate(method: string, params: readonly unknown[]): void;
  /** The server ended the monitor by itself (its database is converted or gone). */
  readonly canceled: boolean;
  onCanceled(): void;
  /** Decodes a row of a large notification as it comes in. */
  onPiece(piece: unknown, frames: readonly PieceFrame[]): unknown;
}

export interface MonitorOptions {
  readonly id: string;
  readonly database: string;
  readonly spec: ReplicaSpec<UntypedModel>;
  readonly indexes: ReplicateOptions<UntypedModel>["indexes"];
  readonly onClose: (monitor: Monitor, session: Session | undefined) => Promise<void>;
}

/** From the best to the most widely known (ovsdb-server(7), RFC 7047 section 4.1.5). */
const ladder = ["monitor_cond_since", "monitor_cond", "monitor"] as const;
const noTransaction = "00000000-0000-0000-0000-000000000000";

type TableUpdates = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(what: string): OvsdbError {
  return new OvsdbError("MALFORMED_MESSAGE", `A monitor's message is malformed: ${what}`);
}

function tableUpdates(value: unknown): TableUpdates {
  if (!isRecord(value) || !Object.values(value).every(isRecord)) throw malformed("no table updates");
  return value as TableUpdates;
}

export function createMonitor(options: MonitorOptions, firstSchema: DatabaseSchema): Monitor {
  let schema = firstSchema;
  const tables = new Map<string, ReplicaTableStore>();
  const shared = createSharedTexts((table, uuid) => tables.get(table)?.view.get(uuid)?._uuid);
  const conditions = new Map<string, readonly Condition[]>();
  const listeners = createListeners<readonly RowChange<UntypedModel>[]>();
  let session: Session | undefined;
  let rung = 0;
  let synced = false;
  let closed = false;
  let canceled = false;
  let lastTransactionId: Uuid | undefined;
  /** Conditions that the server has not confirmed: a fast resync would miss the rows that they add. */
  let unconfirmed = 0;

  for (const [name, spec] of Object.entries(options.spec)) {
    if (spec === undefined) continue;
    const table = schema.tables[name];
    if (table === undefined) throw new OvsdbError("INVALID_ARGUMENT", `The server has no table ${name}`);
    const whole = typeof spec === "object" && "columns" in spec ? spec : { columns: spec };
    if (whole.where !== undefined) conditions.set(name, whole.where);
    const indexes: Readonly<Record<string, IndexSpec<UntypedRow>>> = options.indexes?.[name] ?? {};
    tables.set(name, createReplicaTable(name, table, whole.columns, indexes, shared));
  }

  function storeOf(name: string): ReplicaTableStore {
    const table = tables.get(name);
    if (table === undefined) throw malformed(`it names the table ${name}`);
    return table;
  }

  function emit(changes: readonly AnyChange[]): void {
    if (changes.length > 0) listeners.emit(changes as readonly RowChange<UntypedModel>[]);
  }

  function applyRow(table: ReplicaTableStore, uuid: Uuid, update: unknown, changes: AnyChange[]): void {
    if (!isRecord(update)) throw malformed("a row update is no object");
    if (update.modify !== undefined) table.modify(uuid, update.modify, changes);
    else if (update.insert !== undefined) table.put(uuid, update.insert, changes);
    else if (update.initial !== undefined) table.put(uuid, update.initial, changes);
    else if (update.delete !== undefined) table.remove(uuid, changes);
    else if (update.new !== undefined && update.old !== undefined) table.replace(uuid, update.new, changes);
    else if (update.new !== undefined) table.put(uuid, update.new, changes);
    else if (update.old !== undefined) table.remove(uuid, changes);
    else throw malformed("a row update says nothing");
  }

  function apply(updates: TableUpdates): void {
    const changes: AnyChange[] = [];
    try {
      for (const name in updates) {
        const table = storeOf(name);
        const rows = updates[name];
        for (const uuid in rows) applyRow(table, uuid, rows[uuid], changes);
      }
    } finally {
      shared.endMessage();
      emit(changes);
    }
  }

  /** Takes a full dump: what differs from what is held comes out as one batch of changes. */
  function applySnapshot(updates: TableUpdates): void {
    const changes: AnyChange[] = [];
    try {
      for (const table of tables.values()) {
        const rows = updates[table.name] ?? {};
        for (const uuid in rows) {
          const update = rows[uuid];
          if (!isRecord(update)) throw malformed("a row update is no object");
          table.put(uuid, update.initial ?? update.insert ?? update.new, changes);
        }
        if (table.view.size > Object.keys(rows).length) table.removeOthers(new Set(Object.keys(rows)), changes);
      }
    } finally {
      shared.endMessage();
      emit(changes);
    }
  }

  function restoreCondition(name: string, condition: readonly Condition[] | undefined): void {
    if (condition === undefined) conditions.delete(name);
    else conditions.set(name, condition);
  }

  function requests(conditional: boolean): Readonly<Record<string, unknown>> {
    return Object.fromEntries(
      [...tables.values()].map(({ name, columns }) => {
        const where = conditions.get(name);
        if (where !== undefined && !conditional) {
          throw new OvsdbError("NOT_SUPPORTED", "The server knows no conditional monitors");
        }
        return [name, [where === undefined ? { columns } : { columns, where }]];
      }),
    );
  }

  function onReply(method: (typeof ladder)[number], result: unknown): void {
    if (method !== "monitor_cond_since") {
      applySnapshot(tableUpdates(result));
      lastTransactionId = undefined;
    } else {
      if (!Array.isArray(result) || typeof result[0] !== "boolean" || typeof result[1] !== "string") {
        throw malformed("the reply to monitor_cond_since");
      }
      if (result[0]) apply(tableUpdates(result[2]));
      else applySnapshot(tableUpdates(result[2]));
      lastTransactionId = result[1];
    }
    unconfirmed = 0;
    synced = true;
  }

  function request(current: Session): Promise<void> {
    const method = ladder[rung] ?? "monitor";
    const params: unknown[] = [options.database, options.id, requests(method !== "monitor")];
    if (method === "monitor_cond_since") params.push(lastTransactionId ?? noTransaction);
    return new Promise((resolve, reject) => {
      current.send(
        method,
        params,
        (error, result) => {
          if (closed) resolve();
          else if (error === undefined) {
            try {
              onReply(method, result);
              resolve();
            } catch (failure) {
              // What was applied so far is known only by the next full dump.
              lastTransactionId = undefined;
              reject(failure);
            }
          } else if (error.code === "NOT_SUPPORTED" && rung < ladder.length - 1) {
            rung++;
            resolve(request(current));
          } else reject(error);
        },
        onPiece,
      );
    });
  }

  function onPiece(piece: unknown, frames: readonly PieceFrame[]): unknown {
    const last = frames.at(-1)?.key;
    // monitor_cond puts the table updates one level higher: the piece is then what the row update holds.
    const inside = last === "initial" || last === "insert" || last === "new";
    const uuid = frames.at(inside ? -2 : -1)?.key;
    const name = frames.at(inside ? -3 : -2)?.key;
    const table = typeof name === "string" ? tables.get(name) : undefined;
    if (table === undefined || typeof uuid !== "string") return piece;
    if (inside) return new DecodedRow(table.decode(uuid, piece));
    if (!isRecord(piece)) return piece;
    if (piece.initial !== undefined) return { initial: new DecodedRow(table.decode(uuid, piece.initial)) };
    if (piece.insert !== undefined) return { insert: new DecodedRow(table.decode(uuid, piece.insert)) };
    return piece;
  }

  const replica: Replica<UntypedModel> = {
    table: (name) => {
      const table = tables.get(name);
      if (table === undefined) throw new OvsdbError("INVALID_ARGUMENT", `The replica doesn't hold the table ${name}`);
      return table.view;
    },
    subscribe: (listener) => listeners.add(listener),
    async changeConditions(where) {
      if (closed) throw new OvsdbError("CLOSED", "The replica is closed");
      const former = new Map(conditions);
      for (const [name, condition] of Object.entries(where)) {
        storeOf(name);
        if (condition !== undefined) conditions.set(name, condition);
      }
      // Without a server, the next session asks by the new conditions from the start; what it had is no base any more.
      if (session === undefined || !synced) {
        lastTransactionId = undefined;
        throw new OvsdbError("NOT_CONNECTED", "The new conditions hold from the next connection on");
      }
      if (rung === ladder.length - 1) throw new OvsdbError("NOT_SUPPORTED", "The server knows no conditional monitors");
      const changed = Object.fromEntries(
        Object.entries(where).map(([name, condition]) => [name, [{ where: condition }]]),
      );
      const current = session;
      unconfirmed++;
      try {
        await current.request("monitor_cond_change", [options.id, options.id, changed]);
      } catch (error) {
        // What the server refuses it would refuse in each session to come.
        if (!current.closed) for (const name of Object.keys(where)) restoreCondition(name, former.get(name));
        throw error;
      } finally {
        if (session === current) unconfirmed--;
      }
    },
    get synced() {
      return synced;
    },
    get lastTransactionId() {
      return lastTransactionId;
    },
    async close() {
      if (closed) return;
      closed = true;
      synced = false;
      listeners.clear();
      await options.onClose(monitor, session);
    },
  };

  const monitor: Monitor = {
    id: options.id,
    replica,
    onPiece,
    get canceled() {
      return canceled;
    },
    onCanceled() {
      canceled = true;
      synced = false;
      lastTransactionId = undefined;
    },
    start(current, currentSchema) {
      if (currentSchema !== schema) {
        for (const table of tables.values()) {
          const tableSchema = currentSchema.tables[table.name];
          if (tableSchema === undefined)
            throw new OvsdbError("INVALID_ARGUMENT", `The server has no table ${table.name}`);
          table.recompile(tableSchema);
        }
        schema = currentSchema;
        lastTransactionId = undefined;
      }
      session = current;
      canceled = false;
      rung = 0;
      return request(current);
    },
    stop() {
      session = undefined;
      synced = false;
      if (unconfirmed > 0) lastTransactionId = undefined;
      unconfirmed = 0;
    },
    onUpdate(method, params) {
      if (closed || !synced) return;
      try {
        if (method === "update3") {
          if (typeof params[1] !== "string") throw malformed("update3 has no transaction id");
          apply(tableUpdates(params[2]));
          lastTransactionId = params[1];
        } else apply(tableUpdates(params[1]));
      } catch (error) {
        lastTransactionId = undefined;
        throw error;
      }
    },
  };
  return monitor;
}
