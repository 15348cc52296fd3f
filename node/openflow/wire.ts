/**
 * The numbers of OpenFlow 1.5 (the one version that an integration bridge always speaks, since ovn-controller does) and
 * of Open vSwitch's extensions to it, as far as the agent uses them.
 * Source: OpenFlow Switch Specification 1.5.1, chapter 7; ovs-fields(7); ovs-actions(7).
 */
export const version = 0x06;

export const messageType = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  experimenter: 4,
  packetOut: 13,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  barrierReply: 21,
} as const;

export const multipart = { flowMonitor: 16 } as const;

/** The experimenter id of Open vSwitch's own messages and actions. */
export const niciraVendor = 0x2320;

/** `OFPP_ANY`, `OFPG_ANY`, `OFP_NO_BUFFER`: not restricted, none. */
export const anyNumber = 0xffffffff;
export const allTables = 0xff;

export const headerLength = 8;

/** A whole message. @param body without the header */
export function message(type: number, xid: number, body: Buffer): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(version, 0);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(headerLength + body.length, 2);
  header.writeUInt32BE(xid, 4);
  return Buffer.concat([header, body]);
}

/** Fills up to a multiple of 8 octets. */
export function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 8;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(8 - rest)]);
}
