/** Up to here a scan over an array beats a hash table, in time and by far in memory. */
const arrayLimit = 16;

/**
 * A set that holds few members in an array and many in a native Set. It is given out as a ReadonlySet; `insert` and
 * `remove` are for the replica, which changes sets in place so that a change costs its size and not the set's.
 */
export class CompactSet<T> implements ReadonlySet<T> {
  private members: T[] | Set<T>;

  /** Takes the array over; its members must differ from each other. */
  constructor(members: T[] = []) {
    this.members = members.length > arrayLimit ? new Set(members) : members;
  }

  get size(): number {
    return Array.isArray(this.members) ? this.members.length : this.members.size;
  }

  has(value: T): boolean {
    return Array.isArray(this.members) ? this.members.includes(value) : this.members.has(value);
  }

  /** False when it was there already. */
  insert(value: T): boolean {
    const members = this.members;
    if (Array.isArray(members)) {
      if (members.includes(value)) return false;
      members.push(value);
      if (members.length > arrayLimit) this.members = new Set(members);
      return true;
    }
    if (members.has(value)) return false;
    members.add(value);
    return true;
  }

  /** False when it was not there. */
  remove(value: T): boolean {
    const members = this.members;
    if (!Array.isArray(members)) {
      const removed = members.delete(value);
      if (members.size < arrayLimit / 2) this.members = [...members];
      return removed;
    }
    const index = members.indexOf(value);
    if (index < 0) return false;
    members.splice(index, 1);
    return true;
  }

  values(): SetIterator<T> {
    return this.members.values() as SetIterator<T>;
  }

  keys(): SetIterator<T> {
    return this.values();
  }

  *entries(): SetIterator<[T, T]> {
    for (const value of this.members) yield [value, value];
  }

  [Symbol.iterator](): SetIterator<T> {
    return this.values();
  }

  forEach(callback: (value: T, key: T, set: ReadonlySet<T>) => void, thisArg?: unknown): void {
    for (const value of this.members) callback.call(thisArg, value, value, this);
  }

  union<U>(other: ReadonlySetLike<U>): Set<T | U> {
    return new Set<T>(this.members).union(other);
  }

  intersection<U>(other: ReadonlySetLike<U>): Set<T & U> {
    return new Set<T>(this.members).intersection(other);
  }

  difference<U>(other: ReadonlySetLike<U>): Set<T> {
    return new Set<T>(this.members).difference(other);
  }

  symmetricDifference<U>(other: ReadonlySetLike<U>): Set<T | U> {
    return new Set<T>(this.members).symmetricDifference(other);
  }

  isSubsetOf(other: ReadonlySetLike<unknown>): boolean {
    return new Set<T>(this.members).isSubsetOf(other);
  }

  isSupersetOf(other: ReadonlySetLike<unknown>): boolean {
    return new Set<T>(this.members).isSupersetOf(other);
  }

  isDisjointFrom(other: ReadonlySetLike<unknown>): boolean {
    return new Set<T>(this.members).isDisjointFrom(other);
  }

  toJSON(): readonly T[] {
    return [...this.members];
  }
}
