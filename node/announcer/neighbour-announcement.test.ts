import { describe, expect, it } from "vitest";
import { neighbourAnnouncement } from "./neighbour-announcement.ts";

describe("an announcement to neighbours", () => {
  it("is an ARP request to everybody by which sender and target are the address (RFC 5227)", () => {
    const frame = neighbourAnnouncement("192.0.2.77", "0a:58:00:00:00:01");
    expect(frame).toHaveLength(60);
    expect(frame.subarray(0, 42).toString("hex")).toBe(
      `${"ffffffffffff0a58000000010806"}${"0001080006040001"}${"0a5800000001c000024d"}${"000000000000c000024d"}`,
    );
  });

  it("is an unsolicited neighbour advertisement to all nodes with a right checksum (RFC 4861)", () => {
    const frame = neighbourAnnouncement("2001:db8::77", "0a:58:00:00:00:01");
    expect(frame.subarray(0, 14).toString("hex")).toBe("3333000000010a580000000186dd");
    expect(frame[21]).toBe(255);
    const message = frame.subarray(54);
    expect(message[0]).toBe(136);
    expect(message[4]).toBe(0xa0);
    // The sum over pseudo-header and message, its checksum included, is all ones.
    let sum = message.length + 58;
    for (const part of [frame.subarray(22, 54), message]) {
      for (let offset = 0; offset < part.length; offset += 2) sum += part.readUInt16BE(offset);
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(sum).toBe(0xffff);
  });
});
