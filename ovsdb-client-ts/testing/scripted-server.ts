import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createFramer } from "../framing.ts";

/** What a scripted server answers to a method: a result, raw bytes in place of a reply, or nothing at all. */
export type Answer =
  | { readonly result: unknown }
  | { readonly error: unknown }
  | { readonly raw: string | Buffer }
  | "silence";

export interface ScriptedServer {
  readonly endpoint: string;
  /** Every socket that is connected. */
  readonly sockets: ReadonlySet<Socket>;
  stop(): Promise<void>;
}

/** A server for what a real one never does: it answers each request as the script says, with valid framing or without. */
export async function startScriptedServer(
  script: (method: string, params: readonly unknown[], socket: Socket) => Answer,
): Promise<ScriptedServer> {
  const folder = await mkdtemp("/tmp/ovsdb-script-");
  const path = join(folder, "db.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const framer = createFramer({
      maxMessageBytes: 1 << 30,
      onMessage(message) {
        const { id, method, params } = message as { id: unknown; method?: string; params: readonly unknown[] };
        if (method === undefined || id === null) return;
        const answer = script(method, params, socket);
        if (answer === "silence") return;
        if ("raw" in answer) socket.write(answer.raw);
        else socket.write(JSON.stringify({ id, error: null, ...answer }));
      },
    });
    socket.on("data", (chunk: Buffer) => framer.push(chunk));
  });
  server.listen(path);
  await once(server, "listening");
  return {
    endpoint: `unix:${path}`,
    sockets,
    async stop() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The answers of a plain old server of one table, to build on. */
export function plainAnswer(method: string, params: readonly unknown[]): Answer {
  switch (method) {
    case "get_schema":
      return params[0] === "_Server" ? { error: { error: "unknown database" } } : { result: smallSchema };
    case "set_db_change_aware":
      return { result: {} };
    case "monitor_cond_since":
      return { result: [false, "00000000-0000-0000-0000-000000000001", {}] };
    case "echo":
      return { result: params };
    default:
      return { error: "unknown method" };
  }
}

export const smallSchema = {
  name: "Small",
  version: "1.0.0",
  tables: {
    Thing: {
      columns: {
        name: { type: "string" },
        tags: { type: { key: "string", min: 0, max: "unlimited" } },
        options: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
      },
    },
  },
};
