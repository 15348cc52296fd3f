/** Up to here a scan over an array beats a hash table, in time and by far in memory. */
const arrayLimit = 8;

/**
 * A map that holds few entries in one flat array (key, value, key, value, …) and many in a native Map. It is given out
 * as a ReadonlyMap; `put` and `remove` are for the replica, which changes maps in place.
 */
export class CompactMap<K, V> implements ReadonlyMap<K, V> {
  private content: (K | V)[] | Map<K, V>;

  /** Takes a flat array over; its keys must differ from each other. */
  constructor(flat: (K | V)[] = []) {
    this.content = flat.length > 2 * arrayLimit ? toMap<K, V>(flat) : flat;
  }

  get size(): number {
    return Array.isArray(this.content) ? this.content.length / 2 : this.content.size;
  }

  private indexOf(flat: readonly (K | V)[], key: K): number {
    for (let index = 0; index < flat.length; index += 2) if (flat[index] === key) return index;
    return -1;
  }

  get(key: K): V | undefined {
    const content = this.content;
    if (!Array.isArray(content)) return content.get(key);
    const index = this.indexOf(content, key);
    return index < 0 ? undefined : (content[index + 1] as V);
  }

  has(key: K): boolean {
    return Array.isArray(this.content) ? this.indexOf(this.content, key) >= 0 : this.content.has(key);
  }

  put(key: K, value: V): void {
    const content = this.content;
    if (!Array.isArray(content)) {
      content.set(key, value);
      return;
    }
    const index = this.indexOf(content, key);
    if (index >= 0) content[index + 1] = value;
    else {
      content.push(key, value);
      if (content.length > 2 * arrayLimit) this.content = toMap<K, V>(content);
    }
  }

  remove(key: K): boolean {
    const content = this.content;
    if (!Array.isArray(content)) {
      const removed = content.delete(key);
      if (content.size < arrayLimit / 2) this.content = [...content].flat(1) as (K | V)[];
      return removed;
    }
    const index = this.indexOf(content, key);
    if (index < 0) return false;
    content.splice(index, 2);
    return true;
  }

  *entries(): MapIterator<[K, V]> {
    const content = this.content;
    if (!Array.isArray(content)) yield* content;
    else for (let index = 0; index < content.length; index += 2) yield [content[index] as K, content[index + 1] as V];
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this.entries()) callback.call(thisArg, value, key, this);
  }

  /** Keys of a database's maps are scalars, so that an object can show them. */
  toJSON(): Readonly<Record<string, V>> {
    return Object.fromEntries(this.entries());
  }
}

function toMap<K, V>(flat: readonly (K | V)[]): Map<K, V> {
  const map = new Map<K, V>();
  for (let index = 0; index < flat.length; index += 2) map.set(flat[index] as K, flat[index + 1] as V);
  return map;
}
