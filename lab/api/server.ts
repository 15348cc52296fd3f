import { chmodSync, lstatSync, readFileSync, unlinkSync } from "node:fs";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { followDefinitions } from "./custom/definitions.ts";
import { expireEvents } from "./event-expiry.ts";
import { createHandler } from "./handler.ts";
import { createAuthenticator, parseTokenFile } from "./http/authentication.ts";
import { builtinKinds } from "./kinds/index.ts";
import { createServiceAddresses } from "./kinds/service-addresses.ts";
import { runLifecycle } from "./lifecycle.ts";
import { createRegistry } from "./registry.ts";
import { seed } from "./seed.ts";
import { createWatchHub } from "./serve/watch.ts";
import { openStore } from "./storage/store.ts";
import type { PodLog } from "./subresources.ts";
import type { Api } from "./write.ts";

export type Listen = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ApiServerOptions {
  /** Path of the SQLite file that holds the state. */
  readonly stateFile: string;
  readonly listen: readonly Listen[];
  /** PEM texts. Without them plain HTTP is served, on loopback addresses and unix sockets only. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string | undefined } | undefined;
  /** PEM of the authority whose client certificates are let in; `tls.ca` when not set. */
  readonly clientCa?: string | undefined;
  /** Lines as in upstream's token file: `token,user,uid,"groups"`; a bare token is enough. */
  readonly tokens?: string | undefined;
  /** Networks of cluster addresses, one per family, the preferred one first. */
  readonly serviceCidrs?: readonly string[] | undefined;
  /** Changes remembered per kind for watches and paged lists; what is older is 410. */
  readonly history?: number | undefined;
  readonly bookmarkIntervalMs?: number | undefined;
  /** Where pods' logs come from. */
  readonly podLog?: PodLog | undefined;
  readonly onReady?: ((addresses: readonly string[]) => void) | undefined;
  /** The state can't be written any more: the process must end. */
  readonly onFatal?: ((error: unknown) => void) | undefined;
  readonly log?: ((fields: object, message: string) => void) | undefined;
}

export interface ApiServer {
  /** `https://127.0.0.1:6443`, `unix:/path`, one per listener. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

const defaultHistory = 20_000;
const defaultBookmarkIntervalMs = 60_000;
const defaultServiceCidrs = ["10.96.0.0/16", "fd00:10:96::/112"];

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

function listenOn(server: Server, where: Listen): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    if ("path" in where) {
      // A socket that a killed server left behind; anything else at this path is not ours to remove.
      if (lstatSync(where.path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(where.path);
      server.listen(where.path, () => {
        chmodSync(where.path, 0o600);
        resolve(`unix:${where.path}`);
      });
      return;
    }
    server.listen({ host: where.host, port: where.port, backlog: 1024 }, () => {
      const { port } = server.address() as AddressInfo;
      resolve(where.host.includes(":") ? `[${where.host}]:${port}` : `${where.host}:${port}`);
    });
  });
}

/**
 * Starts the lab's Kubernetes API. Resolves once every listener accepts.
 *
 *   listeners → handler → write/delete/patch → store → journal (SQLite)
 *                   └──── list, watch ←──────────┘└─→ lifecycle, definitions, addresses
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const log = options.log ?? (() => undefined);
  const { tls } = options;
  const clientCa = options.clientCa ?? tls?.ca;
  const tokens = options.tokens === undefined ? undefined : parseTokenFile(options.tokens);
  for (const where of options.listen) {
    if ("host" in where && tls === undefined && !loopback.test(where.host)) {
      throw new RangeError(`plain HTTP is served on loopback only, not on ${where.host}: give a certificate`);
    }
  }
  const store = openStore({
    file: options.stateFile,
    history: options.history ?? defaultHistory,
    onFatal: options.onFatal ?? ((error) => log({ error }, "the state can't be written")),
  });
  const registry = createRegistry(store);
  for (const kind of builtinKinds) registry.register(kind);
  const addresses = createServiceAddresses(options.serviceCidrs ?? defaultServiceCidrs);
  addresses.attach(store);
  const api: Api = { store, registry, context: { store, addresses } };
  const watches = createWatchHub(store, {
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? defaultBookmarkIntervalMs,
  });
  const definitions = followDefinitions(api, { endWatches: watches.end, log });
  seed(api);
  const lifecycle = runLifecycle(api, { log });
  const expiry = expireEvents(api);

  let ready = false;
  const first = options.listen.find((one) => "host" in one);
  const handler = createHandler({
    api,
    watches,
    authenticate: createAuthenticator({ clientCa: clientCa !== undefined, tokens }),
    address: first === undefined ? "localhost" : `${first.host}:${first.port}`,
    podLog: options.podLog,
    ready: () => ready,
    log,
  });
  const servers = options.listen.map(
    (where): { readonly server: Server; readonly where: Listen; readonly scheme: string } => {
      const plain = tls === undefined || "path" in where;
      const limits = { keepAliveTimeout: 120_000, requestTimeout: 60_000, maxHeaderSize: 64 * 1024 };
      const server = plain
        ? createHttpServer(limits, handler)
        : createHttpsServer(
            {
              ...limits,
              cert: tls.cert,
              key: tls.key,
              ca: clientCa,
              requestCert: clientCa !== undefined,
              rejectUnauthorized: false,
            },
            handler,
          );
      server.on("clientError", (_error, socket) => {
        if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
      });
      return { server, where, scheme: "path" in where ? "" : plain ? "http://" : "https://" };
    },
  );

  async function close(): Promise<void> {
    ready = false;
    watches.end();
    lifecycle.stop();
    expiry.stop();
    definitions.stop();
    await Promise.all(
      servers.map(
        ({ server }) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeIdleConnections();
            server.closeAllConnections();
          }),
      ),
    );
    store.close();
  }

  try {
    const bound = await Promise.all(
      servers.map(async ({ server, where, scheme }) => `${scheme}${await listenOn(server, where)}`),
    );
    ready = true;
    options.onReady?.(bound);
    return { addresses: bound, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** PEM files as texts, for the options above. */
export function readPem(path: string | undefined): string | undefined {
  return path === undefined ? undefined : readFileSync(path, "utf8");
}
