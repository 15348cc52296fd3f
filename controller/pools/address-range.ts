import {
  type Address,
  type Cidr,
  cidrOf,
  type Family,
  formatAddress,
  parseAddress,
  parseAddressWithPrefix,
} from "../ipam/address.ts";
import { type Range, rangeOf, subtracted } from "../ipam/range.ts";

/** Addresses from `first` to `last`, both in it. What it costs does not depend on how many there are. */
export interface AddressRange extends Range {
  readonly family: Family;
}

export function rangeOfCidr(cidr: Cidr): AddressRange {
  return { family: cidr.family, ...rangeOf(cidr) };
}

/** Reads `network/length` without host bits, or `first-last`; undefined when it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  const [head = "", tail, ...more] = text.split("-").map((part) => part.trim());
  if (tail !== undefined) {
    const first = parseAddress(head);
    const last = parseAddress(tail);
    if (first === undefined || last === undefined || more.length > 0) return undefined;
    if (first.family !== last.family || first.value > last.value) return undefined;
    return { family: first.family, first: first.value, last: last.value };
  }
  const parsed = parseAddressWithPrefix(head);
  if (parsed === undefined) return undefined;
  const cidr = cidrOf(parsed, parsed.prefixLength);
  return cidr.base === parsed.value ? rangeOfCidr(cidr) : undefined;
}

/** What no Service can have: IANA's blocks that hosts treat on their own (RFC 6890, RFC 4291). */
export const unusableRanges: readonly AddressRange[] = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/8", "fe80::/10", "ff00::/8"],
].flatMap((text) => parseRange(text) ?? []);

export const isInRange = ({ family, first, last }: AddressRange, address: Address): boolean =>
  address.family === family && address.value >= first && address.value <= last;

/** The parts of `ranges` that are in none of `taken`. */
export function withoutRanges(
  ranges: readonly AddressRange[],
  taken: readonly AddressRange[],
): readonly AddressRange[] {
  return taken.reduce<readonly AddressRange[]>(
    (rest, part) =>
      rest.flatMap((range) =>
        range.family === part.family
          ? subtracted(range, [part]).map((left) => ({ family: range.family, ...left }))
          : [range],
      ),
    ranges,
  );
}

/** How many addresses of a family; at most the largest exact number. */
export function countOf(ranges: readonly AddressRange[], family: Family): number {
  const count = ranges.reduce(
    (sum, range) => (range.family === family ? sum + range.last - range.first + 1n : sum),
    0n,
  );
  return count > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(count);
}

export function formatRange({ family, first, last }: AddressRange): string {
  const text = formatAddress({ family, value: first });
  return first === last ? text : `${text}-${formatAddress({ family, value: last })}`;
}
