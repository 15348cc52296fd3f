import type { Address, Family } from "../ipam/address.ts";
import type { AddressPoolRecord } from "../state/address-pool.ts";
import {
  type AddressRange,
  formatRange,
  isInRange,
  parseRange,
  unusableRanges,
  withoutRanges,
} from "./address-range.ts";
import type { PoolProblem } from "./pool-problem.ts";

/** A pool with what it may hand out. No address is in two pools. */
export interface UsablePool {
  readonly record: AddressPoolRecord;
  readonly ranges: readonly AddressRange[];
  readonly problems: readonly PoolProblem[];
}

/** Older first; by name where the API's second says nothing. */
export const byAge = (
  a: { readonly createdAt: string; readonly key: string },
  b: { readonly createdAt: string; readonly key: string },
): number =>
  a.createdAt !== b.createdAt ? (a.createdAt < b.createdAt ? -1 : 1) : a.key < b.key ? -1 : a.key > b.key ? 1 : 0;

const listed = (ranges: readonly AddressRange[]): string => {
  const more = ranges.length > 3 ? ` and ${ranges.length - 3} more` : "";
  return `${ranges.slice(0, 3).map(formatRange).join(", ")}${more}`;
};

/** The parts of `ranges` that are in one of `others`. */
function shared(ranges: readonly AddressRange[], others: readonly AddressRange[]): readonly AddressRange[] {
  return withoutRanges(ranges, withoutRanges(ranges, others));
}

/**
 * What each pool may hand out: without what can't be read, the cluster's own networks, and what an older pool has.
 * @param reserved networks and addresses that are the cluster's or its nodes'
 * @returns oldest pool first
 */
export function usablePools(
  records: Iterable<AddressPoolRecord>,
  reserved: readonly AddressRange[],
): readonly UsablePool[] {
  const taken: { readonly name: string; readonly ranges: readonly AddressRange[] }[] = [];
  return [...records].sort(byAge).map((record): UsablePool => {
    const problems: PoolProblem[] = [];
    if (record.spec === undefined) {
      const message = `The spec can't be read: ${record.specProblem ?? "it is absent"}`;
      return { record, ranges: [], problems: [{ code: "POOL_UNREADABLE", message }] };
    }
    const own: AddressRange[] = [];
    const invalid: string[] = [];
    for (const text of record.spec.addresses) {
      const range = parseRange(text);
      if (range === undefined) invalid.push(JSON.stringify(text));
      // What is named twice in one pool counts once.
      else own.push(...withoutRanges([range], own));
    }
    if (invalid.length > 0) {
      const names = invalid.slice(0, 3).join(", ");
      problems.push({ code: "POOL_RANGE_INVALID", message: `No network (without host bits) or range: ${names}` });
    }
    const refused = shared(own, [...unusableRanges, ...reserved]);
    if (refused.length > 0) {
      const message = `Left out, since nodes, the cluster's networks or the Internet's rules have them: ${listed(refused)}`;
      problems.push({ code: "POOL_RANGE_RESERVED", message });
    }
    let ranges = withoutRanges(own, refused);
    for (const other of taken) {
      const common = shared(ranges, other.ranges);
      if (common.length === 0) continue;
      problems.push({ code: "POOL_OVERLAPS", message: `The older pool ${other.name} has ${listed(common)}` });
      ranges = withoutRanges(ranges, common);
    }
    taken.push({ name: record.key, ranges });
    return { record, ranges, problems };
  });
}

export const isInPool = ({ ranges }: UsablePool, address: Address): boolean =>
  ranges.some((range) => isInRange(range, address));

export const hasFamily = ({ ranges }: UsablePool, family: Family): boolean =>
  ranges.some((range) => range.family === family);
