import type { Entry, FieldsOf } from "./entry.ts";

/** A committed change. For DELETED, `entry` is the object's last state with the revision of its deletion. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly bucket: Bucket;
  readonly revision: number;
  readonly entry: Entry;
  readonly previous: Entry | undefined;
}

/** All objects of one kind, in key order, with the changes of late. */
export interface Bucket {
  readonly name: string;
  readonly fieldsOf: FieldsOf;
  readonly size: number;
  get(key: string): Entry | undefined;
  /** Entries in key order whose key begins with `prefix` and is greater than `after`. */
  range(prefix: string, after?: string): IterableIterator<Entry>;
  /** How many objects a namespace holds. */
  countIn(namespace: string): number;
  /** All entries as they were at a revision, in key order; undefined when that is forgotten. */
  at(revision: number): readonly Entry[] | undefined;
  /** Changes after a revision, oldest first; undefined when some of them are forgotten. */
  since(revision: number): readonly StoreEvent[] | undefined;
  /** Revision of the newest change. */
  readonly revision: number;
  apply(event: StoreEvent): void;
  /** Puts an entry without an event: loading. */
  load(entry: Entry): void;
}

/** What the remembered changes of one kind may hold, whatever their number. */
const maxHistoryBytes = 64 * 1024 * 1024;

/** Index of the first key that is not less than `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function createBucket(options: {
  readonly name: string;
  readonly fieldsOf: FieldsOf;
  /** How many changes are remembered for watches and for reads at an older revision. */
  readonly history: number;
  /** The revision before which nothing is remembered. */
  readonly startRevision: number;
}): Bucket {
  const entries = new Map<string, Entry>();
  const keys: string[] = [];
  const counts = new Map<string, number>();
  let log: StoreEvent[] = [];
  let logBytes = 0;
  let forgotten = options.startRevision;
  let revision = options.startRevision;
  let snapshot: { readonly revision: number; readonly entries: readonly Entry[] } | undefined;

  function set(entry: Entry): void {
    if (!entries.has(entry.key)) {
      const last = keys.at(-1);
      if (last === undefined || last < entry.key) keys.push(entry.key);
      else keys.splice(lowerBound(keys, entry.key), 0, entry.key);
      counts.set(entry.namespace, (counts.get(entry.namespace) ?? 0) + 1);
    }
    entries.set(entry.key, entry);
  }

  function unset(entry: Entry): void {
    if (!entries.delete(entry.key)) return;
    keys.splice(lowerBound(keys, entry.key), 1);
    const left = (counts.get(entry.namespace) ?? 1) - 1;
    if (left === 0) counts.delete(entry.namespace);
    else counts.set(entry.namespace, left);
  }

  function since(from: number): readonly StoreEvent[] | undefined {
    if (from < forgotten) return undefined;
    let low = 0;
    let high = log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((log[middle]?.revision ?? 0) <= from) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? log : log.slice(low);
  }

  return {
    name: options.name,
    fieldsOf: options.fieldsOf,
    get size() {
      return entries.size;
    },
    get revision() {
      return revision;
    },
    get: (key) => entries.get(key),
    *range(prefix, after) {
      let index = lowerBound(keys, prefix);
      if (after !== undefined) {
        index = Math.max(index, lowerBound(keys, after));
        if (keys[index] === after) index += 1;
      }
      for (; index < keys.length; index += 1) {
        const key = keys[index];
        if (key === undefined || !key.startsWith(prefix)) return;
        const entry = entries.get(key);
        if (entry !== undefined) yield entry;
      }
    },
    countIn: (namespace) => counts.get(namespace) ?? 0,
    at(wanted) {
      if (wanted >= revision) return keys.flatMap((key) => entries.get(key) ?? []);
      if (snapshot?.revision === wanted) return snapshot.entries;
      const undo = since(wanted);
      if (undo === undefined) return undefined;
      const then = new Map(entries);
      for (const { type, entry, previous } of undo.toReversed()) {
        if (type === "ADDED") then.delete(entry.key);
        else if (previous !== undefined) then.set(entry.key, previous);
      }
      const sorted = [...then.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
      snapshot = { revision: wanted, entries: sorted };
      return sorted;
    },
    since,
    apply(event) {
      revision = event.revision;
      if (event.type === "DELETED") unset(event.entry);
      else set(event.entry);
      log.push(event);
      logBytes += event.entry.text.length;
      // Trimmed by halves, so that the cost per change stays constant.
      if (log.length <= options.history * 2 && logBytes <= maxHistoryBytes) return;
      const kept = Math.min(options.history, log.length >>> 1);
      forgotten = log[log.length - kept - 1]?.revision ?? forgotten;
      log = kept === 0 ? [] : log.slice(-kept);
      logBytes = log.reduce((sum, { entry }) => sum + entry.text.length, 0);
      snapshot = undefined;
    },
    load: set,
  };
}
