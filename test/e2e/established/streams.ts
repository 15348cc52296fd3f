import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, Socket } from "node:net";
import { openBoundSocket, openConnectingSocket, socketType } from "../../../lab/probe/libc.ts";

/** Connections that last, between two namespaces of the lab, with both ends in this process: who heard last, and when. */

export interface End {
  /** Path of the network namespace. */
  readonly namespace: string;
  readonly address: string;
}

/**
 * `both`: one end asks all the time and is answered each time. `replies`: it asks until the first answer and is silent
 * then, while the other goes on sending. `requests`: nobody answers.
 */
export type Talk = "both" | "replies" | "requests";

export interface Stream {
  /** When either end last heard of the other, by performance.now(); undefined = never. */
  readonly heard: { readonly client: number | undefined; readonly server: number | undefined };
  /** How much either end has heard. */
  readonly count: { readonly client: number; readonly server: number };
  close(): void;
}

interface StreamState {
  readonly heard: { client: number | undefined; server: number | undefined };
  readonly count: { client: number; server: number };
}

const newState = (): StreamState => ({
  heard: { client: undefined, server: undefined },
  count: { client: 0, server: 0 },
});

function hear(state: StreamState, end: "client" | "server"): void {
  state.heard[end] = performance.now();
  state.count[end] += 1;
}

function datagramSocket({ namespace, address }: End, port: number): DatagramSocket {
  const fd = openBoundSocket(namespace, address, port, socketType.datagram);
  const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4" }).bind({ fd });
  // A refusal is no answer, and the stream goes on.
  socket.on("error", () => undefined);
  return socket;
}

/**
 * A UDP stream; a datagram every `everyMs` in each direction that talks.
 * @param to whom the client asks, where that is not the server's own address (a Service's)
 */
export function streamUdp(options: {
  readonly client: End;
  readonly server: End;
  readonly port: number;
  readonly clientPort?: number;
  readonly talk: Talk;
  readonly everyMs?: number;
  readonly to?: { readonly address: string; readonly port: number };
}): Stream {
  const { client, server, port, clientPort = 0, talk, everyMs = 10, to = { address: server.address, port } } = options;
  const state = newState();
  const asker = datagramSocket(client, clientPort);
  const answerer = datagramSocket(server, port);
  let peer: { readonly address: string; readonly port: number } | undefined;
  answerer.on("message", (_, from) => {
    hear(state, "server");
    peer = from;
    if (talk === "both") answerer.send("answer", from.port, from.address, () => undefined);
  });
  asker.on("message", () => hear(state, "client"));
  const timer = setInterval(() => {
    const isSilent = talk === "replies" && state.heard.client !== undefined;
    if (!isSilent) asker.send("question", to.port, to.address, () => undefined);
    if (talk === "replies" && peer) answerer.send("answer", peer.port, peer.address, () => undefined);
  }, everyMs);
  return {
    ...state,
    close() {
      clearInterval(timer);
      asker.close();
      answerer.close();
    },
  };
}

/** One datagram without content. */
export function sendEmpty(from: End, address: string, port: number): void {
  const socket = datagramSocket(from, 0);
  socket.send("", port, address, () => socket.close());
}

/** One TCP connection; `replies`: only the server sends. */
export function streamTcp(options: {
  readonly client: End;
  readonly server: End;
  readonly port: number;
  readonly talk: Talk;
  readonly everyMs?: number;
  readonly to?: { readonly address: string; readonly port: number };
}): Stream {
  const { client, server, port, talk, everyMs = 10, to = { address: server.address, port } } = options;
  const state = newState();
  const accepted = new Set<Socket>();
  const listener = createServer((socket) => {
    accepted.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("data", () => {
      hear(state, "server");
      if (talk === "both") socket.write("answer");
    });
  });
  listener.listen({ fd: openBoundSocket(server.namespace, server.address, port, socketType.stream) });
  const asker = new Socket({ fd: openConnectingSocket(client.namespace, to.address, to.port, socketType.stream) });
  asker.setNoDelay(true);
  asker.on("error", () => undefined);
  asker.on("data", () => hear(state, "client"));
  const timer = setInterval(() => {
    if (talk !== "replies" && !asker.destroyed) asker.write("question");
    if (talk === "replies") for (const socket of accepted) socket.write("answer");
  }, everyMs);
  return {
    ...state,
    close() {
      clearInterval(timer);
      asker.destroy();
      for (const socket of accepted) socket.destroy();
      listener.close();
    },
  };
}
