import type { Family } from "./address.ts";
import { common, merged, type Range } from "./range.ts";
import type { AddressUsage } from "./subnet-ipam.ts";
import type { SubnetSpace } from "./subnet-space.ts";

function countOf(ranges: readonly Range[]): number {
  const count = ranges.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
  return count > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(count);
}

/** Addresses that pods may have, and those that are held or kept. */
export function usageOfSpace(space: SubnetSpace | undefined): AddressUsage {
  const total = (family: Family): number => (space === undefined ? 0 : countOf(space.whole(family)));
  const used = (family: Family): number => space?.addresses[family].used ?? 0;
  return { total: { 4: total(4), 6: total(6) }, used: { 4: used(4), 6: used(6) } };
}

/** The same of a pool; looks through all that is held in its subnet. */
export function usageOfPool(space: SubnetSpace | undefined, pool: string): AddressUsage {
  function of(wanted: Family): { readonly total: number; readonly used: number } {
    const ranges = space?.pools.get(pool)?.ranges.filter(({ family }) => family === wanted) ?? [];
    if (space === undefined || ranges.length === 0) return { total: 0, used: 0 };
    const usable = common(space.whole(wanted), merged(ranges));
    let used = 0;
    for (const value of space.addresses[wanted].values()) {
      if (usable.some(({ first, last }) => first <= value && value <= last)) used++;
    }
    return { total: countOf(usable), used };
  }
  const [four, six] = [of(4), of(6)];
  return { total: { 4: four.total, 6: six.total }, used: { 4: four.used, 6: six.used } };
}
