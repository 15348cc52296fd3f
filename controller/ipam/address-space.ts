import type { Range } from "./range.ts";

/**
 * The addresses of one family in a subnet, as integers: who has them, and for whom they are kept. Costs memory for what is
 * held, never for what could be. Free ones are given in a circle, so that one that became free rests as long as possible.
 */
export interface AddressSpace {
  podOf(value: bigint): string | undefined;
  /** For whom it is kept: of several claims the first by rank. */
  keeperOf(value: bigint): string | undefined;
  isFree(value: bigint): boolean;
  hold(value: bigint, pod: string): void;
  release(value: bigint): void;
  /** @param rank the lower text goes first */
  keep(value: bigint, keeper: string, rank: string): void;
  unkeep(value: bigint, keeper: string): void;
  /**
   * The next free one; it is still free afterwards.
   * @param circle by which name it is remembered where the search ended
   * @param ranges in order, without overlaps
   */
  next(circle: string, ranges: readonly Range[]): bigint | undefined;
  /** How many are held or kept. */
  readonly used: number;
  values(): IterableIterator<bigint>;
}

interface Claim {
  readonly keeper: string;
  readonly rank: string;
}

function scan(ranges: readonly Range[], from: bigint, isFree: (value: bigint) => boolean): bigint | undefined {
  for (const { first, last } of ranges) {
    if (last < from) continue;
    for (let value = first > from ? first : from; value <= last; value++) if (isFree(value)) return value;
  }
  return undefined;
}

export function createAddressSpace(): AddressSpace {
  const pods = new Map<bigint, string>();
  const kept = new Map<bigint, readonly Claim[]>();
  const nextOf = new Map<string, bigint>();
  /** Circles without a free address, until one becomes free. */
  const full = new Map<string, readonly Range[]>();
  /** Addresses that are held and kept as well. */
  let both = 0;

  const isFree = (value: bigint): boolean => !pods.has(value) && !kept.has(value);

  return {
    podOf: (value) => pods.get(value),
    keeperOf: (value) => kept.get(value)?.[0]?.keeper,
    isFree,
    hold(value, pod) {
      if (!pods.has(value) && kept.has(value)) both++;
      pods.set(value, pod);
    },
    release(value) {
      if (!pods.delete(value)) return;
      if (kept.has(value)) both--;
      else full.clear();
    },
    keep(value, keeper, rank) {
      const claims = (kept.get(value) ?? []).filter((claim) => claim.keeper !== keeper);
      if (claims.length === 0 && !kept.has(value) && pods.has(value)) both++;
      kept.set(
        value,
        [...claims, { keeper, rank }].sort((a, b) => (a.rank < b.rank ? -1 : 1)),
      );
    },
    unkeep(value, keeper) {
      const claims = kept.get(value);
      if (claims === undefined) return;
      const left = claims.filter((claim) => claim.keeper !== keeper);
      if (left.length > 0) {
        kept.set(value, left);
        return;
      }
      kept.delete(value);
      if (pods.has(value)) both--;
      else full.clear();
    },
    next(circle, ranges) {
      if (full.get(circle) === ranges) return undefined;
      const value = scan(ranges, nextOf.get(circle) ?? 0n, isFree) ?? scan(ranges, 0n, isFree);
      if (value === undefined) full.set(circle, ranges);
      else nextOf.set(circle, value + 1n);
      return value;
    },
    get used() {
      return pods.size + kept.size - both;
    },
    *values() {
      yield* pods.keys();
      for (const value of kept.keys()) if (!pods.has(value)) yield value;
    },
  };
}
