import { connect, type Socket } from "node:net";
import { z } from "zod";
import type { DaemonStatus } from "./daemon.ts";

/** What the command line asks of the supervisor: one JSON line per connection. */
export const supervisorRequest = z.discriminatedUnion("verb", [
  z.object({ verb: z.literal("up") }),
  z.object({ verb: z.literal("status") }),
]);
export type SupervisorRequest = z.infer<typeof supervisorRequest>;

/** The steps of `up` in the order in which they are shown. */
export interface Step {
  readonly key: string;
  readonly title: string;
}

/** What the supervisor answers: JSON lines until it ends the connection. */
export type SupervisorEvent =
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  | { readonly kind: "step"; readonly key: string; readonly state: "running" | "done"; readonly detail?: string }
  | { readonly kind: "step"; readonly key: string; readonly state: "failed"; readonly detail: string }
  | { readonly kind: "status"; readonly daemons: readonly DaemonStatus[] }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string };

/**
 * Sends a request to the supervisor and gives its events as they come.
 * @throws Error with `code` ENOENT or ECONNREFUSED when no supervisor listens on `path`
 */
export async function* askSupervisor(
  path: string,
  request: SupervisorRequest,
  signal?: AbortSignal,
): AsyncGenerator<SupervisorEvent> {
  const socket = await connected(path);
  const leave = () => socket.destroy();
  signal?.addEventListener("abort", leave);
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    let rest = "";
    for await (const chunk of socket.setEncoding("utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as SupervisorEvent;
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  } finally {
    signal?.removeEventListener("abort", leave);
    socket.destroy();
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
