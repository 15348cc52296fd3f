import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Gauge } from "prom-client";
import type { Condition } from "../condition.ts";
import type { Logger } from "../logger.ts";
import type { Metrics } from "./metrics.ts";

export interface MetricsServer {
  /** `host:port` that it listens on. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `/healthz` (the process answers), `/readyz` (each condition with what it lacks, 200 or 503) and `/metrics` (Prometheus).
 * @param address `host:port`, IPv6 hosts in brackets; port 0 picks a free one
 * @throws Error EADDRINUSE and its like
 */
export async function serveMetrics(options: {
  readonly address: string;
  readonly metrics: Metrics;
  readonly conditions: readonly Condition[];
  readonly logger: Logger;
}): Promise<MetricsServer> {
  const { address, conditions, logger } = options;
  const { registry } = options.metrics;
  new Gauge({
    name: "ovenbird_agent_condition",
    help: "Whether a condition of the agent's readiness holds",
    labelNames: ["condition"],
    registers: [registry],
    collect() {
      for (const { name, problem } of conditions) this.set({ condition: name }, problem() === undefined ? 1 : 0);
    },
  });
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      logger.warn({ err: error }, "a request could not be answered");
      response.destroy();
    });
  });
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, text: string, type = "text/plain; charset=utf-8") => {
      response.writeHead(status, { "content-type": type }).end(text);
    };
    if (request.method !== "GET") return answer(405, "only GET\n");
    switch (new URL(request.url ?? "/", "http://localhost").pathname) {
      case "/healthz":
        return answer(200, "ok\n");
      case "/readyz": {
        const states = conditions.map(({ name, problem }) => ({ name, reason: problem() }));
        const lines = states.map(({ name, reason }) =>
          reason === undefined ? `[+] ${name}\n` : `[-] ${name}: ${reason}\n`,
        );
        return answer(states.every(({ reason }) => reason === undefined) ? 200 : 503, lines.join(""));
      }
      case "/metrics":
        return answer(200, await registry.metrics(), registry.contentType);
      default:
        return answer(404, "not found\n");
    }
  }
  const { host, port } = splitAddress(address);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  const text = bound.family === "IPv6" ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  logger.info({ address: text }, "serving health and metrics");
  return {
    address: text,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Parts `host:port`; the host may be missing (all addresses) or an IPv6 address in brackets. */
function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, "") || "::", port: Number(address.slice(colon + 1)) };
}
