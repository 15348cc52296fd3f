import { rowUuid } from "./owner.ts";

/**
 * Hardware addresses follow from addresses, so they need no allocator and are unique where those are. All are locally
 * administered. `0a:58` + IPv4 is what other Kubernetes networks use too, so tools know it.
 */

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const byteAt = (value: number, shift: number): string => hex[(value >>> shift) & 255] ?? "";

/** The hardware address of who has this IPv4 address, as an integer. */
export function macOfIpv4(address: number): string {
  return `0a:58:${byteAt(address, 24)}:${byteAt(address, 16)}:${byteAt(address, 8)}:${byteAt(address, 0)}`;
}

/** The hardware address of who has only an IPv6 address: of the block's number and the offset in the block. */
export function macOfIpv6Place(block: number, offset: number): string {
  return `0a:5a:${byteAt(block, 8)}:${byteAt(block, 0)}:${byteAt(offset, 8)}:${byteAt(offset, 0)}`;
}

/** The same for the join network, whose offsets are gateway numbers. */
export function macOfIpv6Join(offset: number): string {
  return `0a:5b:00:${byteAt(offset, 16)}:${byteAt(offset, 8)}:${byteAt(offset, 0)}`;
}

/** The hardware address of who is known by a text alone; two are the same by a chance of one in 2^32. */
export function macOfText(text: string): string {
  return `0a:5e:${[0, 2, 4, 6].map((start) => rowUuid("Logical_Router_Port", text).slice(start, start + 2)).join(":")}`;
}
