import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBytes } from "../netlink/index.ts";
import { readDnsFrame } from "./dns-frame.ts";

const payload = Buffer.from("an answer");

function udp(data: Buffer = payload): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(53, 0);
  header.writeUInt16BE(40_000, 2);
  header.writeUInt16BE(8 + data.length, 4);
  return Buffer.concat([header, data]);
}

function ipv4(protocol: number, data: Buffer, options = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45 + options.length / 4;
  header.writeUInt16BE(20 + options.length + data.length, 2);
  header[9] = protocol;
  addressBytes("10.96.0.10").copy(header, 12);
  addressBytes("10.244.0.5").copy(header, 16);
  return Buffer.concat([Buffer.alloc(12), Buffer.from([8, 0]), header, options, data]);
}

function ipv6(protocol: number, data: Buffer): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(data.length, 4);
  header[6] = protocol;
  addressBytes("fd00:10:96::a").copy(header, 8);
  addressBytes("fd00:10:244::5").copy(header, 24);
  return Buffer.concat([Buffer.alloc(12), Buffer.from([0x86, 0xdd]), header, data]);
}

describe("a frame", () => {
  it("is read with either family, with options and with the padding of short ones", () => {
    const found = {
      protocol: "udp",
      source: "10.96.0.10",
      sourcePort: 53,
      destination: "10.244.0.5",
      destinationPort: 40_000,
      payload,
    };
    expect(readDnsFrame(ipv4(17, udp()))).toMatchObject(found);
    expect(readDnsFrame(ipv4(17, udp(), Buffer.alloc(8)))).toMatchObject(found);
    expect(readDnsFrame(Buffer.concat([ipv4(17, udp()), Buffer.alloc(6)]))?.payload).toEqual(payload);
    expect(readDnsFrame(ipv6(17, udp()))).toMatchObject({ source: "fd00:10:96::a", payload });
  });

  it("of TCP says where it stands, and what it acknowledges", () => {
    const data = Buffer.alloc(20);
    data.writeUInt16BE(53, 0);
    data.writeUInt16BE(40_000, 2);
    data.writeUInt32BE(0xfffffffe, 4);
    data.writeUInt32BE(7, 8);
    data[12] = 0x50;
    const segmentOf = (flags: number) => {
      data[13] = flags;
      return readDnsFrame(ipv6(6, data))?.segment;
    };
    const sequence = 0xfffffffe;
    expect(segmentOf(0x02)).toEqual({ sequence, acknowledges: undefined, isFirst: true, isLast: false });
    expect(segmentOf(0x12)).toEqual({ sequence, acknowledges: 7, isFirst: true, isLast: false });
    expect(segmentOf(0x11)).toEqual({ sequence, acknowledges: 7, isFirst: false, isLast: true });
  });

  it("with lengths that don't fit is not read, and nothing makes it throw", () => {
    const cut = ipv4(17, udp());
    expect(readDnsFrame(cut.subarray(0, 40))).toBeUndefined();
    expect(readDnsFrame(ipv4(1, udp()))).toBeUndefined();
    expect(readDnsFrame(ipv4(6, Buffer.alloc(20)))).toBeUndefined();
    for (const sound of [cut, ipv6(6, Buffer.alloc(30, 0x50))]) {
      fc.assert(
        fc.property(fc.nat(sound.length), fc.nat(sound.length - 1), fc.nat(255), (end, at, byte) => {
          const frame = Buffer.from(sound.subarray(0, end));
          if (at < frame.length) frame[at] = byte;
          readDnsFrame(frame);
        }),
      );
    }
  });
});
