import { describe, expect, it } from "vitest";
import { udpFrame } from "./frame.ts";

const macs = { source: Buffer.from("0a580af40003", "hex"), destination: Buffer.from("020000000000", "hex") };

/** A receiver's sum over everything, checksum included, is all ones when the checksum is right (RFC 1071). */
function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

describe("the frame of a datagram", () => {
  it("bears addresses, ports and right checksums over IPv4", () => {
    const frame = udpFrame(macs, { address: "10.244.1.3", port: 40000 }, { address: "10.244.0.3", port: 53 });
    expect(frame.subarray(0, 14).toString("hex")).toBe("0200000000000a580af400030800");
    const header = frame.subarray(14, 34);
    expect(sumOf(header)).toBe(0xffff);
    expect(header.subarray(12).toString("hex")).toBe("0af401030af40003");
    const pseudoHeader = Buffer.concat([header.subarray(12), Buffer.from([0, 17, 0, 8])]);
    expect(sumOf(Buffer.concat([pseudoHeader, frame.subarray(34)]))).toBe(0xffff);
    expect(frame.subarray(34, 40).toString("hex")).toBe("9c4000350008");
  });

  it("bears them over IPv6", () => {
    const frame = udpFrame(macs, { address: "fd00::1", port: 1 }, { address: "fd00::2", port: 65535 });
    expect(frame.readUInt16BE(12)).toBe(0x86dd);
    const pseudoHeader = Buffer.concat([frame.subarray(22, 54), Buffer.from([0, 17, 0, 8])]);
    expect(sumOf(Buffer.concat([pseudoHeader, frame.subarray(54)]))).toBe(0xffff);
    expect(frame.length).toBe(62);
  });

  it("is of one family", () => {
    expect(() => udpFrame(macs, { address: "10.0.0.1", port: 1 }, { address: "fd00::2", port: 2 })).toThrow("families");
  });
});
