/**
 * Hands out integers of a range, each to one owner at a time. Never-used numbers come first, lowest first; after them the
 * one that has been free the longest, so that what just became free rests as long as possible. Who has a number is
 * for the caller to remember: a number costs a bit here.
 */
export interface NumberPool {
  /** A free number, undefined when there is none. */
  take(): number | undefined;
  /** Takes exactly this one; false when it is out of the range or taken. */
  claim(number: number): boolean;
  release(number: number): void;
  isTaken(number: number): boolean;
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

/** A set of small non-negative integers, one bit each. */
function createBitSet() {
  let words = new Uint32Array(0);
  const has = (number: number): boolean => (((words[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1;
  return {
    has,
    add(number: number) {
      const position = number >>> 5;
      if (position >= words.length) {
        const grown = new Uint32Array(Math.max(position + 1, words.length * 2));
        grown.set(words);
        words = grown;
      }
      words[position] = (words[position] ?? 0) | (1 << (number & 31));
    },
    delete(number: number) {
      if (has(number)) words[number >>> 5] = (words[number >>> 5] ?? 0) & ~(1 << (number & 31));
    },
  };
}

/**
 * @param first the lowest number of the range
 * @param end one more than the highest; at most 65,536
 */
export function createNumberPool(first: number, end: number): NumberPool {
  const taken = createBitSet();
  const freed = createQueue();
  /** Numbers above `fresh` that have been used all the same, by a claim. */
  const claimedAhead = new Set<number>();
  let fresh = first;
  let used = 0;

  function nextFresh(): number | undefined {
    while (fresh < end) {
      const number = fresh++;
      if (!claimedAhead.delete(number)) return number;
    }
    return undefined;
  }

  return {
    take() {
      const number = nextFresh() ?? freed.shift();
      if (number === undefined) return undefined;
      taken.add(number);
      used++;
      return number;
    },
    claim(number) {
      if (!(Number.isInteger(number) && number >= first && number < end) || taken.has(number)) return false;
      if (number < fresh || claimedAhead.has(number)) freed.remove(number);
      else if (number === fresh) fresh++;
      else claimedAhead.add(number);
      taken.add(number);
      used++;
      return true;
    },
    release(number) {
      if (!taken.has(number)) return;
      taken.delete(number);
      used--;
      freed.push(number);
    },
    isTaken: (number) => taken.has(number),
    get used() {
      return used;
    },
    get free() {
      return Math.max(0, end - first) - used;
    },
  };
}
