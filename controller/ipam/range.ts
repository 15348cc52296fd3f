import { bitsOf, type Cidr, cidrOf, type Family } from "./address.ts";

/** A part of the address space of one family: from `first` up to `last`, both in it. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** What a network holds. */
export function rangeOf({ family, base, prefixLength }: Cidr): Range {
  return { first: base, last: base + (1n << BigInt(bitsOf(family) - prefixLength)) - 1n };
}

const ascending = (a: Range, b: Range): number => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0);

/** In order, without overlaps, those that touch joined. */
export function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges.toSorted(ascending)) {
    const last = result.at(-1);
    if (last === undefined || range.first > last.last + 1n) result.push(range);
    else if (range.last > last.last) result[result.length - 1] = { first: last.first, last: range.last };
  }
  return result;
}

/** @param parts merged */
export function subtracted(range: Range, parts: readonly Range[]): Range[] {
  const result: Range[] = [];
  let { first } = range;
  for (const part of parts) {
    if (part.last < first || part.first > range.last) continue;
    if (part.first > first) result.push({ first, last: part.first - 1n });
    first = part.last + 1n;
  }
  if (first <= range.last) result.push({ first, last: range.last });
  return result;
}

/** What is in both; each merged. */
export function common(a: readonly Range[], b: readonly Range[]): Range[] {
  const result: Range[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [one, other] = [a[i], b[j]];
    if (one === undefined || other === undefined) return result;
    const first = one.first > other.first ? one.first : other.first;
    const last = one.last < other.last ? one.last : other.last;
    if (first <= last) result.push({ first, last });
    if (one.last < other.last) i++;
    else j++;
  }
}

/** The fewest networks that make up a range; a single address without its prefix length, as OVN prints it. */
export function networksOf(family: Family, { first, last }: Range): string[] {
  const bits = bitsOf(family);
  const networks: string[] = [];
  for (let start = first; start <= last; ) {
    let size = 0;
    while (size < bits && (start >> BigInt(size)) % 2n === 0n && start + (2n << BigInt(size)) - 1n <= last) size++;
    const { text } = cidrOf({ family, value: start }, bits - size);
    networks.push(size === 0 ? text.slice(0, text.indexOf("/")) : text);
    start += 1n << BigInt(size);
  }
  return networks;
}
