import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Prober } from "../probe/index.ts";
import { type ControlProbe, type ControlResult, controlProbe } from "./protocol.ts";

const longestBodyBytes = 16 * 1024 * 1024;
/**
 * Of hundreds of connections that begin at once some lose packets in the userspace datapath, and wait for TCP to send
 * them again: the machine's queues would be measured instead of the network. So the next group begins when the one
 * before has its answers or, as silence may be what is asked about, after a while.
 */
const groupSize = 32;
const groupMs = 15;

/**
 * Takes probes over a unix socket: `POST /probes` with an array of ControlProbe is answered by an array of
 * ControlResult in the same order. They run side by side, and begin in groups.
 */
export function serveControl(options: {
  readonly socket: string;
  readonly prober: Prober;
  /** Path of the network namespace that a probe's `from` means. */
  readonly namespaceOf: (from: string) => string | undefined;
}): Promise<Server> {
  const probe = async ({ from, to, port, protocol, timeoutMs }: ControlProbe): Promise<ControlResult> => {
    const namespace = options.namespaceOf(from);
    if (namespace === undefined) return { verdict: "error", error: `${from} does not run here` };
    return options.prober.probe({ namespace, to, protocol, timeoutMs, ...(port === undefined ? {} : { port }) });
  };
  const probeAll = async (probes: readonly ControlProbe[]): Promise<readonly ControlResult[]> => {
    const results: Promise<ControlResult>[] = [];
    for (let start = 0; start < probes.length; start += groupSize) {
      const group = probes.slice(start, start + groupSize).map(probe);
      results.push(...group);
      if (start + groupSize < probes.length) await Promise.race([Promise.all(group), delay(groupMs)]);
    }
    return Promise.all(results);
  };
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > longestBodyBytes) request.destroy();
      else chunks.push(chunk);
    });
    request.on("end", async () => {
      try {
        const probes = z.array(controlProbe).parse(JSON.parse(Buffer.concat(chunks).toString()));
        answer(200, await probeAll(probes));
      } catch (error) {
        answer(400, { error: error instanceof Error ? error.message : String(error) });
      }
    });
  });
  rmSync(options.socket, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.socket, () => resolve(server));
  });
}
