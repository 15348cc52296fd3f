import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestRecord } from "../../../node/dns/testing/dns-answer.ts";

/** What the server is told: all its records, or whether it sends answers unasked. */
export type Zone = readonly TestRecord[];

/** A DNS server in a network namespace, with records as it was told last. */
export interface OutsideDns {
  /** Resolves when it answers so. */
  set(zone: Zone): Promise<void>;
  close(): Promise<void>;
}

/** @param namespace path of the network namespace */
export async function serveOutsideDns(namespace: string, address: string): Promise<OutsideDns> {
  const server: ChildProcess = spawn(
    "nsenter",
    [`--net=${namespace}`, process.execPath, join(import.meta.dirname, "dns-server.ts"), address],
    { stdio: ["ignore", "inherit", "inherit", "ipc"] },
  );
  await once(server, "message");
  return {
    async set(zone) {
      const taken = once(server, "message");
      server.send(zone);
      await taken;
    },
    async close() {
      const exited = once(server, "exit");
      server.disconnect();
      await exited;
    },
  };
}
