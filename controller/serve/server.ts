import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import type { Registry } from "prom-client";

/** What `/readyz` answers: each check by name, and whether the whole is ready. */
export interface Readiness {
  readonly ready: boolean;
  readonly leading: boolean;
  readonly checks: Readonly<Record<string, boolean>>;
}

export interface StatusServerOptions {
  /** `host:port`, IPv6 hosts in brackets; port 0 takes a free one. */
  readonly bindAddress: string;
  readonly readiness: () => Readiness;
  readonly registry: Registry;
  /** What is served below `/v1`. */
  readonly api?: Hono;
}

export interface StatusServer {
  /** `http://host:port` */
  readonly url: string;
  close(): Promise<void>;
}

/** Reads `host:port`; undefined when it is none. */
export function parseBindAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "", port };
}

/** Serves `/healthz`, `/readyz`, `/metrics` and the API. Rejects with the system's error when the address can't be bound. */
export async function startStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const address = parseBindAddress(options.bindAddress);
  if (address === undefined) throw new TypeError(`${options.bindAddress} is not host:port`);
  const app = new Hono();
  // Alive is who answers: what the controller waits for is told by readiness, and no restart would mend it.
  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/readyz", (context) => {
    const readiness = options.readiness();
    return context.json(readiness, readiness.ready ? 200 : 503);
  });
  app.get("/metrics", async (context) => {
    context.header("content-type", options.registry.contentType);
    return context.body(await options.registry.metrics());
  });
  if (options.api !== undefined) app.route("/v1", options.api);
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(address.port, address.host === "" ? undefined : address.host);
  await once(server, "listening");
  const { address: host, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${host}]` : host}:${port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed;
    },
  };
}
