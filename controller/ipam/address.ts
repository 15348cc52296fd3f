import { isIP } from "node:net";

export type Family = 4 | 6;

/** An address or a network's base as an integer. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** A network; `base` has no bit set below the prefix. */
export interface Cidr {
  readonly family: Family;
  readonly base: bigint;
  readonly prefixLength: number;
  /** In canonical form (RFC 5952 for IPv6). */
  readonly text: string;
}

export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The integer behind a dotted quad that `isIP` has accepted. */
export function ipv4Value(text: string): number {
  let value = 0;
  for (const octet of text.split(".")) value = value * 256 + Number(octet);
  return value;
}

function ipv6Value(text: string): bigint {
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped !== null) {
    const tail = ipv4Value(mapped[2] ?? "");
    return ipv6Value(`${mapped[1]}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`);
  }
  const [head = "", tail] = text.split("::");
  const groups = (part: string | undefined) => (part === undefined || part === "" ? [] : part.split(":"));
  const first = groups(head);
  const last = groups(tail);
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  let hex = "0x";
  for (const group of first) hex += group.padStart(4, "0");
  hex += "0000".repeat(zeros);
  for (const group of last) hex += group.padStart(4, "0");
  return BigInt(hex);
}

/** Reads an address; undefined when it isn't one. A zone (`%eth0`) isn't part of an address here. */
export function parseAddress(text: string): Address | undefined {
  const family = isIP(text);
  if (family === 4) return { family, value: BigInt(ipv4Value(text)) };
  if (family === 6 && !text.includes("%")) return { family, value: ipv6Value(text) };
  return undefined;
}

/** Reads `address/length` whose host bits may be set; undefined when it isn't that. */
export function parseAddressWithPrefix(text: string): (Address & { readonly prefixLength: number }) | undefined {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  const prefixLength = Number(prefix);
  return prefixLength <= bitsOf(parsed.family) ? { ...parsed, prefixLength } : undefined;
}

export function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** Prints eight groups of 16 bits as RFC 5952 section 4 says. */
export function formatIpv6(groups: ArrayLike<number>): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > bestLength) {
      bestStart = start;
      bestLength = end - start;
    }
    if (end > start) start = end;
  }
  let text = "";
  for (let position = 0; position < 8; position++) {
    if (position === bestStart) {
      text += "::";
      position += bestLength - 1;
    } else {
      if (text !== "" && !text.endsWith(":")) text += ":";
      text += (groups[position] ?? 0).toString(16);
    }
  }
  return text;
}

/** The eight groups of 16 bits of an IPv6 address. */
export function ipv6Groups(value: bigint): Uint16Array {
  const groups = new Uint16Array(8);
  for (let position = 7, rest = value; position >= 0; position--, rest >>= 16n) {
    groups[position] = Number(rest & 0xffffn);
  }
  return groups;
}

export function formatAddress({ family, value }: Address): string {
  return family === 4 ? formatIpv4(Number(value)) : formatIpv6(ipv6Groups(value));
}

export function cidrOf({ family, value }: Address, prefixLength: number): Cidr {
  const shift = BigInt(bitsOf(family) - prefixLength);
  const base = (value >> shift) << shift;
  return { family, base, prefixLength, text: `${formatAddress({ family, value: base })}/${prefixLength}` };
}

export function contains({ family, base, prefixLength }: Cidr, address: Address): boolean {
  const shift = BigInt(bitsOf(family) - prefixLength);
  return address.family === family && address.value >> shift === base >> shift;
}

export function overlap(a: Cidr, b: Cidr): boolean {
  return contains(a.prefixLength <= b.prefixLength ? a : b, {
    family: a.prefixLength <= b.prefixLength ? b.family : a.family,
    value: a.prefixLength <= b.prefixLength ? b.base : a.base,
  });
}
