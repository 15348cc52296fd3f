/** Up to here a scan over an array beats a hash table, in time and by far in memory. */
const arrayLimit = 32;

/** Stands for no member, since `undefined` is none of the values that a set can hold. */
type Members<T> = T | undefined | T[] | Set<T>;

/**
 * A set of scalars or rows (never of arrays or sets) that holds one member as it is, few in an array and many in a
 * native Set. It is given out as a ReadonlySet; `insert` and `remove` are for the replica, which changes sets in place
 * so that a change costs its size and not the set's.
 */
export class CompactSet<T> implements ReadonlySet<T> {
  private members: Members<T>;

  /** Takes the array over; its members must differ from each other. */
  constructor(members?: T[]) {
    this.members = members === undefined || members.length < 2 ? members?.[0] : pack(members);
  }

  get size(): number {
    const members = this.members;
    if (members === undefined) return 0;
    return Array.isArray(members) ? members.length : members instanceof Set ? members.size : 1;
  }

  has(value: T): boolean {
    const members = this.members;
    if (Array.isArray(members)) return members.includes(value);
    return members instanceof Set ? members.has(value) : members === value && value !== undefined;
  }

  /** False when it was there already. */
  insert(value: T): boolean {
    const members = this.members;
    if (members instanceof Set) {
      if (members.has(value)) return false;
      members.add(value);
    } else if (Array.isArray(members)) {
      if (members.includes(value)) return false;
      members.push(value);
      if (members.length > arrayLimit) this.members = new Set(members);
    } else if (members === undefined) this.members = value;
    else if (members === value) return false;
    else this.members = [members, value];
    return true;
  }

  /** False when it was not there. */
  remove(value: T): boolean {
    const members = this.members;
    if (members instanceof Set) {
      const removed = members.delete(value);
      if (members.size < arrayLimit / 2) this.members = [...members];
      return removed;
    }
    if (!Array.isArray(members)) {
      if (members === undefined || members !== value) return false;
      this.members = undefined;
      return true;
    }
    const index = members.indexOf(value);
    if (index < 0) return false;
    members.splice(index, 1);
    if (members.length === 1) this.members = members[0];
    return true;
  }

  private all(): readonly T[] | Set<T> {
    const members = this.members;
    if (members === undefined) return [];
    return Array.isArray(members) || members instanceof Set ? members : [members];
  }

  values(): SetIterator<T> {
    return this.all().values() as SetIterator<T>;
  }

  keys(): SetIterator<T> {
    return this.values();
  }

  *entries(): SetIterator<[T, T]> {
    for (const value of this.all()) yield [value, value];
  }

  [Symbol.iterator](): SetIterator<T> {
    return this.values();
  }

  forEach(callback: (value: T, key: T, set: ReadonlySet<T>) => void, thisArg?: unknown): void {
    for (const value of this.all()) callback.call(thisArg, value, value, this);
  }

  union<U>(other: ReadonlySetLike<U>): Set<T | U> {
    return new Set<T>(this.all()).union(other);
  }

  intersection<U>(other: ReadonlySetLike<U>): Set<T & U> {
    return new Set<T>(this.all()).intersection(other);
  }

  difference<U>(other: ReadonlySetLike<U>): Set<T> {
    return new Set<T>(this.all()).difference(other);
  }

  symmetricDifference<U>(other: ReadonlySetLike<U>): Set<T | U> {
    return new Set<T>(this.all()).symmetricDifference(other);
  }

  isSubsetOf(other: ReadonlySetLike<unknown>): boolean {
    return new Set<T>(this.all()).isSubsetOf(other);
  }

  isSupersetOf(other: ReadonlySetLike<unknown>): boolean {
    return new Set<T>(this.all()).isSupersetOf(other);
  }

  isDisjointFrom(other: ReadonlySetLike<unknown>): boolean {
    return new Set<T>(this.all()).isDisjointFrom(other);
  }

  toJSON(): readonly T[] {
    return [...this.all()];
  }
}

function pack<T>(members: T[]): T[] | Set<T> {
  return members.length > arrayLimit ? new Set(members) : members;
}
