/**
 * Hands out one object for equal content, so that thousands of records share it. It remembers at most two generations
 * of `limit` entries: what nobody asked for during a whole generation is forgotten, so it can't grow without bound.
 */
export interface Interner<T> {
  /** The value remembered under `signature`, else what `make` gives. */
  intern(signature: string, make: () => T): T;
}

export function createInterner<T>(limit: number): Interner<T> {
  let young = new Map<string, T>();
  let old = new Map<string, T>();
  return {
    intern(signature, make) {
      const known = young.get(signature);
      if (known !== undefined) return known;
      const value = old.get(signature) ?? make();
      if (young.size >= limit) {
        old = young;
        young = new Map();
      }
      young.set(signature, value);
      return value;
    },
  };
}

const texts = createInterner<string>(16_384);

/** One string for equal texts; for what many objects repeat, like the names of nodes and namespaces. */
export function internText(text: string): string {
  return texts.intern(text, () => text);
}
