import { closeSync } from "node:fs";
import { isIPv4 } from "node:net";
import { createInterface } from "node:readline";
import koffi from "koffi";
import { libc, openUnboundSocket, socketAddress, socketType } from "../../../lab/probe/libc.ts";
import { inNamespace, NetlinkError, setSysctl } from "../../../node/netlink/index.ts";
import { floodPort, type Order, type Tally } from "./flood.ts";

/** Sends what it is ordered to on standard input until that ends; see `flood.ts`. */

const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const connectCall = libc.func("int connect(int fd, const void *address, uint32_t length)");
const sendTo = libc.func(
  "long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)",
);

const AF_INET = 2;
const AF_INET6 = 10;
const EINPROGRESS = 115;
const nonBlockingStream = socketType.stream | 0o4000 | 0o2000000;
/** Each is a flow of its own to conntrack. */
const socketsPerFamily = 4;
const payload = Buffer.from("flood");
const tickMs = 2;
/** What a late tick may catch up. */
const mostPerTick = 100;

interface Target {
  readonly isIpv4: boolean;
  readonly address: Buffer;
}

interface Source {
  readonly namespace: string;
  readonly packetsPerSecond: number;
  readonly ipv4: readonly number[];
  readonly ipv6: readonly number[];
  readonly since: number;
  turns: number;
  sent: number;
  failed: number;
  /** Whether its interface is there and asks for neighbours often. */
  isHasty: boolean;
}

let targets: readonly Target[] = [];
const sources = new Map<string, Source>();
/** Namespaces that are only just being made. */
const expected = new Map<string, number>();

function count(source: Source, isSent: boolean): void {
  if (isSent) source.sent += 1;
  else source.failed += 1;
}

function sendDatagram(source: Source, { isIpv4, address }: Target, turn: number): void {
  const sockets = isIpv4 ? source.ipv4 : source.ipv6;
  const fd = sockets[turn % sockets.length];
  if (fd !== undefined) count(source, Number(sendTo(fd, payload, payload.length, 0, address, address.length)) >= 0);
}

/** A connection from a port of its own that is given up when its SYN is on the way. */
function sendSyn(source: Source, { isIpv4, address }: Target): void {
  const fd = socketCall(isIpv4 ? AF_INET : AF_INET6, nonBlockingStream, 0);
  const isSent = fd >= 0 && connectCall(fd, address, address.length) < 0 && koffi.errno() === EINPROGRESS;
  count(source, isSent);
  if (fd >= 0) closeSync(fd);
}

/** By turns a datagram and a SYN to each target. */
function send(source: Source): void {
  const due = Math.floor(((performance.now() - source.since) / 1000) * source.packetsPerSecond) - source.turns;
  const now = Math.min(due, mostPerTick);
  if (targets.length > 0 && now > 0) {
    inNamespace(source.namespace, () => {
      for (let index = 0; index < now; index += 1) {
        const turn = source.turns + index;
        const target = targets[Math.floor(turn / 2) % targets.length];
        if (target === undefined) continue;
        if (turn % 2 === 0) sendDatagram(source, target, Math.floor(turn / 2 / targets.length));
        else sendSyn(source, target);
      }
    });
  }
  source.turns += Math.max(due, 0);
}

/** Opens the sockets; a namespace that is only just being made (ip-netns(8): first the file, then the mount) is tried again. */
function open(namespace: string, packetsPerSecond: number): void {
  const sockets = (any: string) =>
    Array.from({ length: socketsPerFamily }, () => openUnboundSocket(namespace, any, socketType.datagram, 0));
  try {
    sources.set(namespace, {
      ...{ namespace, packetsPerSecond, ipv4: sockets("0.0.0.0"), ipv6: sockets("::") },
      ...{ since: performance.now(), turns: 0, sent: 0, failed: 0, isHasty: false },
    });
    expected.delete(namespace);
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    expected.set(namespace, packetsPerSecond);
  }
}

/** Who sends before its port is installed asks for its neighbours in vain, and would wait for a second to ask again. */
function hasten(source: Source): void {
  try {
    for (const family of ["ipv4", "ipv6"]) setSysctl(`${family}/neigh/eth0/retrans_time_ms`, 20, source.namespace);
    source.isHasty = true;
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
  }
}

function rest(): void {
  const tallies: Tally[] = [];
  for (const { namespace, sent, failed, ipv4, ipv6 } of sources.values()) {
    for (const fd of [...ipv4, ...ipv6]) closeSync(fd);
    tallies.push({ namespace, sent, failed });
  }
  sources.clear();
  expected.clear();
  process.stdout.write(`${JSON.stringify(tallies)}\n`);
}

function obey(order: Order): void {
  if (order.kind === "rest") rest();
  else if (order.kind === "source") open(order.namespace, order.packetsPerSecond);
  else
    targets = order.addresses.map((address) => ({
      isIpv4: isIPv4(address),
      address: socketAddress(address, floodPort),
    }));
}

const timer = setInterval(() => {
  for (const [namespace, packetsPerSecond] of expected) open(namespace, packetsPerSecond);
  for (const source of sources.values()) {
    if (!source.isHasty) hasten(source);
    send(source);
  }
}, tickMs);
process.stdout.write("ready\n");
for await (const line of createInterface(process.stdin)) obey(JSON.parse(line) as Order);
clearInterval(timer);
