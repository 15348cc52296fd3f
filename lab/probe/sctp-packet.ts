/** As much of SCTP (RFC 9260) as it takes to ask whether a port would open an association. */

export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
  /** The first chunk's type and value. */
  readonly chunkType: number;
  readonly chunkValue: Buffer;
}

export const chunkType = { init: 1, initAck: 2, abort: 6 } as const;

/** The State Cookie parameter (RFC 9260, section 3.3.3.1), in which the probe server gives its answer. */
const stateCookie = 7;
const commonHeaderBytes = 12;
const initFixedBytes = 16;

const castagnoli = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  return remainder >>> 0;
});

/** The checksum of RFC 9260, appendix A. */
export function crc32c(bytes: Buffer): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) remainder = (castagnoli[(remainder ^ byte) & 0xff] ?? 0) ^ (remainder >>> 8);
  return ~remainder >>> 0;
}

export function encodeSctp(packet: SctpPacket): Buffer {
  const padding = (4 - (packet.chunkValue.length % 4)) % 4;
  const bytes = Buffer.alloc(commonHeaderBytes + 4 + packet.chunkValue.length + padding);
  bytes.writeUInt16BE(packet.sourcePort, 0);
  bytes.writeUInt16BE(packet.destinationPort, 2);
  bytes.writeUInt32BE(packet.verificationTag, 4);
  bytes.writeUInt8(packet.chunkType, commonHeaderBytes);
  bytes.writeUInt16BE(4 + packet.chunkValue.length, commonHeaderBytes + 2);
  packet.chunkValue.copy(bytes, commonHeaderBytes + 4);
  bytes.writeUInt32LE(crc32c(bytes), 8);
  return bytes;
}

/** @returns undefined for what is no whole SCTP packet */
export function decodeSctp(bytes: Buffer): SctpPacket | undefined {
  if (bytes.length < commonHeaderBytes + 4) return undefined;
  const length = bytes.readUInt16BE(commonHeaderBytes + 2);
  if (length < 4 || commonHeaderBytes + length > bytes.length) return undefined;
  return {
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    verificationTag: bytes.readUInt32BE(4),
    chunkType: bytes.readUInt8(commonHeaderBytes),
    chunkValue: bytes.subarray(commonHeaderBytes + 4, commonHeaderBytes + length),
  };
}

/** The value of an INIT or INIT ACK chunk, with a cookie when there is something to tell. */
export function initValue(initiateTag: number, cookie?: string): Buffer {
  const fixed = Buffer.alloc(initFixedBytes);
  fixed.writeUInt32BE(initiateTag, 0);
  fixed.writeUInt32BE(65_536, 4);
  fixed.writeUInt16BE(1, 8);
  fixed.writeUInt16BE(1, 10);
  fixed.writeUInt32BE(initiateTag, 12);
  if (cookie === undefined) return fixed;
  const text = Buffer.from(cookie);
  const header = Buffer.alloc(4);
  header.writeUInt16BE(stateCookie, 0);
  header.writeUInt16BE(4 + text.length, 2);
  return Buffer.concat([fixed, header, text, Buffer.alloc((4 - (text.length % 4)) % 4)]);
}

export function initiateTagOf(value: Buffer): number {
  return value.length >= 4 ? value.readUInt32BE(0) : 0;
}

/** The cookie's text, or an empty one. */
export function cookieOf(value: Buffer): string {
  for (let at = initFixedBytes; at + 4 <= value.length; ) {
    const length = value.readUInt16BE(at + 2);
    if (length < 4 || at + length > value.length) return "";
    if (value.readUInt16BE(at) === stateCookie) return value.subarray(at + 4, at + length).toString();
    at += length + ((4 - (length % 4)) % 4);
  }
  return "";
}
