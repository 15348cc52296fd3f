import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBytes } from "../netlink/index.ts";
import { type DnsFrame, readDnsFrame } from "./dns-frame.ts";
import { createTcpMessages } from "./tcp-messages.ts";

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
      destination: "10.244.0.5",
      destinationPort: 40_000,
      payload,
    };
    expect(readDnsFrame(ipv4(17, udp()))).toMatchObject(found);
    expect(readDnsFrame(ipv4(17, udp(), Buffer.alloc(8)))).toMatchObject(found);
    expect(readDnsFrame(Buffer.concat([ipv4(17, udp()), Buffer.alloc(6)]))?.payload).toEqual(payload);
    expect(readDnsFrame(ipv6(17, udp()))).toMatchObject({ source: "fd00:10:96::a", payload });
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

describe("messages by TCP", () => {
  const segment = (sequence: number, data: Buffer, more: { isFirst?: boolean; isLast?: boolean } = {}): DnsFrame => ({
    ...{ protocol: "tcp", source: "10.96.0.10", destination: "10.244.0.5", destinationPort: 40_000, payload: data },
    segment: { sequence: sequence >>> 0, isFirst: false, isLast: false, ...more },
  });
  const stream = Buffer.concat([Buffer.from([0, 3]), Buffer.from("one"), Buffer.from([0, 4]), Buffer.from("more")]);

  it("are put together however they are cut, across the end of sequence numbers too", () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const messages = createTcpMessages();
      const found = [
        ...messages.take("a", segment(0xfffffffa, Buffer.alloc(0), { isFirst: true })),
        ...messages.take("a", segment(0xfffffffb, stream.subarray(0, cut))),
        // Sent again, with more.
        ...messages.take("a", segment(0xfffffffb, stream)),
      ];
      expect(found.map(String)).toEqual(["one", "more"]);
    }
  });

  it("are not read after a gap, after the end, and of connections that began unseen", () => {
    const messages = createTcpMessages();
    expect(messages.take("a", segment(1, stream))).toEqual([]);
    messages.take("a", segment(0, Buffer.alloc(0), { isFirst: true }));
    expect(messages.take("b", segment(1, stream))).toEqual([]);
    expect(messages.take("a", segment(3, stream))).toEqual([]);
    expect(messages.take("a", segment(1, stream))).toEqual([]);
    messages.take("a", segment(0, Buffer.alloc(0), { isFirst: true }));
    expect(messages.take("a", segment(1, stream, { isLast: true }))).toHaveLength(2);
    expect(messages.take("a", segment(12, stream))).toEqual([]);
  });
});
