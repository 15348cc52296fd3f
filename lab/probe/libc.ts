import { closeSync } from "node:fs";
import { isIPv4 } from "node:net";
import { getSystemErrorName } from "node:util";
import koffi from "koffi";
import { addressBytes, inNamespace } from "../../node/netlink/index.ts";

/**
 * Sockets in any network namespace, which Node then adopts by file descriptor. A socket belongs for good to the namespace in which it was made, so one process holds
 * the sockets of all pods of a node.
 */

const libc = koffi.load("libc.so.6");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, const void *address, uint32_t length)");
const connectCall = libc.func("int connect(int fd, const void *address, uint32_t length)");
const setsockoptCall = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");

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

/** `struct sockaddr_in` or `sockaddr_in6` of an address and a port (in host order). */
export function socketAddress(address: string, port: number): Buffer {
  if (isIPv4(address)) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    addressBytes(address).copy(bytes, 4);
    return bytes;
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  addressBytes(address).copy(bytes, 8);
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
  return inNamespace(namespace, () =>
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
  return inNamespace(namespace, () => openSocket(address, type, protocol, () => undefined));
}

/** A socket in a namespace that has begun to connect; that it goes on in the background is no error. */
export function openConnectingSocket(
  namespace: string,
  address: string,
  port: number,
  type: number,
  protocol: number = internetProtocol.default,
): number {
  return inNamespace(namespace, () =>
    openSocket(address, type, protocol, (fd) => {
      const bytes = socketAddress(address, port);
      if (connectCall(fd, bytes, bytes.length) >= 0) return;
      const errno = koffi.errno();
      if (errno !== EINPROGRESS) throw new SystemCallError("connect", errno);
    }),
  );
}

export { check as checkSystemCall, libc };
