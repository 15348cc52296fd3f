import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createSecureContext } from "node:tls";
import type { Credentials, KubeConnection } from "./connection.ts";

/** Idle connections are dropped before load balancers and servers do it under our feet (kube-apiserver: 90 s). */
const keepAliveTimeoutMs = 20_000;
/** After so long without a byte the kernel asks the peer for a sign of life: a dead peer shows within half a minute. */
const tcpKeepAliveDelayMs = 15_000;
/** Watches end at different times, each for a new one that takes the connection over. */
const maxIdleStreams = 4;

/** Connections to one server that were made with one client certificate; a renewed one gets new ones. */
export interface HttpConnections {
  /** For requests, bounded in number. */
  readonly requests: HttpAgent;
  /** For streams, which hold their connection: they must not starve the requests. */
  readonly streams: HttpAgent;
}

/**
 * Opens nothing yet.
 * @throws Error of OpenSSL when certificate, key or CA can't be used
 */
export function createHttpConnections(
  connection: KubeConnection,
  { certificate, key }: Credentials,
  maxSockets: number,
): HttpConnections {
  const { server, tls, proxyUrl } = connection;
  const shared = {
    keepAlive: true,
    keepAliveMsecs: tcpKeepAliveDelayMs,
    ...(proxyUrl === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl } }),
  };
  const requests = { ...shared, maxSockets, timeout: keepAliveTimeoutMs };
  const streams = { ...shared, maxFreeSockets: maxIdleStreams, timeout: keepAliveTimeoutMs };
  if (!server.startsWith("https:")) return { requests: new HttpAgent(requests), streams: new HttpAgent(streams) };
  const secure = {
    // Made once: given as PEM, an agent would parse them for each connection and carry them in the key of each request.
    secureContext: createSecureContext({
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
    }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    rejectUnauthorized: !tls.insecureSkipVerify,
  };
  return { requests: new HttpsAgent({ ...requests, ...secure }), streams: new HttpsAgent({ ...streams, ...secure }) };
}

/** Takes connections out of use: idle ones end now, the others with the request that is under way on them. */
export function retireHttpConnections({ requests, streams }: HttpConnections): void {
  for (const agent of [requests, streams]) {
    agent.maxFreeSockets = 0;
    for (const idle of Object.values(agent.freeSockets)) {
      for (const socket of idle ?? []) socket.destroy();
    }
  }
}

/** Breaks all connections. */
export function destroyHttpConnections({ requests, streams }: HttpConnections): void {
  requests.destroy();
  streams.destroy();
}
