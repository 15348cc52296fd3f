import { errnoName, NetlinkError } from "./error.ts";
import { callLibc, closeDescriptor, sendInBackground } from "./libc.ts";
import { attributesOf, headerBytes, messagesOf, NLM_F_ACK, type ReceivedMessage, textOf } from "./message.ts";
import { inNamespace } from "./namespace.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const NETLINK_ROUTE = 0;
const NETLINK_NETFILTER = 12;
const NETLINK_GENERIC = 16;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_MULTI = 0x2;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

/** The kernel answers rtnetlink before send(2) returns; this only keeps a bug there from hanging the agent. */
const receiveTimeoutSeconds = 2;
/** How often a dump is asked for anew when the table changed while it was read. */
const dumpAttempts = 5;

const receiveBuffer = Buffer.alloc(256 * 1024);

/**
 * One netlink socket. It belongs to the namespace that it was opened in, for as long as it lives, wherever its process
 * goes. Requests are synchronous: the kernel does the work within the call, in 20 to 100 µs.
 */
export interface NetlinkSocket extends Disposable {
  /**
   * Sends one or more messages as one datagram and waits for each one's acknowledgement.
   * @returns what the kernel sent besides acknowledgements
   * @throws {NetlinkError} the first refusal, with the errno's name as `code`
   */
  request(operation: string, ...messages: readonly Buffer[]): readonly ReceivedMessage[];
  /**
   * As {@link request} with one message, for what the kernel takes milliseconds over: it works while this process goes
   * on. The socket can do nothing else until the promise settles.
   */
  requestInBackground(operation: string, message: Buffer): Promise<readonly ReceivedMessage[]>;
  /** Sends a dump request and gives all its messages. */
  dump(operation: string, message: Buffer): readonly ReceivedMessage[];
  close(): void;
}

/** A socket for links, addresses, routes and neighbours (rtnetlink(7)). */
export type RouteSocket = NetlinkSocket & { readonly protocol: "route" };
/** A socket for nf_tables. */
export type NetfilterSocket = NetlinkSocket & { readonly protocol: "netfilter" };

/**
 * Opens an rtnetlink socket in a namespace. Close it (or hold it by `using`).
 * @param namespace a namespace file; undefined = the own namespace
 * @throws {NetlinkError} ENOENT or EINVAL when the namespace is none
 */
export function openRouteSocket(namespace?: string): RouteSocket {
  return { protocol: "route", ...openSocket(NETLINK_ROUTE, namespace) };
}

/** Opens an nfnetlink socket in a namespace, as {@link openRouteSocket} does. */
export function openNetfilterSocket(namespace?: string): NetfilterSocket {
  return { protocol: "netfilter", ...openSocket(NETLINK_NETFILTER, namespace) };
}

/** Opens a generic netlink socket in the own namespace. Close it (or hold it by `using`). */
export function openGenericSocket(): NetlinkSocket {
  return openSocket(NETLINK_GENERIC, undefined);
}

function openSocket(protocol: number, namespace: string | undefined): NetlinkSocket {
  const descriptor = inNamespace(namespace, () =>
    callLibc("open a netlink socket", "socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol),
  );
  let open = true;
  const close = () => {
    if (open) closeDescriptor(descriptor);
    open = false;
  };
  try {
    configure(descriptor, protocol);
  } catch (error) {
    close();
    throw error;
  }
  let sequence = 0;

  function number(operation: string, messages: readonly Buffer[]): readonly number[] {
    if (!open) throw new NetlinkError(operation, "EBADF", "the socket is closed");
    return messages.map((message) => {
      sequence = (sequence + 1) >>> 0;
      message.writeUInt32LE(sequence, 8);
      return sequence;
    });
  }

  function send(operation: string, messages: readonly Buffer[]): readonly number[] {
    const numbers = number(operation, messages);
    const datagram = messages.length === 1 && messages[0] !== undefined ? messages[0] : Buffer.concat(messages);
    callLibc(operation, "send", descriptor, datagram, datagram.length, 0);
    return numbers;
  }

  function receive(operation: string): Buffer {
    try {
      const length = callLibc(operation, "recv", descriptor, receiveBuffer, receiveBuffer.length, 0);
      // A copy: the buffer is shared by all sockets, and callers keep parts of what they read.
      return Buffer.from(receiveBuffer.subarray(0, length));
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "EAGAIN") {
        throw new NetlinkError(operation, "ETIMEDOUT", "the kernel did not answer");
      }
      throw error;
    }
  }

  /** Reads until all these requests are acknowledged. @throws {NetlinkError} the first refusal */
  function acknowledgements(operation: string, sequences: Iterable<number>): readonly ReceivedMessage[] {
    const waiting = new Set(sequences);
    const answers: ReceivedMessage[] = [];
    let refusal: NetlinkError | undefined;
    while (waiting.size > 0) {
      for (const message of messagesOf(receive(operation))) {
        if (message.type === NLMSG_ERROR) {
          const known = waiting.delete(message.sequence);
          refusal ??= refusalOf(operation, message);
          // A batch refused as a whole is answered by one error on its first marker.
          if (!known && refusal !== undefined) waiting.clear();
        } else if (waiting.has(message.sequence)) answers.push(message);
      }
    }
    if (refusal !== undefined) throw refusal;
    return answers;
  }

  return {
    request(operation, ...messages) {
      const numbers = send(operation, messages);
      // nf_tables answers batch markers with nothing: only messages that ask for an acknowledgement are waited for.
      return acknowledgements(
        operation,
        numbers.filter((_, index) => ((messages[index]?.readUInt16LE(6) ?? 0) & NLM_F_ACK) !== 0),
      );
    },
    async requestInBackground(operation, message) {
      const numbers = number(operation, [message]);
      await sendInBackground(operation, descriptor, message);
      return acknowledgements(operation, numbers);
    },
    dump(operation, message) {
      for (let attempt = 1; ; attempt += 1) {
        const answers: ReceivedMessage[] = [];
        const [asked] = send(operation, [message]);
        let interrupted = false;
        for (let done = false; !done; ) {
          for (const answer of messagesOf(receive(operation))) {
            if (answer.sequence !== asked) continue;
            interrupted ||= (answer.flags & NLM_F_DUMP_INTR) !== 0;
            if (answer.type === NLMSG_DONE) done = true;
            else if (answer.type === NLMSG_ERROR) {
              const refusal = refusalOf(operation, answer);
              if (refusal !== undefined) throw refusal;
              done = true;
            } else {
              answers.push(answer);
              if ((answer.flags & NLM_F_MULTI) === 0) done = true;
            }
          }
        }
        if (!interrupted || attempt === dumpAttempts) return answers;
      }
    },
    close,
    [Symbol.dispose]: close,
  };
}

function configure(descriptor: number, protocol: number): void {
  const on = Buffer.from([1, 0, 0, 0]);
  const timeout = Buffer.alloc(16);
  timeout.writeBigInt64LE(BigInt(receiveTimeoutSeconds), 0);
  const receiveBytes = Buffer.alloc(4);
  receiveBytes.writeUInt32LE(1024 * 1024);
  const options: readonly (readonly [number, number, Buffer])[] = [
    [SOL_SOCKET, SO_RCVTIMEO, timeout],
    [SOL_SOCKET, SO_RCVBUFFORCE, receiveBytes],
    [SOL_NETLINK, NETLINK_EXT_ACK, on],
    [SOL_NETLINK, NETLINK_CAP_ACK, on],
    ...(protocol === NETLINK_ROUTE ? [[SOL_NETLINK, NETLINK_GET_STRICT_CHK, on] as const] : []),
  ];
  for (const [level, name, value] of options) {
    callLibc("configure a netlink socket", "setsockopt", descriptor, level, name, value, value.length);
  }
  // A netlink address with port 0: the kernel picks one. Without bind(2) the first send would do the same.
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  callLibc("bind a netlink socket", "bind", descriptor, address, address.length);
}

/** Undefined for errno 0, which is the acknowledgement. */
function refusalOf(operation: string, message: ReceivedMessage): NetlinkError | undefined {
  const errno = -message.payload.readInt32LE(0);
  if (errno === 0) return undefined;
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return new NetlinkError(operation, errnoName(errno));
  // struct nlmsgerr: errno, the request's header, then (unless capped) the request's payload, then the attributes.
  const requestBytes = (message.flags & NLM_F_CAPPED) !== 0 ? headerBytes : message.payload.readUInt32LE(4);
  const detail = textOf(attributesOf(message.payload, 4 + ((requestBytes + 3) & ~3)).get(NLMSGERR_ATTR_MSG));
  return new NetlinkError(operation, errnoName(errno), detail);
}
