import { BlockList, isIP } from "node:net";

export type Family = "ipv4" | "ipv6";

export const familyOf = (address: string): Family => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** A network in CIDR notation; undefined when that can't be read as one. */
export function readCidr(
  text: string,
):
  | { readonly family: Family; readonly prefixLength: number; readonly holds: (address: string) => boolean }
  | undefined {
  const [, base, length] = /^([0-9A-Fa-f:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text) ?? [];
  if (base === undefined || isIP(base) === 0) return undefined;
  const family = familyOf(base);
  const prefixLength = Number(length);
  if (prefixLength > (family === "ipv4" ? 32 : 128)) return undefined;
  if (prefixLength === 0) return { family, prefixLength, holds: (address) => familyOf(address) === family };
  const list = new BlockList();
  list.addSubnet(base, prefixLength, family);
  return {
    family,
    prefixLength,
    holds: (address) => familyOf(address) === family && list.check(address, family),
  };
}
