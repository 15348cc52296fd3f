import { createSocket } from "node:dgram";
import { addressOf, callLibc, closeDescriptor } from "./libc.ts";
import { type FilterInstruction, filterBytes } from "./packet-filter.ts";

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const O_CLOEXEC = 0o2000000;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

export interface FrameReader {
  close(): void;
}

/**
 * Reads whole Ethernet frames that pass a link of the own namespace, as far as a filter lets them through. What other
 * links carry costs nothing: the kernel asks the filter for frames of this link only.
 *
 * Node has no door to packet sockets, and a thread blocked in recv(2) would be one of the pool's four. So the event loop
 * is given a UDP socket to watch, in whose place (dup3(2)) the packet socket is put before the loop has begun to: libuv
 * asks epoll for the first time when it next waits, and from then on receives from what is there, one frame at a time.
 * @param onError the link went down (ENETDOWN; it goes on when the link is up again) or is gone
 * @throws {NetlinkError} EPERM without CAP_NET_RAW, ENODEV no such link
 */
export function readFrames(
  linkIndex: number,
  filter: readonly FilterInstruction[],
  onFrame: (frame: Buffer) => void,
  onError: (error: Error) => void,
): FrameReader {
  // Protocol 0: nothing is received before the filter stands and the link is named.
  const packets = callLibc("open a packet socket", "socket", AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    attachFilter(packets, filter);
    const place = callLibc("open a socket", "socket", AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const socket = createSocket("udp4");
    socket.on("message", onFrame);
    socket.on("error", onError);
    try {
      socket.bind({ fd: place });
    } catch (error) {
      closeDescriptor(place);
      throw error;
    }
    try {
      callLibc("put a packet socket in place", "dup3", packets, place, O_CLOEXEC);
      listenTo(packets, linkIndex);
    } catch (error) {
      socket.close();
      throw error;
    }
    let open = true;
    return {
      close() {
        if (open) socket.close();
        open = false;
      },
    };
  } finally {
    closeDescriptor(packets);
  }
}

/** struct sock_fprog { u16 length; struct sock_filter *filter } */
function attachFilter(descriptor: number, filter: readonly FilterInstruction[]): void {
  const instructions = filterBytes(filter);
  const program = Buffer.alloc(16);
  program.writeUInt16LE(filter.length, 0);
  program.writeBigUInt64LE(addressOf(instructions), 8);
  callLibc("filter packets", "setsockopt", descriptor, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length);
}

/** struct sockaddr_ll { u16 family; be16 protocol; i32 ifindex; u16 hatype; u8 pkttype; u8 halen; u8 addr[8] } */
function listenTo(descriptor: number, linkIndex: number): void {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, 2);
  address.writeInt32LE(linkIndex, 4);
  callLibc("bind a packet socket", "bind", descriptor, address, address.length);
}
