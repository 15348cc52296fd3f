/**
 * Hands out integers of a range, each to one owner. Never-used numbers come first, lowest first; after them the one that
 * has been free the longest, so that what just became free rests as long as possible.
 */
export interface NumberPool {
  /** A free number, undefined when there is none. */
  take(owner: string): number | undefined;
  /** Takes exactly this one; false when it is out of the range or has another owner. */
  claim(number: number, owner: string): boolean;
  release(number: number): void;
  ownerOf(number: number): string | undefined;
  readonly used: number;
  readonly free: number;
}

/** A queue of 16-bit numbers that grows as needed; an element costs two bytes. */
function createQueue() {
  let ring = new Uint16Array(0);
  let head = 0;
  let length = 0;
  const at = (position: number) => ring[(head + position) % ring.length] ?? 0;
  return {
    push(number: number) {
      if (length === ring.length) {
        const grown = new Uint16Array(Math.max(8, ring.length * 2));
        for (let position = 0; position < length; position++) grown[position] = at(position);
        ring = grown;
        head = 0;
      }
      ring[(head + length) % ring.length] = number;
      length++;
    },
    shift(): number | undefined {
      if (length === 0) return undefined;
      const number = at(0);
      head = (head + 1) % ring.length;
      length--;
      return number;
    },
    /** Rare: only a claim of a number that was free before reaches into the middle. */
    remove(number: number) {
      const rest: number[] = [];
      for (let position = 0; position < length; position++) if (at(position) !== number) rest.push(at(position));
      ring.set(rest);
      head = 0;
      length = rest.length;
    },
  };
}

/**
 * @param first the lowest number of the range
 * @param end one more than the highest; at most 65,536
 */
export function createNumberPool(first: number, end: number): NumberPool {
  const owners = new Map<number, string>();
  const freed = createQueue();
  /** Numbers at or above `fresh` that have been used all the same, by a claim. */
  const claimedAhead = new Set<number>();
  let fresh = first;

  function nextFresh(): number | undefined {
    while (fresh < end) {
      const number = fresh++;
      if (!claimedAhead.delete(number)) return number;
    }
    return undefined;
  }

  return {
    take(owner) {
      const number = nextFresh() ?? freed.shift();
      if (number !== undefined) owners.set(number, owner);
      return number;
    },
    claim(number, owner) {
      if (!(Number.isInteger(number) && number >= first && number < end)) return false;
      const holder = owners.get(number);
      if (holder !== undefined) return holder === owner;
      if (number < fresh || claimedAhead.has(number)) freed.remove(number);
      else if (number === fresh) fresh++;
      else claimedAhead.add(number);
      owners.set(number, owner);
      return true;
    },
    release(number) {
      if (owners.delete(number)) freed.push(number);
    },
    ownerOf: (number) => owners.get(number),
    get used() {
      return owners.size;
    },
    get free() {
      return Math.max(0, end - first) - owners.size;
    },
  };
}
