import { callLibc, closeDescriptor } from "./libc.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;

/** Sends whole Ethernet frames out of one link. It receives nothing: packet(7), protocol 0. */
export interface PacketSocket extends Disposable {
  /** @throws {NetlinkError} ENETDOWN the link is down, ENXIO it is gone, EMSGSIZE the frame is longer than its MTU */
  send(frame: Buffer): void;
  close(): void;
}

/**
 * Opens a socket for frames of a link in the own namespace. On the device of an Open vSwitch bridge they enter the bridge
 * by its local port, with either datapath. Close it (or hold it by `using`).
 * @throws {NetlinkError} EPERM without CAP_NET_RAW, ENODEV no such link
 */
export function openPacketSocket(linkIndex: number): PacketSocket {
  const descriptor = callLibc("open a packet socket", "socket", AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  let open = true;
  const close = () => {
    if (open) closeDescriptor(descriptor);
    open = false;
  };
  try {
    // struct sockaddr_ll { u16 family; be16 protocol; i32 ifindex; u16 hatype; u8 pkttype; u8 halen; u8 addr[8] }
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeInt32LE(linkIndex, 4);
    callLibc("bind a packet socket", "bind", descriptor, address, address.length);
  } catch (error) {
    close();
    throw error;
  }
  return {
    send(frame) {
      callLibc("send a frame", "send", descriptor, frame, frame.length, 0);
    },
    close,
    [Symbol.dispose]: close,
  };
}
