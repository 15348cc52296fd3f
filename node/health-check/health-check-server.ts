import type { Server } from "node:http";
import type { Logger } from "../logger.ts";
import type { NodeService } from "../services/index.ts";

/** What one answers whose port it is. */
type Checked = Pick<NodeService, "key" | "localEndpoints">;

/**
 * Answers load balancers outside of the cluster whether this node has endpoints of a Service with
 * `externalTrafficPolicy: Local`: one HTTP server per `healthCheckNodePort`, on all addresses of the node in both families.
 */
export interface HealthCheckServers {
  /** Opens and closes servers until there is one for each port. A port that could not be had is tried anew. */
  serve(services: Iterable<NodeService>): void;
  close(): Promise<void>;
}

/** Whoever asks wants one short answer: more at a time are no load balancers. */
const mostConnections = 128;
const requestTimeoutMs = 5_000;

/** @param options.isHealthy whether Services of this node work; the answer tells of it, and is 503 where they don't */
export function createHealthCheckServers(options: {
  readonly isHealthy: () => boolean;
  readonly logger: Logger;
}): HealthCheckServers {
  const { isHealthy, logger } = options;
  const servers = new Map<number, Server>();
  const checked = new Map<number, Checked>();
  const complained = new Map<number, string>();

  function complain(port: number, reason: string): void {
    if (complained.get(port) === reason) return;
    complained.set(port, reason);
    logger.warn({ port, service: checked.get(port)?.key, reason }, "a Service's health check port can't be served");
  }

  function open(port: number, host: "::" | "0.0.0.0"): void {
    // An import would bring all of node:http's exports along, 14 MB of memory; most nodes need no such server at all.
    const server = process.getBuiltinModule("node:http").createServer(
      {
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        connectionsCheckingInterval: requestTimeoutMs,
      },
      (_request, response) => {
        const service = checked.get(port);
        const healthy = isHealthy();
        const { status, headers, body } = answerOf(service ?? { key: "/", localEndpoints: 0 }, healthy);
        response.writeHead(status, headers).end(body);
      },
    );
    server.maxConnections = mostConnections;
    servers.set(port, server);
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (servers.get(port) !== server) return;
      servers.delete(port);
      server.close();
      if (host === "::" && (error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL")) open(port, "0.0.0.0");
      else complain(port, error.message);
    });
    server.listen({ port, host, exclusive: true }, () => complained.delete(port));
  }

  function shut(server: Server): Promise<void> {
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  return {
    serve(services) {
      checked.clear();
      const asking = [...services].filter(({ healthCheckNodePort }) => healthCheckNodePort !== undefined);
      for (const service of asking.sort((a, b) => (a.key < b.key ? -1 : 1))) {
        const port = service.healthCheckNodePort;
        if (port === undefined) continue;
        const other = checked.get(port);
        if (other === undefined) checked.set(port, service);
        else complain(port, `both ${other.key} and ${service.key} have it`);
      }
      for (const [port, server] of servers) {
        if (checked.has(port)) continue;
        servers.delete(port);
        void shut(server);
      }
      for (const port of complained.keys()) if (!checked.has(port)) complained.delete(port);
      for (const port of checked.keys()) if (!servers.has(port)) open(port, "::");
    },
    async close() {
      const open = [...servers.values()];
      servers.clear();
      checked.clear();
      await Promise.all(open.map(shut));
    },
  };
}

/** As kube-proxy answers (pkg/proxy/healthcheck/service_health.go), whatever is asked. */
export function answerOf(
  { key, localEndpoints }: Checked,
  healthy: boolean,
): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const [namespace = "", name = ""] = key.split("/");
  return {
    status: healthy && localEndpoints > 0 ? 200 : 503,
    headers: {
      "content-type": "application/json",
      "x-content-type-options": "nosniff",
      "x-load-balancing-endpoint-weight": String(localEndpoints),
    },
    body: JSON.stringify(
      { service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy },
      undefined,
      "\t",
    ),
  };
}
