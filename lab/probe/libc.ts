import { closeSync, openSync } from "node:fs";
import { isIPv4 } from "node:net";
import { getSystemErrorName } from "node:util";
import koffi from "koffi";

/**
 * The few system calls that Node has no door to: entering a network namespace, and making sockets that Node then
 * adopts by file descriptor. A socket belongs for good to the namespace in which it was made, so one process holds
 * the sockets of all pods of a node.
 */

const libc = koffi.load("libc.so.6");
const setns = libc.func("int setns(int fd, int nstype)");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, const void *address, uint32_t length)");
const connectCall = libc.func("int connect(int fd, const void *address, uint32_t length)");
const setsockoptCall = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");

const CLONE_NEWNET = 0x40000000;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const EINPROGRESS = 115;

export const socketType = { stream: 1, datagram: 2, raw: 3 } as const;
export const internetProtocol = { default: 0, icmp: 1, icmpv6: 58, sctp: 132 } as const;

/** A system call that failed; `code` is the errno's name as Node spells it (`ECONNREFUSED`, …). */
export class SystemCallError extends Error {
  readonly code: string;
  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${call}: ${code}`);
    this.name = "SystemCallError";
    this.code = code;
  }
}

function check(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, koffi.errno());
  return result;
}

const ownNamespace = openSync("/proc/self/ns/net", "r");

/**
 * Runs `action` with the main thread inside another network namespace. Only synchronous work may go in here: the
 * thread is back in its own namespace when this returns or throws.
 * @param path a namespace's file, such as `/run/netns/NAME`
 */
export function inNetworkNamespace<T>(path: string, action: () => T): T {
  const target = openSync(path, "r");
  try {
    check("setns", setns(target, CLONE_NEWNET));
    try {
      return action();
    } finally {
      check("setns", setns(ownNamespace, CLONE_NEWNET));
    }
  } finally {
    closeSync(target);
  }
}

/** The 16 bytes of an IPv6 address in any of its spellings (RFC 4291, section 2.2), without zone. */
function ipv6Bytes(address: string): Buffer {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const text = dotted
    ? `${dotted[1]}${(dotted[2] ?? "")
        .split(".")
        .map(Number)
        .reduce<number[]>((words, byte, index) => {
          if (index % 2 === 0) words.push(byte << 8);
          else words[words.length - 1] = (words.at(-1) ?? 0) | byte;
          return words;
        }, [])
        .map((word) => word.toString(16))
        .join(":")}`
    : address;
  const [head = "", tail] = text.split("::");
  const words = (part: string) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const before = words(head);
  const after = tail === undefined ? [] : words(tail);
  const all = tail === undefined ? before : [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
  const bytes = Buffer.alloc(16);
  all.forEach((word, index) => {
    bytes.writeUInt16BE(word, index * 2);
  });
  return bytes;
}

/** `struct sockaddr_in` or `sockaddr_in6` of an address and a port (in host order). */
export function socketAddress(address: string, port: number): Buffer {
  if (isIPv4(address)) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    Buffer.from(address.split(".").map(Number)).copy(bytes, 4);
    return bytes;
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  ipv6Bytes(address).copy(bytes, 8);
  return bytes;
}

/** A non-blocking socket of the current network namespace, for the family of `address`; closed again if `use` fails. */
function openSocket(address: string, type: number, protocol: number, use: (fd: number) => void): number {
  const domain = isIPv4(address) ? AF_INET : AF_INET6;
  const fd = check("socket", socketCall(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  try {
    use(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/**
 * A TCP or UDP socket in a namespace, bound to an address and port there. IPv6 sockets take IPv6 only, so that both
 * families can have the same port.
 */
export function openBoundSocket(namespace: string, address: string, port: number, type: number): number {
  return inNetworkNamespace(namespace, () =>
    openSocket(address, type, internetProtocol.default, (fd) => {
      const one = Buffer.from([1, 0, 0, 0]);
      if (type === socketType.stream) check("setsockopt", setsockoptCall(fd, SOL_SOCKET, SO_REUSEADDR, one, 4));
      if (!isIPv4(address)) check("setsockopt", setsockoptCall(fd, IPPROTO_IPV6, IPV6_V6ONLY, one, 4));
      const bytes = socketAddress(address, port);
      check("bind", bindCall(fd, bytes, bytes.length));
    }),
  );
}

/** A raw socket in a namespace that takes all packets of a protocol and family there. */
export function openRawSocket(namespace: string, address: string, protocol: number): number {
  return openUnboundSocket(namespace, address, socketType.raw, protocol);
}

/** A socket in a namespace, for Node to bind or connect. */
export function openUnboundSocket(namespace: string, address: string, type: number, protocol: number): number {
  return inNetworkNamespace(namespace, () => openSocket(address, type, protocol, () => undefined));
}

/** A socket in a namespace that has begun to connect; that it goes on in the background is no error. */
export function openConnectingSocket(
  namespace: string,
  address: string,
  port: number,
  type: number,
  protocol: number = internetProtocol.default,
): number {
  return inNetworkNamespace(namespace, () =>
    openSocket(address, type, protocol, (fd) => {
      const bytes = socketAddress(address, port);
      if (connectCall(fd, bytes, bytes.length) >= 0) return;
      const errno = koffi.errno();
      if (errno !== EINPROGRESS) throw new SystemCallError("connect", errno);
    }),
  );
}

export { check as checkSystemCall, libc };
