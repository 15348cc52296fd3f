import type { Address, Family } from "../ipam/address.ts";
import { type AddressRange, isInRange } from "./address-range.ts";

/**
 * Which addresses are held, and by whom; costs memory for what is held, never for what could be. The lowest free address
 * of a range is found from where the search ended last, which goes back when a lower one becomes free.
 */
export interface AddressBook {
  holderOf(address: Address): string | undefined;
  /** Whether somebody uses the address whom nobody gave it here. */
  isBlocked(address: Address): boolean;
  hold(address: Address, holder: string): void;
  release(address: Address): void;
  block(address: Address, by: 1 | -1): void;
  /** The ranges are others now. */
  forgetRanges(): void;
  firstFree(ranges: readonly AddressRange[], family: Family): Address | undefined;
}

export function createAddressBook(): AddressBook {
  const holders: Readonly<Record<Family, Map<bigint, string>>> = { 4: new Map(), 6: new Map() };
  const blocks: Readonly<Record<Family, Map<bigint, number>>> = { 4: new Map(), 6: new Map() };
  /** Below it nothing is free. */
  const nextByRange = new Map<AddressRange, bigint>();

  function becameFree(address: Address): void {
    for (const [range, next] of nextByRange) {
      if (isInRange(range, address) && address.value < next) nextByRange.set(range, address.value);
    }
  }

  const isTaken = (family: Family, value: bigint): boolean => holders[family].has(value) || blocks[family].has(value);

  return {
    holderOf: ({ family, value }) => holders[family].get(value),
    isBlocked: ({ family, value }) => blocks[family].has(value),
    hold({ family, value }, holder) {
      holders[family].set(value, holder);
    },
    release(address) {
      if (holders[address.family].delete(address.value)) becameFree(address);
    },
    block(address, by) {
      const { family, value } = address;
      const count = (blocks[family].get(value) ?? 0) + by;
      if (count > 0) blocks[family].set(value, count);
      else if (blocks[family].delete(value)) becameFree(address);
    },
    forgetRanges: () => nextByRange.clear(),
    firstFree(ranges, family) {
      for (const range of ranges) {
        if (range.family !== family) continue;
        let value = nextByRange.get(range) ?? range.first;
        while (value <= range.last && isTaken(family, value)) value++;
        nextByRange.set(range, value);
        if (value <= range.last) return { family, value };
      }
      return undefined;
    },
  };
}
