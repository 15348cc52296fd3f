import { type FlowMatch, readField } from "./match.ts";
import { niciraVendor, padded } from "./wire.ts";

/** Actions and instructions (OpenFlow 1.5.1, 7.2.5 and 7.2.6; ovs-actions(7)). */
const setFieldType = 25;
const applyActions = 4;
const experimenter = 0xffff;
const niciraAction = { resubmitTable: 14, conntrack: 35 } as const;
/** `OFPP_IN_PORT` in 16 bits: the packet keeps its input port. */
const sameInPort = 0xfff8;
const noTable = 0xff;

function niciraOf(subtype: number, body: Buffer): Buffer {
  const head = Buffer.alloc(10);
  const length = Math.ceil((head.length + body.length) / 8) * 8;
  head.writeUInt16BE(experimenter, 0);
  head.writeUInt16BE(length, 2);
  head.writeUInt32BE(niciraVendor, 4);
  head.writeUInt16BE(subtype, 8);
  return padded(Buffer.concat([head, body]));
}

/** Looks the packet up in a table and does what is found there. */
export function resubmit(table: number): Buffer {
  const body = Buffer.alloc(6);
  body.writeUInt16BE(sameInPort, 0);
  body.writeUInt8(table, 2);
  return niciraOf(niciraAction.resubmitTable, body);
}

/** @param field as made by `field` in match.ts */
export function setField(field: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(setFieldType, 0);
  head.writeUInt16BE(Math.ceil((4 + field.length) / 8) * 8, 2);
  return padded(Buffer.concat([head, field]));
}

/**
 * Sends the packet through a zone of connection tracking and forgets what came of it.
 * @param options.commit makes the connection known there if it isn't
 * @param options.exec actions on the connection itself, only with `commit`
 */
export function conntrack(
  zone: number,
  options: { readonly commit?: boolean; readonly exec?: readonly Buffer[] } = {},
): Buffer {
  const body = Buffer.alloc(14);
  body.writeUInt16BE(options.commit ? 1 : 0, 0);
  body.writeUInt16BE(zone, 6);
  body.writeUInt8(noTable, 8);
  return niciraOf(niciraAction.conntrack, Buffer.concat([body, ...(options.exec ?? [])]));
}

/** What of a flow's actions the agent looks at. */
export interface FlowActions {
  /** What registers and metadata are set to, in the form of a match. */
  readonly sets: FlowMatch;
  /** The table that the packet goes on to; the last, if there are several. */
  readonly resubmitTable: number | undefined;
}

/** Reads a flow's instructions, from `at` to `end`. */
export function readInstructions(bytes: Buffer, at: number, end: number): FlowActions {
  const sets: FlowMatch = { registers: new Map(), fields: 0 };
  let resubmitTable: number | undefined;
  for (let instruction = at; instruction + 8 <= end; ) {
    const length = bytes.readUInt16BE(instruction + 2);
    if (length < 8) break;
    if (bytes.readUInt16BE(instruction) === applyActions) {
      const last = Math.min(end, instruction + length);
      for (let action = instruction + 8; action + 8 <= last; ) {
        const size = bytes.readUInt16BE(action + 2);
        if (size < 8) break;
        const type = bytes.readUInt16BE(action);
        if (type === setFieldType) readField(bytes, action + 4, sets);
        else if (type === experimenter && bytes.readUInt32BE(action + 4) === niciraVendor) {
          if (bytes.readUInt16BE(action + 8) === niciraAction.resubmitTable)
            resubmitTable = bytes.readUInt8(action + 12);
        }
        action += size;
      }
    }
    instruction += length;
  }
  return { sets, resubmitTable };
}
