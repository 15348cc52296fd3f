import { addressBytes } from "../netlink/index.ts";
import type { Endpoint } from "./connection.ts";

const etherTypes = { 4: 0x0800, 16: 0x86dd } as const;
const udp = 17;
const udpHeaderLength = 8;

/**
 * An empty UDP datagram in its Ethernet frame, checksums and all: connection tracking looks at them.
 * @param macs of 6 octets each
 * @throws Error when the addresses are not of one family
 */
export function udpFrame(
  macs: { readonly source: Buffer; readonly destination: Buffer },
  from: Endpoint,
  to: Endpoint,
): Buffer {
  const source = addressBytes(from.address);
  const destination = addressBytes(to.address);
  if (source.length !== destination.length) throw new Error(`${from.address} and ${to.address} are of two families`);
  const datagram = Buffer.alloc(udpHeaderLength);
  datagram.writeUInt16BE(from.port, 0);
  datagram.writeUInt16BE(to.port, 2);
  datagram.writeUInt16BE(udpHeaderLength, 4);
  const pseudoHeader = Buffer.concat([source, destination, Buffer.from([0, udp, 0, udpHeaderLength])]);
  // 0 would say that there is none (RFC 768).
  datagram.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, datagram])) || 0xffff, 6);
  const ethernet = Buffer.concat([macs.destination, macs.source, Buffer.alloc(2)]);
  ethernet.writeUInt16BE(source.length === 4 ? etherTypes[4] : etherTypes[16], 12);
  const header = source.length === 4 ? ipv4Header(source, destination) : ipv6Header(source, destination);
  return Buffer.concat([ethernet, header, datagram]);
}

function ipv4Header(source: Buffer, destination: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + udpHeaderLength, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(udp, 9);
  const whole = Buffer.concat([header, source, destination]);
  whole.writeUInt16BE(checksum(whole), 10);
  return whole;
}

function ipv6Header(source: Buffer, destination: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(udpHeaderLength, 4);
  header.writeUInt8(udp, 6);
  header.writeUInt8(64, 7);
  return Buffer.concat([header, source, destination]);
}

/** The Internet checksum (RFC 1071) of an even number of octets. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
