import fc from "fast-check";
import { IPv4, IPv6 } from "ip-num";
import { describe, expect, it } from "vitest";
import { cidrOf, formatAddress, overlap, parseAddress, parseAddressWithPrefix } from "./address.ts";

describe("addresses", () => {
  it("are read as an independent library reads them", () => {
    fc.assert(fc.property(fc.ipV4(), (text) => parseAddress(text)?.value === new IPv4(text).getValue()));
    const groups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (numbers) => {
        const text = numbers.map((number) => number.toString(16)).join(":");
        return parseAddress(text)?.value === new IPv6(text).getValue();
      }),
    );
  });

  it("come back as they were printed, whatever the notation", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseAddress(text);
        if (address === undefined) throw new Error(`${text} can't be read`);
        expect(parseAddress(formatAddress(address))).toEqual(address);
      }),
    );
  });

  for (const [text, canonical] of [
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::", "::"],
    ["::1", "::1"],
    ["fd00::", "fd00::"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:0:0:3:4", "1::2:0:0:3:4"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["255.255.255.255", "255.255.255.255"],
  ] as const) {
    it(`prints ${text} as ${canonical} (RFC 5952)`, () => {
      const address = parseAddress(text);
      expect(address && formatAddress(address)).toBe(canonical);
    });
  }

  for (const text of ["", "10.0.0", "10.0.0.256", "10.0.0.1/24", "fe80::1%eth0", "x", "1::2::3", "010.0.0.1"]) {
    it(`are not ${JSON.stringify(text)}`, () => {
      expect(parseAddress(text)).toBeUndefined();
    });
  }

  for (const text of ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "fd00::/129", "10.0.0.0/8/8", "/8"]) {
    it(`with prefix are not ${JSON.stringify(text)}`, () => {
      expect(parseAddressWithPrefix(text)).toBeUndefined();
    });
  }

  it("of networks overlap when one holds the other", () => {
    const cidr = (text: string) => {
      const parsed = parseAddressWithPrefix(text);
      if (parsed === undefined) throw new Error(text);
      return cidrOf(parsed, parsed.prefixLength);
    };
    expect(overlap(cidr("10.0.0.0/8"), cidr("10.1.0.0/16"))).toBe(true);
    expect(overlap(cidr("10.1.0.0/16"), cidr("10.0.0.0/8"))).toBe(true);
    expect(overlap(cidr("10.0.0.0/16"), cidr("10.1.0.0/16"))).toBe(false);
    expect(overlap(cidr("0.0.0.0/0"), cidr("::/0"))).toBe(false);
  });
});
