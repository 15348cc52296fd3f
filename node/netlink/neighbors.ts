import { isGone } from "./error.ts";
import { linkIndex } from "./links.ts";
import {
  addressBytes,
  attribute,
  familyOf,
  macBytes,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from "./message.ts";
import type { RouteSocket } from "./socket.ts";

/** rtnetlink(7), linux/neighbour.h */
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_PERMANENT = 0x80;
const ndmsgBytes = 12;

/**
 * Sets a permanent neighbour entry (static ARP or ND).
 * @throws {NetlinkError} ENODEV no such link
 */
export function replaceNeighbor(socket: RouteSocket, link: string, address: string, mac: string): void {
  socket.request(
    `set the neighbour ${address} on ${link}`,
    message(
      RTM_NEWNEIGH,
      NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
      neighborHeader(address, linkIndex(socket, link)),
      [attribute(NDA_DST, addressBytes(address)), attribute(NDA_LLADDR, macBytes(mac))],
    ),
  );
}

/** Deletes a neighbour entry. @returns false when there was none */
export function deleteNeighbor(socket: RouteSocket, link: string, address: string): boolean {
  try {
    socket.request(
      `delete the neighbour ${address} on ${link}`,
      message(RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, neighborHeader(address, linkIndex(socket, link)), [
        attribute(NDA_DST, addressBytes(address)),
      ]),
    );
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** struct ndmsg */
function neighborHeader(address: string, index: number): Buffer {
  const header = Buffer.alloc(ndmsgBytes);
  header[0] = familyOf(address);
  header.writeInt32LE(index, 4);
  header.writeUInt16LE(NUD_PERMANENT, 8);
  return header;
}
