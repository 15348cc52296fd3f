import { describe, expect, it } from "vitest";
import { conntrack, resubmit, setField } from "./actions.ts";
import { field, matchOf, readMatch } from "./match.ts";
import { followFlows, hello, monitorFlag, packetOut, packetOutOf, readFlowUpdates } from "./messages.ts";

const hex = (bytes: Buffer) => bytes.toString("hex");

describe("OpenFlow", () => {
  it("is greeted with version 1.5 alone", () => {
    expect(hex(hello())).toBe("0600001000000000" + "0001000800000040");
  });

  it("is asked for all changes of a table's flows", () => {
    expect(hex(followFlows(7, { id: 2, table: 0, flags: monitorFlag.add | monitorFlag.removed }))).toBe(
      ["0612002800000007", "0010000000000000", "00000002ffffffff", "ffffffff00060000", "0001000400000000"].join(""),
    );
  });

  it("takes a packet with fields and actions", () => {
    const how = packetOut([field.inPort(4), field.metadata(3)], [resubmit(41)]);
    expect(hex(packetOutOf(how, Buffer.from("abcd", "hex")))).toBe(
      [
        ...["060d003a00000000", "ffffffff00100000"],
        ...["0001001880000004", "00000004", "80000408", "0000000000000003"],
        ...["ffff001000002320", "000efff829000000", "abcd"],
      ].join(""),
    );
  });

  it("has connection tracking make a connection and mark it", () => {
    const mark = setField(field.conntrackMark(1, 1));
    expect(hex(mark)).toBe("001900100001d7080000000100000001");
    expect(hex(conntrack(19, { commit: true, exec: [mark] }))).toBe(
      ["ffff002800002320", "0023000100000000", "0013ff0000000000", hex(mark)].join(""),
    );
  });

  it("tells of flows: where they are, what they match and what they do", () => {
    const match = matchOf([
      field.inPort(4),
      field.metadata(3),
      // reg14 as half of a wide register, as version 1.5 has it.
      Buffer.from(["80010f10", "0000000500000000", "ffffffff00000000"].join(""), "hex"),
      Buffer.from("80001604" + "0af40103", "hex"),
    ]);
    const actions = Buffer.concat([
      ...[setField(field.register(13, 19)), setField(field.metadata(3))],
      // reg12 half by half.
      ...["00011908" + "00000012" + "0000ffff", "00011908" + "00070000" + "ffff0000"].map((half) =>
        setField(Buffer.from(half, "hex")),
      ),
      resubmit(8),
    ]);
    const instructions = Buffer.concat([Buffer.from("000400000000000000", "hex").subarray(0, 8), actions]);
    instructions.writeUInt16BE(instructions.length, 2);
    const head = Buffer.alloc(24);
    const body = Buffer.concat([head, match, instructions]);
    body.writeUInt16BE(body.length, 0);
    body.writeUInt16BE(1, 2);
    body.writeUInt8(46, 4);
    body.writeUInt16BE(2001, 10);
    const paused = Buffer.from("0008000500000000", "hex");
    const [update, ...rest] = [...readFlowUpdates(Buffer.concat([body, paused]))];
    expect(rest).toEqual([]);
    expect(update).toMatchObject({ event: "added", table: 46, priority: 2001 });
    expect(update?.match()).toMatchObject({ inPort: 4, metadata: 3, fields: 4 });
    expect(update?.match().registers).toEqual(new Map([[14, { value: 5, mask: 0xffffffff }]]));
    expect(update?.match().source).toEqual({ bytes: Buffer.from([10, 244, 1, 3]), mask: undefined });
    expect(update?.actions()).toMatchObject({ resubmitTable: 8, sets: { metadata: 3 } });
    expect(update?.actions().sets.registers.get(13)?.value).toBe(19);
    expect(update?.actions().sets.registers.get(12)).toEqual({ value: 0x70012, mask: 0xffffffff });
  });

  it("pads matches to eight octets and says where they end", () => {
    const match = matchOf([field.inPort(65534)]);
    expect(match.length).toBe(16);
    expect(readMatch(match, 0)).toMatchObject({ end: 16, match: { inPort: 65534, fields: 1 } });
  });
});
