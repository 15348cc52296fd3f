import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

/** Stands between a client and a server, to cut the line between them and to see what the server answered. */
export interface Relay {
  readonly endpoint: string;
  /** The beginning of each reply to monitor_cond_since that went through. */
  readonly answers: readonly string[];
  /** Breaks the connections and refuses others until `mend`. */
  cut(): void;
  mend(): void;
  stop(): Promise<void>;
}

/** @param target a `unix:` endpoint */
export async function startRelay(target: string): Promise<Relay> {
  const folder = await mkdtemp("/tmp/ovsdb-relay-");
  const path = join(folder, "relay.sock");
  const sockets = new Set<Socket>();
  const answers: string[] = [];
  let whole = true;
  const server = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(target.slice("unix:".length));
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    far.on("data", (chunk: Buffer) => {
      const text = chunk.toString();
      if (/"result":\[(true|false),"/.test(text)) answers.push(text.slice(0, 200));
    });
  });
  server.listen(path);
  await once(server, "listening");
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    endpoint: `unix:${path}`,
    answers,
    cut,
    mend() {
      whole = true;
    },
    async stop() {
      cut();
      const closed = once(server, "close");
      server.close();
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
