import { padded } from "./wire.ts";

/** Classes and fields of OXM TLVs (OpenFlow 1.5.1, 7.2.3; ovs-fields(7)). */
const basic = 0x8000;
const nicira = 0x0001;
const packetRegisters = 0x8001;
const basicField = {
  inPort: 0,
  metadata: 2,
  ipProto: 10,
  ipv4Source: 11,
  ipv4Destination: 12,
  udpDestination: 16,
  ipv6Source: 26,
  ipv6Destination: 27,
} as const;
const niciraField = { firstWideRegister: 111, conntrackMark: 107 } as const;

/** What a register must be: bits that are 0 in `mask` don't matter. */
export interface RegisterMatch {
  readonly value: number;
  readonly mask: number;
}

/** An address that a packet must have. */
export interface AddressMatch {
  readonly bytes: Buffer;
  /** Where its bits are 0, those of the address don't matter; undefined: all do. */
  readonly mask: Buffer | undefined;
}

/** What of a flow's match the agent looks at. */
export interface FlowMatch {
  inPort?: number;
  /** OVN: the logical datapath. */
  metadata?: number;
  /** By number; what isn't there doesn't matter. OVN: 14 is the logical input port, 15 the output port. */
  readonly registers: Map<number, RegisterMatch>;
  ipProto?: number;
  source?: AddressMatch;
  destination?: AddressMatch;
  udpDestination?: number;
  /** How many fields it has at all, prerequisites included. */
  fields: number;
}

/** Reads an `ofp_match`. @returns the match, and where the next structure begins */
export function readMatch(bytes: Buffer, offset: number): { readonly match: FlowMatch; readonly end: number } {
  const length = bytes.readUInt16BE(offset + 2);
  const match: FlowMatch = { registers: new Map(), fields: 0 };
  let at = offset + 4;
  const last = offset + length;
  while (at + 4 <= last) {
    readField(bytes, at, match);
    at += 4 + bytes.readUInt8(at + 3);
  }
  return { match, end: offset + Math.ceil(length / 8) * 8 };
}

/** Reads one OXM TLV, at `at`, into `match`; what isn't known is only counted. */
export function readField(bytes: Buffer, at: number, match: FlowMatch): void {
  const oxmClass = bytes.readUInt16BE(at);
  const field = bytes.readUInt8(at + 2) >> 1;
  const isMasked = (bytes.readUInt8(at + 2) & 1) === 1;
  const size = isMasked ? bytes.readUInt8(at + 3) / 2 : bytes.readUInt8(at + 3);
  const value = at + 4;
  const mask = isMasked ? value + size : undefined;
  match.fields += 1;
  if (oxmClass === packetRegisters) readRegisters(bytes, value, mask, size, field * 2, match);
  else if (oxmClass === nicira) {
    if (field < 16) readRegisters(bytes, value, mask, size, field, match);
    else if (field >= niciraField.firstWideRegister && field < niciraField.firstWideRegister + 4)
      readRegisters(bytes, value, mask, size, (field - niciraField.firstWideRegister) * 4, match);
  } else if (oxmClass === basic) readBasic(bytes, value, mask, size, field, match);
}

function readRegisters(
  bytes: Buffer,
  value: number,
  mask: number | undefined,
  size: number,
  first: number,
  match: FlowMatch,
): void {
  for (let index = 0; index * 4 < size; index += 1) {
    const bits = mask === undefined ? 0xffffffff : bytes.readUInt32BE(mask + index * 4);
    if (bits === 0) continue;
    // Actions set a register part by part, each over what was there before.
    const before = match.registers.get(first + index) ?? { value: 0, mask: 0 };
    const part = bytes.readUInt32BE(value + index * 4);
    match.registers.set(first + index, {
      value: ((before.value & ~bits) | (part & bits)) >>> 0,
      mask: (before.mask | bits) >>> 0,
    });
  }
}

function readBasic(
  bytes: Buffer,
  value: number,
  mask: number | undefined,
  size: number,
  field: number,
  match: FlowMatch,
): void {
  const address = (): AddressMatch => ({
    bytes: Buffer.from(bytes.subarray(value, value + size)),
    mask: mask === undefined ? undefined : Buffer.from(bytes.subarray(mask, mask + size)),
  });
  switch (field) {
    case basicField.inPort:
      match.inPort = bytes.readUInt32BE(value);
      return;
    case basicField.metadata:
      // Keys of datapaths have 24 bits.
      if (mask === undefined) match.metadata = bytes.readUInt32BE(value + 4);
      return;
    case basicField.ipProto:
      match.ipProto = bytes.readUInt8(value);
      return;
    case basicField.ipv4Source:
    case basicField.ipv6Source:
      match.source = address();
      return;
    case basicField.ipv4Destination:
    case basicField.ipv6Destination:
      match.destination = address();
      return;
    case basicField.udpDestination:
      if (mask === undefined) match.udpDestination = bytes.readUInt16BE(value);
      return;
  }
}

function tlv(oxmClass: number, field: number, value: Buffer, mask?: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(oxmClass, 0);
  head.writeUInt8((field << 1) | (mask === undefined ? 0 : 1), 2);
  head.writeUInt8(value.length + (mask?.length ?? 0), 3);
  return Buffer.concat(mask === undefined ? [head, value] : [head, value, mask]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** Fields as TLVs, for matches and for `set_field`. */
export const field = {
  inPort: (port: number) => tlv(basic, basicField.inPort, number(port)),
  metadata: (value: number) => tlv(basic, basicField.metadata, Buffer.concat([Buffer.alloc(4), number(value)])),
  register: (index: number, value: number) => tlv(nicira, index, number(value)),
  conntrackMark: (value: number, mask: number) => tlv(nicira, niciraField.conntrackMark, number(value), number(mask)),
} as const;

/** An `ofp_match` of these fields; packet-outs take one too, for what the packet's pipeline begins with. */
export function matchOf(fields: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(4);
  const body = Buffer.concat(fields);
  head.writeUInt16BE(1, 0);
  head.writeUInt16BE(4 + body.length, 2);
  return padded(Buffer.concat([head, body]));
}
