import { addressText } from "../netlink/index.ts";

/** What an Ethernet frame with UDP or TCP carries. */
export interface DnsFrame {
  readonly protocol: "udp" | "tcp";
  /** Canonical text. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly payload: Buffer;
  readonly segment: TcpSegment | undefined;
}

/** What TCP says of a segment (RFC 9293 section 3.1). */
export interface TcpSegment {
  readonly sequence: number;
  /** The sequence number that is expected next of the other end; undefined in the first segment of all. */
  readonly acknowledges: number | undefined;
  /** Begins what this end sends. */
  readonly isFirst: boolean;
  /** Ends it, or the connection. */
  readonly isLast: boolean;
}

const etherHeaderBytes = 14;
const bits = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;
const protocols: Readonly<Record<number, "udp" | "tcp">> = { 6: "tcp", 17: "udp" };

/** Reads a frame whose kind the socket's filter has looked at; its lengths are still anybody's. @returns undefined when they don't fit */
export function readDnsFrame(frame: Buffer): DnsFrame | undefined {
  if (frame.length < etherHeaderBytes + 20) return undefined;
  const packet = frame.subarray(etherHeaderBytes);
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) {
    const headerBytes = ((packet[0] ?? 0) & 15) * 4;
    const whole = packet.readUInt16BE(2);
    // A frame that the kernel cuts into segments later (GSO) may say 0.
    const end = whole === 0 ? packet.length : whole;
    if (headerBytes < 20 || end < headerBytes || end > packet.length) return undefined;
    return readTransport(
      protocols[packet[9] ?? 0],
      addressText(packet.subarray(12, 16)),
      addressText(packet.subarray(16, 20)),
      packet.subarray(headerBytes, end),
    );
  }
  if (version !== 6 || packet.length < 40) return undefined;
  const payloadBytes = packet.readUInt16BE(4);
  const end = payloadBytes === 0 ? packet.length : 40 + payloadBytes;
  if (end > packet.length) return undefined;
  return readTransport(
    protocols[packet[6] ?? 0],
    addressText(packet.subarray(8, 24)),
    addressText(packet.subarray(24, 40)),
    packet.subarray(40, end),
  );
}

function readTransport(
  protocol: "udp" | "tcp" | undefined,
  source: string,
  destination: string,
  data: Buffer,
): DnsFrame | undefined {
  if (protocol === undefined) return undefined;
  if (protocol === "udp") {
    if (data.length < 8) return undefined;
    const sourcePort = data.readUInt16BE(0);
    const destinationPort = data.readUInt16BE(2);
    // Of a datagram in pieces this is the first, which is shorter than the datagram.
    const payload = data.subarray(8, Math.max(8, Math.min(data.length, data.readUInt16BE(4))));
    return { protocol, source, sourcePort, destination, destinationPort, payload, segment: undefined };
  }
  if (data.length < 20) return undefined;
  const headerBytes = ((data[12] ?? 0) >> 4) * 4;
  if (headerBytes < 20 || headerBytes > data.length) return undefined;
  const flags = data[13] ?? 0;
  return {
    ...{ protocol, source, destination },
    sourcePort: data.readUInt16BE(0),
    destinationPort: data.readUInt16BE(2),
    payload: data.subarray(headerBytes),
    segment: {
      sequence: data.readUInt32BE(4),
      acknowledges: (flags & bits.ack) === 0 ? undefined : data.readUInt32BE(8),
      isFirst: (flags & bits.syn) !== 0,
      isLast: (flags & (bits.fin | bits.rst)) !== 0,
    },
  };
}
