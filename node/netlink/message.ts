import { isIP } from "node:net";

/**
 * Netlink's wire format (RFC 3549 section 2.3, netlink(7)): a 16-byte header, a fixed part that depends on the type,
 * then attributes of (length, type, value) aligned to four bytes. Integers are in the machine's byte order, and every
 * machine that Node 24 is built for on Linux, except s390x, is little-endian.
 */
export const headerBytes = 16;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
const NLA_F_NESTED = 0x8000;

/** One attribute, ready to be put into a message. */
export type Attribute = Buffer;

const align = (bytes: number): number => (bytes + 3) & ~3;

/** @param value the payload as it stands on the wire */
export function attribute(type: number, value: Buffer): Attribute {
  const buffer = Buffer.alloc(align(4 + value.length));
  buffer.writeUInt16LE(4 + value.length, 0);
  buffer.writeUInt16LE(type, 2);
  value.copy(buffer, 4);
  return buffer;
}

export const uint8 = (type: number, value: number): Attribute => attribute(type, Buffer.from([value]));

export function uint32(type: number, value: number): Attribute {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return attribute(type, buffer);
}

/** nfnetlink has its integers in network byte order. */
export function uint32BigEndian(type: number, value: number): Attribute {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return attribute(type, buffer);
}

/** A string with its terminating zero. */
export const text = (type: number, value: string): Attribute => attribute(type, Buffer.from(`${value}\0`));

export const nested = (type: number, attributes: readonly Attribute[]): Attribute =>
  attribute(type | NLA_F_NESTED, Buffer.concat(attributes));

/** A whole message; its sequence number is filled in by the socket. */
export function message(type: number, flags: number, fixed: Buffer, attributes: readonly Attribute[]): Buffer {
  const padded = fixed.length % 4 === 0 ? fixed : Buffer.concat([fixed, Buffer.alloc(4 - (fixed.length % 4))]);
  const header = Buffer.alloc(headerBytes);
  const whole = Buffer.concat([header, padded, ...attributes]);
  whole.writeUInt32LE(whole.length, 0);
  whole.writeUInt16LE(type, 4);
  whole.writeUInt16LE(flags, 6);
  return whole;
}

export interface ReceivedMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Splits one datagram into its messages; what is cut off at the end is left out. */
export function* messagesOf(datagram: Buffer): Generator<ReceivedMessage> {
  let offset = 0;
  while (offset + headerBytes <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < headerBytes || offset + length > datagram.length) return;
    yield {
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      payload: datagram.subarray(offset + headerBytes, offset + length),
    };
    offset += align(length);
  }
}

/** The attributes after a fixed part of `fixedBytes`, by type (without the nesting flag). */
export function attributesOf(payload: Buffer, fixedBytes: number): ReadonlyMap<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  let offset = fixedBytes;
  while (offset + 4 <= payload.length) {
    const length = payload.readUInt16LE(offset);
    if (length < 4 || offset + length > payload.length) break;
    attributes.set(payload.readUInt16LE(offset + 2) & 0x3fff, payload.subarray(offset + 4, offset + length));
    offset += align(length);
  }
  return attributes;
}

/** A zero-terminated string. */
export function textOf(value: Buffer | undefined): string | undefined {
  return value?.toString("utf8").replace(/\0.*$/s, "");
}

export function uint32Of(value: Buffer | undefined): number | undefined {
  return value !== undefined && value.length >= 4 ? value.readUInt32LE(0) : undefined;
}

export const AF_INET = 2;
export const AF_INET6 = 10;

/** An address as it stands in attributes: 4 or 16 bytes. @throws {TypeError} not an address */
export function addressBytes(address: string): Buffer {
  switch (isIP(address)) {
    case 4:
      return Buffer.from(address.split(".").map(Number));
    case 6:
      return ipv6Bytes(address);
    default:
      throw new TypeError(`not an IP address: ${address}`);
  }
}

function ipv6Bytes(address: string): Buffer {
  const plain = (address.split("%")[0] ?? "").replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((part) => part.toString(16)).join(":"),
  );
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros: string[] = Array(8 - left.length - right.length).fill("0");
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...left, ...zeros, ...right].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  }
  return bytes;
}

/** 4 or 16 bytes as text; IPv6 in its canonical form (RFC 5952). */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) groups.push(bytes.readUInt16BE(index).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

export const familyOf = (address: string): number => (isIP(address) === 6 ? AF_INET6 : AF_INET);

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

export const macText = (bytes: Buffer): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

/** Parts `address/prefix`; without a prefix it is the whole address. */
export function parsePrefix(cidr: string): { readonly address: string; readonly prefixLength: number } {
  const [address = "", prefix] = cidr.split("/");
  return { address, prefixLength: prefix === undefined ? (isIP(address) === 6 ? 128 : 32) : Number(prefix) };
}

/** An address with its prefix length as the kernel shows it, so that texts can be compared: IPv6 shortest (RFC 5952). */
export function canonicalPrefix(cidr: string): string {
  const { address, prefixLength } = parsePrefix(cidr);
  return `${addressText(addressBytes(address))}/${prefixLength}`;
}
