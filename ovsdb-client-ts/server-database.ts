import { OvsdbError } from "./errors.ts";
import type { Session } from "./session.ts";

/** What `_Server.Database` says of our database (ovsdb-server(5)). */
export interface ServerDatabase {
  readonly model: string;
  readonly connected: boolean;
  readonly leader: boolean;
  readonly cluster: string | undefined;
  readonly index: number | bigint | undefined;
}

/** The newest state of a cluster that this client has seen; a server that is behind it would show the past. */
export interface SeenIndex {
  cluster: string | undefined;
  index: number | bigint;
}

export const serverMonitorId = "_Server";

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An optional column as it comes over the wire. */
function optional(wire: unknown): unknown {
  return Array.isArray(wire) && wire[0] === "set" && Array.isArray(wire[1]) ? wire[1][0] : wire;
}

function readRow(row: Readonly<Record<string, unknown>>): ServerDatabase {
  const cluster = optional(row.cid);
  const index = optional(row.index);
  return {
    model: typeof row.model === "string" ? row.model : "standalone",
    connected: row.connected !== false,
    leader: row.leader !== false,
    cluster: Array.isArray(cluster) && typeof cluster[1] === "string" ? cluster[1] : undefined,
    index: typeof index === "number" || typeof index === "bigint" ? index : undefined,
  };
}

/** Follows `_Server.Database` during one session. */
export interface ServerDatabaseFollower {
  /** Resolves when the first state is known. A server without `_Server` is taken as a standalone one. */
  start(session: Session): Promise<void>;
  onUpdate(updates: unknown): void;
  /** Why the server can't be used, or undefined. Notes the index of one that can. */
  unsuitable(): OvsdbError | undefined;
}

export function followServerDatabase(database: string, leaderOnly: boolean, seen: SeenIndex): ServerDatabaseFollower {
  const rows = new Map<string, Readonly<Record<string, unknown>>>();
  let known = false;

  function onUpdate(updates: unknown): void {
    const table = isRecord(updates) ? updates.Database : undefined;
    if (table === undefined) return;
    if (!isRecord(table)) throw new OvsdbError("MALFORMED_MESSAGE", "An update of _Server is malformed");
    for (const [uuid, update] of Object.entries(table)) {
      if (isRecord(update) && isRecord(update.new)) rows.set(uuid, update.new);
      else rows.delete(uuid);
    }
  }

  return {
    onUpdate,
    async start(session) {
      const wanted = ["name", "model", "connected", "leader", "cid", "index"];
      let schema: unknown;
      try {
        schema = await session.request("get_schema", ["_Server"]);
      } catch (error) {
        // Servers before OVS 2.9 have no _Server and no clusters.
        if (error instanceof OvsdbError && error.code === "UNKNOWN_DATABASE") return;
        throw error;
      }
      const table = isRecord(schema) && isRecord(schema.tables) ? schema.tables.Database : undefined;
      const present = isRecord(table) && isRecord(table.columns) ? table.columns : {};
      const columns = wanted.filter((column) => column in present);
      await new Promise<void>((resolve, reject) => {
        session.send("monitor", ["_Server", serverMonitorId, { Database: [{ columns }] }], (error, result) => {
          if (error !== undefined) {
            reject(error);
            return;
          }
          known = true;
          try {
            onUpdate(result);
            resolve();
          } catch (failure) {
            reject(failure);
          }
        });
      });
    },
    unsuitable() {
      if (!known) return undefined;
      const row = [...rows.values()].find(({ name }) => name === database);
      if (row === undefined) return new OvsdbError("UNKNOWN_DATABASE", `The server doesn't serve ${database}`);
      const state = readRow(row);
      if (!state.connected) {
        return new OvsdbError("NOT_CONNECTED", `The server of ${database} has no contact with its cluster`);
      }
      if (state.model !== "clustered") return undefined;
      if (leaderOnly && !state.leader) {
        return new OvsdbError("NOT_LEADER", `The server is not the leader of ${database}`);
      }
      if (state.index !== undefined) {
        if (state.cluster === seen.cluster && state.index < seen.index) {
          return new OvsdbError("STALE_SERVER", `The server is at index ${state.index}, and ${seen.index} was seen`);
        }
        seen.cluster = state.cluster;
        seen.index = state.index;
      }
      return undefined;
    },
  };
}
