/**
 * The order of a virtual address's backends. OVN makes of each position in the list a bucket of an OpenFlow group, and
 * Open vSwitch sends a flow to the bucket for which the hash of (flow, bucket number) is the highest (rendezvous
 * hashing, ovs-ofctl(8) "selection_method"). So a flow stays as long as its position has its backend, wherever
 * positions come or go at the end. A backend that goes leaves its positions to others, and none of the others moves.
 */

/** Up to here the positions of a backend that goes are given to others; from here the list gets shorter. */
export const longestFilled = 100;
/** Up to here a backend that comes gets positions of its own; beyond, others give up some of theirs. */
const longestShared = 48;

/** With few backends each has several positions, so that what one leaves is spread over the others. */
function startingCopies(backends: number): number {
  return backends <= 4 ? 4 : backends <= 8 ? 2 : 1;
}

function fresh(wanted: readonly string[]): string[] {
  const slots: string[] = [];
  for (let copy = startingCopies(wanted.length); copy > 0; copy--) slots.push(...wanted);
  return slots;
}

function isSettled(previous: readonly string[], wanted: ReadonlySet<string>): boolean {
  if (previous.length < wanted.size) return false;
  const seen = new Set<string>();
  for (const slot of previous) {
    if (!wanted.has(slot)) return false;
    seen.add(slot);
  }
  return seen.size === wanted.size;
}

/** The one with the fewest positions, or with the most; of equals the first in the order of `counts`. */
function extreme(counts: ReadonlyMap<string, number>, sign: 1 | -1): string {
  let best = "";
  let bestCount = Number.POSITIVE_INFINITY;
  for (const [backend, count] of counts) {
    if (sign * count < bestCount) {
      best = backend;
      bestCount = sign * count;
    }
  }
  return best;
}

/**
 * Gives each wanted backend its positions. Of the positions in `previous` whose backend is still wanted none changes,
 * except that a backend that comes takes some from those that have more than it, and that lists beyond 100 positions
 * get shorter by moving the last into the hole. Backends differ by one position at most.
 * @param previous the list as it was; empty at first
 * @param wanted sorted, each once
 */
export function arrange(previous: readonly string[], wanted: readonly string[]): readonly string[] {
  if (wanted.length === 0) return [];
  const wantedSet = new Set(wanted);
  // One backend has every flow, however often it is named.
  if (wanted.length > 1 && isSettled(previous, wantedSet)) return previous;
  if (wanted.length === 1) return fresh(wanted);

  const survivors = new Set<string>();
  for (const slot of previous) if (wantedSet.has(slot)) survivors.add(slot);
  if (survivors.size === 0) return fresh(wanted);

  // New ones first: of equals they get the next position.
  const counts = new Map<string, number>();
  for (const backend of wanted) if (!survivors.has(backend)) counts.set(backend, 0);
  const added = [...counts.keys()];
  for (const backend of wanted) if (survivors.has(backend)) counts.set(backend, 0);

  const slots = [...previous];
  const holes: number[] = [];
  for (const [position, slot] of slots.entries()) {
    const count = counts.get(slot);
    if (count === undefined) holes.push(position);
    else counts.set(slot, count + 1);
  }
  const add = (backend: string, by: 1 | -1): void => {
    counts.set(backend, (counts.get(backend) ?? 0) + by);
  };

  const isLong = slots.length > longestFilled;
  const toFill = isLong ? holes.splice(0, added.length) : holes.splice(0);
  for (const position of toFill) {
    const backend = extreme(counts, 1);
    slots[position] = backend;
    add(backend, 1);
  }
  while (holes.length > 0 && slots.length > longestFilled) {
    const last = slots.pop() ?? "";
    const position = holes.at(-1) === slots.length ? undefined : holes.shift();
    if (position === undefined) holes.pop();
    else slots[position] = last;
  }
  for (const position of holes) {
    const backend = extreme(counts, 1);
    slots[position] = backend;
    add(backend, 1);
  }
  for (const backend of added) admit(backend, survivors, slots, counts, add);
  return slots;
}

/** Gives a new backend as many positions as each of those has that were there before, or one less. */
function admit(
  backend: string,
  survivors: ReadonlySet<string>,
  slots: string[],
  counts: ReadonlyMap<string, number>,
  add: (backend: string, by: 1 | -1) => void,
): void {
  const own = (): number => counts.get(backend) ?? 0;
  let least = Number.POSITIVE_INFINITY;
  for (const survivor of survivors) least = Math.min(least, counts.get(survivor) ?? 0);
  const takeFromRichest = (floor: number): boolean => {
    const richest = extreme(counts, -1);
    if ((counts.get(richest) ?? 0) <= floor) return false;
    slots[slots.lastIndexOf(richest)] = backend;
    add(richest, -1);
    add(backend, 1);
    return true;
  };
  while (own() < least && takeFromRichest(least)) {}
  const missing = least - own();
  if (missing > 0 && (least === 1 || slots.length + missing <= longestShared)) {
    for (let count = 0; count < missing; count++) {
      slots.push(backend);
      add(backend, 1);
    }
    return;
  }
  while (own() < least && takeFromRichest(own() + 1)) {}
}
