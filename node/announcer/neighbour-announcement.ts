import { addressBytes } from "../netlink/index.ts";

const broadcast = Buffer.alloc(6, 0xff);
/** ff02::1, and the group address that it has on Ethernet (RFC 2464 section 7). */
const allNodes = "ff02::1";
const allNodesMac = Buffer.from("333300000001", "hex");

/**
 * The frame by which a neighbour learns that an address has (moved to) this hardware address: an ARP announcement
 * (RFC 5227 section 3) or an unsolicited neighbour advertisement (RFC 4861 section 7.2.6).
 *
 * ARP has the form of a request: OVN's routers take a binding that they don't hold yet from a reply, and each router of
 * each node would write a row for it.
 * @param mac of the link that answers for the address, `0a:58:…`
 */
export function neighbourAnnouncement(address: string, mac: string): Buffer {
  const source = Buffer.from(mac.replaceAll(":", ""), "hex");
  const bytes = addressBytes(address);
  return bytes.length === 4 ? arpAnnouncement(bytes, source) : neighbourAdvertisement(bytes, source);
}

/** Padded to Ethernet's least length of 60 bytes without checksum. */
function arpAnnouncement(address: Buffer, mac: Buffer): Buffer {
  const frame = Buffer.alloc(60);
  ethernet(frame, broadcast, mac, 0x0806);
  // Ethernet, IPv4, their lengths, request
  Buffer.from("0001080006040001", "hex").copy(frame, 14);
  mac.copy(frame, 22);
  address.copy(frame, 28);
  address.copy(frame, 38);
  return frame;
}

function neighbourAdvertisement(address: Buffer, mac: Buffer): Buffer {
  const payloadBytes = 32;
  const frame = Buffer.alloc(14 + 40 + payloadBytes);
  ethernet(frame, allNodesMac, mac, 0x86dd);
  const header = frame.subarray(14, 54);
  header[0] = 0x60;
  header.writeUInt16BE(payloadBytes, 4);
  header[6] = 58;
  // Receivers refuse whatever a router may have passed on (RFC 4861 section 7.1.2).
  header[7] = 255;
  address.copy(header, 8);
  addressBytes(allNodes).copy(header, 24);
  const payload = frame.subarray(54);
  payload[0] = 136;
  // From a router, not solicited, overrides what is known.
  payload[4] = 0xa0;
  address.copy(payload, 8);
  // The target's link-layer address, in units of eight bytes.
  payload[24] = 2;
  payload[25] = 1;
  mac.copy(payload, 26);
  payload.writeUInt16BE(checksum(header.subarray(8), payload), 2);
  return frame;
}

function ethernet(frame: Buffer, destination: Buffer, source: Buffer, type: number): void {
  destination.copy(frame, 0);
  source.copy(frame, 6);
  frame.writeUInt16BE(type, 12);
}

/** ICMPv6's checksum over the pseudo-header (RFC 8200 section 8.1) and the message, whose own checksum is still 0. */
function checksum(addresses: Buffer, payload: Buffer): number {
  let sum = payload.length + 58;
  for (const part of [addresses, payload]) {
    for (let offset = 0; offset < part.length; offset += 2) sum += part.readUInt16BE(offset);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
