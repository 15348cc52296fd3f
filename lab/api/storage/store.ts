import type { KubeObject } from "../object.ts";
import { type Bucket, createBucket, type StoreEvent } from "./bucket.ts";
import { type Entry, entryOf, type FieldsOf, serialize } from "./entry.ts";
import { type JournalRow, type JournalWrite, openJournal } from "./journal.ts";

/**
 * All objects in memory as JSON text, with one global revision. Writes of one turn of the event loop are committed to
 * the journal as one group; only then are they published to watches and answered to their clients.
 */
export interface Store {
  /** Of the newest write, which may not be committed yet. */
  readonly revision: number;
  /** Up to here everything is committed and published. */
  readonly committedRevision: number;
  /** Makes the bucket of a kind, or gives the one there is; loads what the journal holds for it. */
  bucket(name: string, fieldsOf: FieldsOf): Bucket;
  bucketNamed(name: string): Bucket | undefined;
  buckets(): IterableIterator<Bucket>;
  /** Writes the object with the next revision, which is set in its metadata. */
  put(bucket: Bucket, object: KubeObject): Entry;
  /** Removes the object; `object` becomes the last state that watches see. */
  remove(bucket: Bucket, object: KubeObject): Entry;
  /** The entry of the object with this uid, wherever it is. */
  byUid(uid: string): { readonly bucket: Bucket; readonly entry: Entry } | undefined;
  /** Calls back when everything written so far is committed: at once when nothing is pending. */
  whenCommitted(callback: () => void): void;
  /** Committed changes, in order of their revisions. */
  subscribe(listener: (events: readonly StoreEvent[]) => void): () => void;
  close(): void;
}

export interface StoreOptions {
  /** Path of the SQLite file, or ":memory:". */
  readonly file: string;
  /** Changes remembered per kind. */
  readonly history: number;
  /** The journal can't be written: the process must end, since memory is ahead of the disk. */
  readonly onFatal: (error: unknown) => void;
}

export function openStore(options: StoreOptions): Store {
  const journal = openJournal(options.file);
  const loaded = journal.load();
  const unclaimed = Map.groupBy(loaded.rows, (row: JournalRow) => row.bucket);
  const buckets = new Map<string, Bucket>();
  const uids = new Map<string, { readonly bucket: Bucket; readonly entry: Entry }>();
  const listeners = new Set<(events: readonly StoreEvent[]) => void>();
  let revision = loaded.revision;
  let committedRevision = revision;
  let writes: JournalWrite[] = [];
  let events: StoreEvent[] = [];
  let waiting: (() => void)[] = [];
  let failed = false;
  let closed = false;

  function commit(): void {
    if (events.length === 0 || failed || closed) return;
    const batch = events;
    try {
      journal.commit(writes, revision);
    } catch (error) {
      failed = true;
      options.onFatal(error);
      return;
    }
    const callbacks = waiting;
    committedRevision = revision;
    writes = [];
    events = [];
    waiting = [];
    for (const listener of listeners) listener(batch);
    for (const callback of callbacks) callback();
  }

  function record(event: StoreEvent): void {
    event.bucket.apply(event);
    if (events.length === 0) setImmediate(commit);
    events.push(event);
    writes.push({
      bucket: event.bucket.name,
      key: event.entry.key,
      text: event.type === "DELETED" ? undefined : event.entry.text,
    });
  }

  function entryAt(bucket: Bucket, object: KubeObject): Entry {
    revision += 1;
    object.metadata.resourceVersion = String(revision);
    return entryOf(object, revision, serialize(object), bucket.fieldsOf);
  }

  return {
    get revision() {
      return revision;
    },
    get committedRevision() {
      return committedRevision;
    },
    bucket(name, fieldsOf) {
      const known = buckets.get(name);
      if (known !== undefined) return known;
      const bucket = createBucket({ name, fieldsOf, history: options.history, startRevision: loaded.revision });
      for (const { text } of unclaimed.get(name) ?? []) {
        const object = JSON.parse(text) as KubeObject;
        const entry = entryOf(object, Number(object.metadata.resourceVersion), text, fieldsOf);
        bucket.load(entry);
        uids.set(entry.uid, { bucket, entry });
      }
      unclaimed.delete(name);
      buckets.set(name, bucket);
      return bucket;
    },
    bucketNamed: (name) => buckets.get(name),
    buckets: () => buckets.values(),
    put(bucket, object) {
      const entry = entryAt(bucket, object);
      const previous = bucket.get(entry.key);
      record({
        type: previous === undefined ? "ADDED" : "MODIFIED",
        bucket,
        revision: entry.revision,
        entry,
        previous,
      });
      uids.set(entry.uid, { bucket, entry });
      return entry;
    },
    remove(bucket, object) {
      const entry = entryAt(bucket, object);
      record({ type: "DELETED", bucket, revision: entry.revision, entry, previous: bucket.get(entry.key) });
      uids.delete(entry.uid);
      return entry;
    },
    byUid: (uid) => uids.get(uid),
    whenCommitted(callback) {
      if (events.length === 0) callback();
      else waiting.push(callback);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      commit();
      closed = true;
      journal.close();
    },
  };
}
