import { createSocket, type RemoteInfo } from "node:dgram";
import { Socket } from "node:net";
import { openBoundSocket, openConnectingSocket, socketType } from "../../../lab/probe/libc.ts";
import { readAnswer } from "../../../lab/probe/probe.ts";

/** What a prober's one question can't show: flows that last, from namespaces of the lab. */

const anyAddress = (to: string) => (to.includes(":") ? "::" : "0.0.0.0");

/**
 * Asks by HTTP for `path`.
 * @returns status and body, or undefined when none came within `timeoutMs`
 */
export function askHttp(
  namespace: string,
  { address, port }: { readonly address: string; readonly port: number },
  path: string,
  timeoutMs = 1500,
): Promise<{ readonly status: number; readonly body: string } | undefined> {
  return new Promise((resolve) => {
    const socket = new Socket({ fd: openConnectingSocket(namespace, address, port, socketType.stream) });
    let received = "";
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(received)?.[1];
      const body = received.slice(received.indexOf("\r\n\r\n") + 4);
      resolve(status === undefined ? undefined : { status: Number(status), body });
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on("data", (chunk) => {
      received += chunk.toString();
    });
    socket.on("end", finish);
    socket.on("error", finish);
    socket.write(`GET ${path} HTTP/1.0\r\nHost: probe\r\n\r\n`);
  });
}

export interface Conversation {
  /** The backend that answered first; undefined until it has. */
  readonly peer: string | undefined;
  readonly sent: number;
  readonly answered: number;
  /** Why it ended, if it did otherwise than by `close`. */
  readonly broken: string | undefined;
  /** Resolves with the peer once it has answered, or with undefined when the connection fails or `timeoutMs` pass. */
  settled(timeoutMs: number): Promise<string | undefined>;
  close(): void;
}

/** One TCP connection on which a question goes every `everyMs`. */
export function converse(namespace: string, address: string, port: number, everyMs = 100): Conversation {
  const socket = new Socket({ fd: openConnectingSocket(namespace, address, port, socketType.stream) });
  const state = {
    peer: undefined as string | undefined,
    sent: 0,
    answered: 0,
    broken: undefined as string | undefined,
  };
  const settled = Promise.withResolvers<string | undefined>();
  let closed = false;
  let received = "";
  const ask = () => {
    if (socket.destroyed) return;
    state.sent += 1;
    socket.write("GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n");
  };
  const ended = (why: string) => {
    clearInterval(timer);
    if (!closed) state.broken ??= why;
    settled.resolve(undefined);
  };
  socket.on("data", (chunk) => {
    received += chunk.toString();
    for (let end = received.indexOf("}"); end >= 0; end = received.indexOf("}")) {
      const { peer } = readAnswer(received.slice(received.lastIndexOf("{", end), end + 1));
      received = received.slice(end + 1);
      state.answered += 1;
      state.peer ??= peer;
      settled.resolve(state.peer);
    }
  });
  socket.on("error", (error) => ended(error.message));
  socket.on("end", () => ended("closed by the other end"));
  const timer = setInterval(ask, everyMs);
  ask();
  return {
    get peer() {
      return state.peer;
    },
    get sent() {
      return state.sent;
    },
    get answered() {
      return state.answered;
    },
    get broken() {
      return state.broken;
    },
    settled: (timeoutMs) =>
      Promise.race([
        settled.promise,
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), timeoutMs).unref()),
      ]),
    close() {
      closed = true;
      clearInterval(timer);
      socket.destroy();
    },
  };
}

export interface DatagramFlow {
  /** Who answered last, and when (performance.now()). */
  readonly last: { readonly peer: string; readonly at: number } | undefined;
  readonly answered: number;
  /** Resolves true as soon as one of `peers` answers, false after `timeoutMs`. */
  until(peers: readonly string[], timeoutMs: number): Promise<boolean>;
  close(): void;
}

/** Datagrams from one source port every `everyMs`: to a load balancer one and the same flow. */
export function streamDatagrams(
  namespace: string,
  to: { readonly address: string; readonly port: number },
  { sourcePort = 0, everyMs = 100 }: { readonly sourcePort?: number; readonly everyMs?: number } = {},
): DatagramFlow {
  const fd = openBoundSocket(namespace, anyAddress(to.address), sourcePort, socketType.datagram);
  const socket = createSocket({ type: to.address.includes(":") ? "udp6" : "udp4" }).bind({ fd });
  const state = { last: undefined as { peer: string; at: number } | undefined, answered: 0 };
  const waiters = new Set<() => void>();
  socket.on("message", (answer: Buffer, _from: RemoteInfo) => {
    const { peer } = readAnswer(answer.toString());
    if (peer === undefined) return;
    state.answered += 1;
    state.last = { peer, at: performance.now() };
    for (const waiter of waiters) waiter();
  });
  // A refusal (ICMP) is no answer, and the flow goes on.
  socket.on("error", () => undefined);
  const send = () => socket.send("probe", to.port, to.address, () => undefined);
  const timer = setInterval(send, everyMs);
  send();
  return {
    get last() {
      return state.last;
    },
    get answered() {
      return state.answered;
    },
    until(peers, timeoutMs) {
      return new Promise((resolve) => {
        const begin = performance.now();
        const look = () => {
          if (state.last === undefined || state.last.at < begin || !peers.includes(state.last.peer)) return;
          finish(true);
        };
        const finish = (found: boolean) => {
          clearTimeout(timeout);
          waiters.delete(look);
          resolve(found);
        };
        const timeout = setTimeout(() => finish(false), timeoutMs);
        waiters.add(look);
      });
    },
    close() {
      clearInterval(timer);
      socket.close();
    },
  };
}

const recordTypes = { ipv4: 1, ipv6: 28 } as const;

/** Asks a DNS server for the addresses of a name (RFC 1035). @returns undefined when no answer came */
export function askDns(
  namespace: string,
  server: string,
  name: string,
  family: keyof typeof recordTypes,
  timeoutMs = 1500,
): Promise<readonly string[] | undefined> {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const question = Buffer.concat([
    ...[Buffer.from([0x4f, 0x76, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels],
    Buffer.from([0, 0, recordTypes[family], 0, 1]),
  ]);
  const fd = openBoundSocket(namespace, anyAddress(server), 0, socketType.datagram);
  const socket = createSocket({ type: server.includes(":") ? "udp6" : "udp4" }).bind({ fd });
  return new Promise((resolve) => {
    const finish = (found: readonly string[] | undefined) => {
      clearTimeout(timer);
      clearInterval(repeat);
      socket.close();
      resolve(found);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    const send = () => socket.send(question, 53, server, () => undefined);
    const repeat = setInterval(send, 400);
    socket.on("error", () => undefined);
    socket.once("message", (answer: Buffer) => finish(readAddresses(answer, question.length, recordTypes[family])));
    send();
  });
}

/** Addresses of the answers that follow the question; names in answers are pointers or labels. */
function readAddresses(answer: Buffer, offset: number, type: number): readonly string[] {
  const found: string[] = [];
  let at = offset;
  for (let left = answer.readUInt16BE(6); left > 0; left -= 1) {
    while ((answer[at] ?? 0) !== 0 && (answer[at] ?? 0) < 0xc0) at += 1 + (answer[at] ?? 0);
    at += (answer[at] ?? 0) >= 0xc0 ? 2 : 1;
    const length = answer.readUInt16BE(at + 8);
    const data = answer.subarray(at + 10, at + 10 + length);
    if (answer.readUInt16BE(at) === type) found.push(addressText(data));
    at += 10 + length;
  }
  return found;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
