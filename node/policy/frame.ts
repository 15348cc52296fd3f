import { addressOctets } from "./address-key.ts";
import type { Endpoint } from "./connection.ts";

const etherLength = 14;
const etherType = { ipv4: 0x0800, ipv6: 0x86dd } as const;
const hopLimit = 64;
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
  const source = addressOctets(from.address);
  const destination = addressOctets(to.address);
  if (source.length !== destination.length) throw new Error(`${from.address} and ${to.address} are of two families`);
  const isIpv4 = source.length === 4;
  const addresses = etherLength + (isIpv4 ? 12 : 8);
  const datagram = addresses + 2 * source.length;
  const frame = Buffer.alloc(datagram + udpHeaderLength);
  macs.destination.copy(frame, 0);
  macs.source.copy(frame, 6);
  frame.writeUInt16BE(isIpv4 ? etherType.ipv4 : etherType.ipv6, 12);
  source.copy(frame, addresses);
  destination.copy(frame, addresses + source.length);
  frame.writeUInt16BE(from.port, datagram);
  frame.writeUInt16BE(to.port, datagram + 2);
  frame.writeUInt16BE(udpHeaderLength, datagram + 4);
  // The pseudo header (RFC 768, RFC 8200): the addresses, the protocol, the length.
  const sum = checksum(frame, addresses, frame.length, udp + udpHeaderLength);
  // 0 would say that there is none.
  frame.writeUInt16BE(sum || 0xffff, datagram + 6);
  if (isIpv4) {
    frame.writeUInt8(0x45, etherLength);
    frame.writeUInt16BE(20 + udpHeaderLength, etherLength + 2);
    frame.writeUInt8(hopLimit, etherLength + 8);
    frame.writeUInt8(udp, etherLength + 9);
    frame.writeUInt16BE(checksum(frame, etherLength, datagram, 0), etherLength + 10);
  } else {
    frame.writeUInt8(0x60, etherLength);
    frame.writeUInt16BE(udpHeaderLength, etherLength + 4);
    frame.writeUInt8(udp, etherLength + 6);
    frame.writeUInt8(hopLimit, etherLength + 7);
  }
  return frame;
}

/** The Internet checksum (RFC 1071) of an even number of octets, and of `more`. */
function checksum(bytes: Buffer, begin: number, end: number, more: number): number {
  let sum = more;
  for (let at = begin; at < end; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
