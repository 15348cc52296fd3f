import { type FlowActions, readInstructions } from "./actions.ts";
import { type FlowMatch, matchOf, readMatch } from "./match.ts";
import { allTables, anyNumber, headerLength, message, messageType, multipart, niciraVendor, version } from "./wire.ts";

/** Says that we speak version 1.5, and only that (7.5.1). */
export function hello(): Buffer {
  const element = Buffer.alloc(8);
  element.writeUInt16BE(1, 0);
  element.writeUInt16BE(8, 2);
  element.writeUInt32BE(1 << version, 4);
  return message(messageType.hello, 0, element);
}

/** `OFPFMF_*` */
export const monitorFlag = { initial: 1, add: 2, removed: 4, modify: 8, instructions: 16 } as const;
/** `OFPFMC_*` */
const monitorCommand = { add: 0, delete: 2 } as const;

export interface FlowMonitor {
  readonly id: number;
  /** Undefined: all of them. */
  readonly table?: number;
  /** Only flows that match at least on these fields. */
  readonly fields?: readonly Buffer[];
  /** Sum of `monitorFlag`. */
  readonly flags: number;
}

function monitorRequest(xid: number, monitor: FlowMonitor, command: number): Buffer {
  const head = Buffer.alloc(8 + 16);
  head.writeUInt16BE(multipart.flowMonitor, 0);
  head.writeUInt32BE(monitor.id, 8);
  head.writeUInt32BE(anyNumber, 12);
  head.writeUInt32BE(anyNumber, 16);
  head.writeUInt16BE(monitor.flags, 20);
  head.writeUInt8(monitor.table ?? allTables, 22);
  head.writeUInt8(command, 23);
  return message(messageType.multipartRequest, xid, Buffer.concat([head, matchOf(monitor.fields ?? [])]));
}

/** Asks to be told of changes of flows, and with `initial` of those that are there (7.3.5.19). */
export const followFlows = (xid: number, monitor: FlowMonitor): Buffer =>
  monitorRequest(xid, monitor, monitorCommand.add);

export const stopFollowing = (xid: number, id: number): Buffer =>
  monitorRequest(xid, { id, flags: 0 }, monitorCommand.delete);

/** Of all packet-outs; other requests count from 1 up. */
export const packetXid = 0;

/** How a packet is handled that the switch is to take as if it had come in; one serves for many packets. */
export type PacketOut = Buffer;

/** @param fields what the packet begins with: `in_port` and more */
export function packetOut(fields: readonly Buffer[], actions: readonly Buffer[]): PacketOut {
  const list = Buffer.concat(actions);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(anyNumber, 0);
  head.writeUInt16BE(list.length, 4);
  return message(messageType.packetOut, packetXid, Buffer.concat([head, matchOf(fields), list]));
}

/** The message that sends a frame so (7.3.7). */
export function packetOutOf(how: PacketOut, frame: Buffer): Buffer {
  const bytes = Buffer.concat([how, frame]);
  bytes.writeUInt16BE(bytes.length, 2);
  return bytes;
}

const flushZoneType = 29;

/** Makes connection tracking forget all connections of a zone (`NXT_CT_FLUSH_ZONE`; ovs-ofctl(8), `ct-flush-zone`). */
export function flushZone(xid: number, zone: number): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32BE(niciraVendor, 0);
  body.writeUInt32BE(flushZoneType, 4);
  body.writeUInt16BE(zone, 14);
  return message(messageType.experimenter, xid, body);
}

/** A flow that is there, came, went or changed. */
export interface FlowUpdate {
  readonly event: "initial" | "added" | "removed" | "modified";
  readonly table: number;
  readonly priority: number;
  /** Read when asked for. */
  readonly match: () => FlowMatch;
  /** Empty unless the monitor asks for instructions. */
  readonly actions: () => FlowActions;
}

const events = ["initial", "added", "removed", "modified"] as const;
const updateHeader = 24;

/** Reads the updates of a multipart reply, without its headers. Those without a match (abbreviated, paused) are left out. */
export function* readFlowUpdates(body: Buffer): Generator<FlowUpdate> {
  for (let at = 0; at + 8 <= body.length; ) {
    const length = body.readUInt16BE(at);
    if (length < 8) return;
    const event = events[body.readUInt16BE(at + 2)];
    if (event !== undefined) {
      const start = at + updateHeader;
      const end = at + length;
      yield {
        event,
        table: body.readUInt8(at + 4),
        priority: body.readUInt16BE(at + 10),
        match: () => readMatch(body, start).match,
        actions: () => readInstructions(body, readMatch(body, start).end, end),
      };
    }
    at += length;
  }
}

/** @returns the type of a multipart message and its body */
export function readMultipart(bytes: Buffer): {
  readonly type: number;
  readonly isLast: boolean;
  readonly body: Buffer;
} {
  return {
    type: bytes.readUInt16BE(headerLength),
    isLast: (bytes.readUInt16BE(headerLength + 2) & 1) === 0,
    body: bytes.subarray(headerLength + 8),
  };
}
