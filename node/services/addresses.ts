import { isIP } from "node:net";
import { addressBytes, addressText } from "../netlink/index.ts";
import type { IpFamily } from "./service-view.ts";

export const familyOfAddress = (address: string): IpFamily => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** An address in the one spelling that texts are compared in; undefined for what is no address. */
export function canonicalAddress(text: string): string | undefined {
  switch (isIP(text)) {
    case 4:
      return text;
    case 6:
      return addressText(addressBytes(text));
    default:
      return undefined;
  }
}

/** A network in CIDR notation; undefined for what is none. The bits beyond the prefix may be set. */
export function canonicalCidr(text: string): string | undefined {
  const [address = "", length = "", ...more] = text.split("/");
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (!/^\d{1,3}$/.test(length) || Number(length) > most || more.length > 0) return undefined;
  const canonical = canonicalAddress(address);
  return canonical && `${canonical}/${Number(length)}`;
}

/** An address as a number, so that ranges can be compared. */
export function addressNumber(address: string): bigint {
  return BigInt(`0x${addressBytes(address).toString("hex")}`);
}
