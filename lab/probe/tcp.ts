import { Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Server, Socket } from "node:net";
import { plainAddress } from "./address.ts";
import { openBoundSocket, openConnectingSocket, socketType } from "./libc.ts";
import { afterSilence, type ProbeRequest, type ProbeResult, readAnswer, verdictOfError } from "./probe.ts";

const request = "GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";
/** An answer of a probe server fits in this; a chattier peer is not read further. */
const answerLimitBytes = 8192;

/**
 * Connects by TCP and asks the probe server for its name. The verdict is that of the handshake: a peer that is no
 * probe server, or never answers, counts as connected all the same.
 */
export function probeTcp({ namespace, to, port = 0, timeoutMs }: ProbeRequest): Promise<ProbeResult> {
  const started = performance.now();
  let fd: number;
  try {
    fd = openConnectingSocket(namespace, to, port, socketType.stream);
  } catch (error) {
    return Promise.resolve(verdictOfError(error));
  }
  return new Promise((resolve) => {
    const socket = new Socket({ fd, readable: true, writable: true });
    let connectedAfterMs: number | undefined;
    let received = "";
    const finish = (result: ProbeResult) => {
      endWait();
      socket.destroy();
      resolve(result);
    };
    const connected = (): ProbeResult => ({
      verdict: "connected",
      ...readAnswer(received.slice(received.indexOf("\r\n\r\n") + 4)),
      rttMs: connectedAfterMs ?? performance.now() - started,
    });
    const endWait = afterSilence(timeoutMs, () =>
      finish(connectedAfterMs === undefined ? { verdict: "dropped" } : connected()),
    );
    socket.on("error", (error) => finish(connectedAfterMs === undefined ? verdictOfError(error) : connected()));
    socket.on("data", (chunk) => {
      connectedAfterMs ??= performance.now() - started;
      received += chunk.toString();
      if (received.length > answerLimitBytes) finish(connected());
    });
    socket.on("end", () => finish(connected()));
    // The kernel takes the request only once the handshake is done.
    socket.write(request, (error) => {
      if (!error) connectedAfterMs ??= performance.now() - started;
    });
  });
}

export interface TcpServers {
  close(): void;
}

/** An HTTP server on each port of each address: `/hostname` gives the identity, `/probe` what a prober wants to know. */
export function serveTcp(
  namespace: string,
  identity: string,
  addresses: readonly string[],
  ports: readonly number[],
): TcpServers {
  const http = new HttpServer((incoming: IncomingMessage, response: ServerResponse) => {
    const path = incoming.url?.split("?")[0];
    if (path === "/hostname") {
      response.setHeader("content-type", "text/plain");
      response.end(identity.slice(identity.indexOf("/") + 1));
      return;
    }
    response.setHeader("content-type", "application/json");
    const sourceSeen = plainAddress(incoming.socket.remoteAddress ?? "");
    response.end(JSON.stringify({ peer: identity, sourceSeen }));
  });
  // A connection on which a fault cut the packets is silent, not idle: its end is its client's to choose.
  http.keepAliveTimeout = 0;
  const connections = new Set<Socket>();
  const servers = addresses.flatMap((address) =>
    ports.map((port) => {
      const fd = openBoundSocket(namespace, address, port, socketType.stream);
      const server = new Server((connection) => {
        connections.add(connection);
        connection.on("close", () => connections.delete(connection));
        connection.on("error", () => connection.destroy());
        http.emit("connection", connection);
      });
      server.listen({ fd });
      return server;
    }),
  );
  return {
    close() {
      for (const server of servers) server.close();
      for (const connection of connections) connection.destroy();
    },
  };
}
