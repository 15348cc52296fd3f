import { isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressBytes,
  addressText,
  attribute,
  attributesOf,
  canonicalPrefix,
  macBytes,
  macText,
  message,
  messagesOf,
  nested,
  parsePrefix,
  text,
  textOf,
  uint32,
  uint32Of,
} from "./message.ts";

describe("addresses", () => {
  it("come back from their bytes as they went", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const bytes = addressBytes(address);
        expect(bytes).toHaveLength(isIPv6(address) ? 16 : 4);
        expect(addressBytes(addressText(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each([
    ["fd00:0:0:0::1", "fd00::1"],
    ["::", "::"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["FE80::A", "fe80::a"],
    ["10.244.0.3", "10.244.0.3"],
  ])("%s reads %s", (given, shown) => {
    expect(addressText(addressBytes(given))).toBe(shown);
  });

  it("that are none are refused", () => {
    expect(() => addressBytes("10.0.0")).toThrow(TypeError);
  });

  it("part from their prefix, or stand for themselves", () => {
    expect(parsePrefix("10.0.0.1/24")).toEqual({ address: "10.0.0.1", prefixLength: 24 });
    expect(parsePrefix("10.0.0.1")).toEqual({ address: "10.0.0.1", prefixLength: 32 });
    expect(parsePrefix("fd00::1")).toEqual({ address: "fd00::1", prefixLength: 128 });
  });

  it("compare in the form that the kernel shows", () => {
    expect(canonicalPrefix("fd00:10:244:0:0::3/64")).toBe("fd00:10:244::3/64");
    expect(canonicalPrefix("10.0.0.1/8")).toBe("10.0.0.1/8");
  });

  it("of hardware come back too", () => {
    expect(macText(macBytes("0a:58:00:ff:01:02"))).toBe("0a:58:00:ff:01:02");
  });
});

describe("messages", () => {
  it("come back with their attributes, whatever their lengths", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (values) => {
        const datagram = message(16, 1, Buffer.alloc(4), [
          ...values.map((value, index) => attribute(index + 1, Buffer.from(value))),
        ]);
        const [parsed, ...rest] = [...messagesOf(datagram)];
        expect(rest).toEqual([]);
        const attributes = attributesOf(parsed?.payload ?? Buffer.alloc(0), 4);
        for (const [index, value] of values.entries()) {
          expect(attributes.get(index + 1)).toEqual(Buffer.from(value));
        }
      }),
    );
  });

  it("nest", () => {
    const outer = nested(5, [text(1, "veth"), uint32(2, 7)]);
    const inner = attributesOf(attributesOf(outer, 0).get(5) ?? Buffer.alloc(0), 0);
    expect(textOf(inner.get(1))).toBe("veth");
    expect(uint32Of(inner.get(2))).toBe(7);
  });

  it("that are cut off or lie about their length end the reading, not the process", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const { payload } of messagesOf(Buffer.from(bytes))) attributesOf(payload, 0);
        attributesOf(Buffer.from(bytes), 0);
      }),
    );
  });
});
