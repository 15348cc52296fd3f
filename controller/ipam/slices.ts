import type { Cidr } from "./address.ts";
import { bitsOf } from "./address.ts";
import { firstSlice, podNumbers, sliceBits, sliceOf, sliceSize } from "./infrastructure.ts";
import { capped } from "./network-config.ts";
import { createNumberPool, type NumberPool } from "./number-pool.ts";

/** Which switch has which slices of the infrastructure networks, and which numbers of them are pods'. */
export interface Slices {
  /** A number for a pod of the switch; undefined when there is no room left. */
  take(switchKey: string): number | undefined;
  /** Takes exactly this one; false when it is another's, or in another switch's slice. */
  claim(switchKey: string, number: number): boolean;
  release(number: number): void;
  /** A slice is the switch's, though nobody may be in it yet; false when it is another's. */
  claimSlice(switchKey: string, slice: number): boolean;
  /** Another switch has the slice from now on, with all who are in it. */
  move(slice: number, switchKey: string): void;
  /** Gives up slices in which nobody is. */
  dropEmpty(): void;
  /** Ascending. */
  of(switchKey: string): readonly number[];
  switchOf(slice: number): string | undefined;
}

interface Slice {
  readonly switchKey: string;
  readonly numbers: NumberPool;
}

const noSlices: readonly number[] = Object.freeze([]);

/** @param networks one per family */
export function createSlices(networks: readonly Cidr[]): Slices {
  const end = Math.min(
    ...networks.map(({ family, prefixLength }) => capped(bitsOf(family) - prefixLength - sliceBits, 65_536)),
  );
  const numbers = createNumberPool(firstSlice, Number.isFinite(end) ? end : firstSlice);
  const slices = new Map<number, Slice>();
  const bySwitch = new Map<string, readonly number[]>();

  function claimSlice(switchKey: string, slice: number): boolean {
    const known = slices.get(slice);
    if (known !== undefined) return known.switchKey === switchKey;
    return numbers.claim(slice) && begin(switchKey, slice);
  }

  function begin(switchKey: string, slice: number): true {
    const { first, last } = podNumbers(slice);
    const offset = slice * sliceSize;
    attach(slice, { switchKey, numbers: createNumberPool(first - offset, last - offset + 1) });
    return true;
  }

  function attach(slice: number, known: Slice): void {
    const { switchKey } = known;
    slices.set(slice, known);
    bySwitch.set(
      switchKey,
      [...(bySwitch.get(switchKey) ?? []), slice].sort((a, b) => a - b),
    );
  }

  function detach(slice: number, { switchKey }: Slice): void {
    slices.delete(slice);
    const left = (bySwitch.get(switchKey) ?? []).filter((each) => each !== slice);
    if (left.length === 0) bySwitch.delete(switchKey);
    else bySwitch.set(switchKey, left);
  }

  function drop(slice: number, known: Slice): void {
    detach(slice, known);
    numbers.release(slice);
  }

  return {
    take(switchKey) {
      const roomy = bySwitch.get(switchKey)?.find((slice) => (slices.get(slice)?.numbers.free ?? 0) > 0);
      const slice = roomy ?? numbers.take();
      if (slice === undefined) return undefined;
      if (roomy === undefined) begin(switchKey, slice);
      const offset = slices.get(slice)?.numbers.take();
      return offset === undefined ? undefined : slice * sliceSize + offset;
    },
    claim(switchKey, number) {
      const slice = sliceOf(number);
      if (!claimSlice(switchKey, slice)) return false;
      const isClaimed = slices.get(slice)?.numbers.claim(number - slice * sliceSize) ?? false;
      const known = slices.get(slice);
      if (!isClaimed && known?.numbers.used === 0) drop(slice, known);
      return isClaimed;
    },
    release(number) {
      const slice = sliceOf(number);
      const known = slices.get(slice);
      known?.numbers.release(number - slice * sliceSize);
      if (known?.numbers.used === 0) drop(slice, known);
    },
    claimSlice,
    move(slice, switchKey) {
      const known = slices.get(slice);
      if (known === undefined || known.switchKey === switchKey) return;
      detach(slice, known);
      attach(slice, { ...known, switchKey });
    },
    dropEmpty() {
      for (const [slice, known] of [...slices]) if (known.numbers.used === 0) drop(slice, known);
    },
    of: (switchKey) => bySwitch.get(switchKey) ?? noSlices,
    switchOf: (slice) => slices.get(slice)?.switchKey,
  };
}
