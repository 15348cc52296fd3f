import { closeSync } from "node:fs";
import koffi from "koffi";
import { addressText } from "../../node/netlink/index.ts";
import { checkSystemCall, libc, SystemCallError, socketAddress } from "./libc.ts";

/**
 * Raw sockets, which Node can't adopt: one epoll set waits for all of them on a thread of its own, and only while
 * there are any.
 */

const epollCreate = libc.func("int epoll_create1(int flags)");
const epollControl = libc.func("int epoll_ctl(int epfd, int op, int fd, const void *event)");
const epollWait = libc.func("int epoll_wait(int epfd, _Out_ uint8_t *events, int max, int timeout)");
const eventfd = libc.func("int eventfd(unsigned int initial, int flags)");
const write = libc.func("long write(int fd, const void *bytes, size_t count)");
const receiveFrom = libc.func(
  "long recvfrom(int fd, _Out_ uint8_t *bytes, size_t length, int flags, _Out_ uint8_t *address, _Inout_ uint32_t *addressLength)",
);
const sendTo = libc.func(
  "long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)",
);

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC = 0o2000000;
const EAGAIN = 11;
const AF_INET = 2;
const eventBytes = 12;
const eventsAtOnce = 64;
const packetLimitBytes = 65_536;

export interface RawReader {
  packet(bytes: Buffer, source: string): void;
  error(error: SystemCallError): void;
}

export interface RawSockets {
  add(fd: number, reader: RawReader): void;
  /** Forgets a socket and closes it. */
  remove(fd: number): void;
  close(): void;
}

function event(flags: number, fd: number): Buffer {
  const bytes = Buffer.alloc(eventBytes);
  bytes.writeUInt32LE(flags, 0);
  bytes.writeInt32LE(fd, 4);
  return bytes;
}

/** The address of a `struct sockaddr_in` or `sockaddr_in6`. */
function sourceOf(address: Buffer): string {
  return addressText(address.readUInt16LE(0) === AF_INET ? address.subarray(4, 8) : address.subarray(8, 24));
}

/** @throws SystemCallError when the packet can't be sent at all */
export function sendRaw(fd: number, bytes: Buffer, to: string): void {
  const address = socketAddress(to, 0);
  checkSystemCall("sendto", Number(sendTo(fd, bytes, bytes.length, 0, address, address.length)));
}

export function createRawSockets(): RawSockets {
  const readers = new Map<number, RawReader>();
  let epoll: number | undefined;
  let wake: number | undefined;
  const scratch = Buffer.alloc(packetLimitBytes);
  const address = Buffer.alloc(28);

  function drain(fd: number, reader: RawReader): void {
    while (readers.get(fd) === reader) {
      const length = Number(receiveFrom(fd, scratch, scratch.length, 0, address, [address.length]));
      if (length >= 0) {
        reader.packet(Buffer.from(scratch.subarray(0, length)), sourceOf(address));
        continue;
      }
      const errno = koffi.errno();
      if (errno !== EAGAIN) reader.error(new SystemCallError("recvfrom", errno));
      return;
    }
  }

  function wait(epfd: number, wakeFd: number): void {
    const events = Buffer.alloc(eventBytes * eventsAtOnce);
    epollWait.async(epfd, events, eventsAtOnce, -1, (error: Error | null, count: number) => {
      if (error === null) {
        for (let index = 0; index < count; index += 1) {
          const fd = events.readInt32LE(index * eventBytes + 4);
          const reader = readers.get(fd);
          if (reader !== undefined) drain(fd, reader);
        }
      }
      if (readers.size > 0) {
        wait(epfd, wakeFd);
        return;
      }
      closeSync(epfd);
      closeSync(wakeFd);
      if (epoll === epfd) {
        epoll = undefined;
        wake = undefined;
      }
    });
  }

  function start(): number {
    const epfd = checkSystemCall("epoll_create1", epollCreate(EPOLL_CLOEXEC));
    const wakeFd = checkSystemCall("eventfd", eventfd(0, EFD_CLOEXEC));
    checkSystemCall("epoll_ctl", epollControl(epfd, EPOLL_CTL_ADD, wakeFd, event(EPOLLIN, wakeFd)));
    epoll = epfd;
    wake = wakeFd;
    return epfd;
  }

  return {
    add(fd, reader) {
      const starting = epoll === undefined;
      const epfd = epoll ?? start();
      readers.set(fd, reader);
      checkSystemCall("epoll_ctl", epollControl(epfd, EPOLL_CTL_ADD, fd, event(EPOLLIN, fd)));
      if (starting && wake !== undefined) wait(epfd, wake);
    },
    remove(fd) {
      if (!readers.delete(fd)) return;
      if (epoll !== undefined) epollControl(epoll, EPOLL_CTL_DEL, fd, event(0, fd));
      closeSync(fd);
      if (readers.size === 0 && wake !== undefined) {
        // Ends the wait; the next socket starts a set of its own.
        const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
        write(wake, one, one.length);
        epoll = undefined;
        wake = undefined;
      }
    },
    close() {
      for (const fd of [...readers.keys()]) this.remove(fd);
    },
  };
}
