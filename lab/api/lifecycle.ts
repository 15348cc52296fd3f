import { plainDeletion, remove } from "./delete.ts";
import { type KubeObject, timestamp } from "./object.ts";
import type { Bucket, StoreEvent } from "./storage/bucket.ts";
import { type Entry, parseEntry } from "./storage/entry.ts";
import { type Api, mayGo } from "./write.ts";

/**
 * What the controller manager does for namespaces and owners: a terminating namespace is emptied and then goes,
 * each namespace gets its `default` service account, dependents follow their last owner.
 * Driven by committed events; a restart looks at everything once.
 */
export function runLifecycle(
  api: Api,
  options: { readonly log: (fields: object, message: string) => void },
): { stop(): void } {
  const { store, registry } = api;
  /** Owner's uid → its dependents, as bucket and key. */
  const dependents = new Map<string, Map<string, { readonly bucket: Bucket; readonly key: string }>>();
  const idOf = (bucket: Bucket, key: string) => `${bucket.name}\n${key}`;

  function link(bucket: Bucket, entry: Entry): void {
    for (const owner of entry.owners ?? []) {
      const group = dependents.get(owner) ?? new Map();
      dependents.set(owner, group);
      group.set(idOf(bucket, entry.key), { bucket, key: entry.key });
    }
  }

  function unlink(bucket: Bucket, entry: Entry): void {
    for (const owner of entry.owners ?? []) {
      const group = dependents.get(owner);
      group?.delete(idOf(bucket, entry.key));
      if (group?.size === 0) dependents.delete(owner);
    }
  }

  /** An owner that waits for its dependents may go once they are gone. */
  function settleOwners(entry: Entry): void {
    for (const owner of entry.owners ?? []) {
      const still = store.byUid(owner);
      if (still?.entry.deleting === true) settle(still.bucket, still.entry);
    }
  }

  /** Deletes what has owners but none that exists. */
  function collect(bucket: Bucket, key: string): void {
    const entry = bucket.get(key);
    const resource = registry.ofBucket(bucket.name);
    if (entry === undefined || resource === undefined || entry.deleting || (entry.owners ?? []).length === 0) return;
    if (entry.owners?.some((owner) => store.byUid(owner) !== undefined) === true) return;
    remove(api, resource, entry, { ...plainDeletion, propagationPolicy: "Background" });
  }

  /** Carries out the finalizers that are the garbage collector's own: orphan and foregroundDeletion. */
  function settle(bucket: Bucket, seen: Entry): void {
    const entry = bucket.get(seen.key);
    const resource = registry.ofBucket(bucket.name);
    if (
      entry === undefined ||
      !entry.deleting ||
      resource === undefined ||
      !/"(orphan|foregroundDeletion)"/.test(entry.text)
    )
      return;
    const object = parseEntry(entry);
    const finalizers = object.metadata.finalizers ?? [];
    const followers = [...(dependents.get(entry.uid)?.values() ?? [])];
    if (finalizers.includes("orphan")) {
      for (const { bucket: where, key } of followers) orphan(where, key, entry.uid);
      release(bucket, object, "orphan");
    } else if (finalizers.includes("foregroundDeletion")) {
      const left = followers.filter(({ bucket: where, key }) => {
        const follower = where.get(key);
        const kind = registry.ofBucket(where.name);
        if (follower === undefined || kind === undefined) return false;
        const others = (follower.owners ?? []).some(
          (uid) => uid !== entry.uid && store.byUid(uid)?.entry.deleting === false,
        );
        if (others) orphan(where, key, entry.uid);
        else if (!follower.deleting) remove(api, kind, follower, { ...plainDeletion, propagationPolicy: "Foreground" });
        return where.get(key)?.owners?.includes(entry.uid) === true;
      });
      if (left.length === 0) release(bucket, object, "foregroundDeletion");
    }
  }

  function orphan(bucket: Bucket, key: string, owner: string): void {
    const entry = bucket.get(key);
    if (entry === undefined) return;
    const object = parseEntry(entry);
    const left = object.metadata.ownerReferences?.filter(({ uid }) => uid !== owner);
    object.metadata.ownerReferences = left?.length === 0 ? undefined : left;
    store.put(bucket, object);
  }

  function release(bucket: Bucket, object: KubeObject, finalizer: string): void {
    const left = object.metadata.finalizers?.filter((one) => one !== finalizer);
    object.metadata.finalizers = left?.length === 0 ? undefined : left;
    if (mayGo(object)) store.remove(bucket, object);
    else store.put(bucket, object);
  }

  /** Begins to empty a terminating namespace; pods go when their kubelet has ended them. */
  function drain(name: string): void {
    if (store.bucketNamed("namespaces")?.get(name)?.deleting !== true) return;
    for (const bucket of [...store.buckets()]) {
      const resource = registry.ofBucket(bucket.name);
      if (bucket.countIn(name) === 0 || resource === undefined || !resource.namespaced) continue;
      for (const one of [...bucket.range(`${name}/`)]) {
        if (!one.deleting) remove(api, resource, one, { ...plainDeletion, propagationPolicy: "Background" });
      }
    }
    finishNamespace(name);
  }

  /** Lets an empty terminating namespace go. */
  function finishNamespace(name: string): void {
    const namespaces = store.bucketNamed("namespaces");
    const entry = namespaces?.get(name);
    if (namespaces === undefined || entry === undefined || !entry.deleting) return;
    for (const bucket of store.buckets()) {
      if (bucket.countIn(name) > 0 && registry.ofBucket(bucket.name) !== undefined) return;
    }
    const object = parseEntry(entry);
    if (object.spec?.finalizers === undefined) return;
    delete object.spec.finalizers;
    if (mayGo(object)) store.remove(namespaces, object);
    else store.put(namespaces, object);
  }

  function ensureServiceAccount(namespace: string): void {
    const accounts = registry.find("", "v1", "serviceaccounts");
    if (accounts === undefined || accounts.bucket.get(`${namespace}/default`) !== undefined) return;
    if (store.bucketNamed("namespaces")?.get(namespace)?.deleting !== false) return;
    store.put(accounts.bucket, {
      kind: "ServiceAccount",
      apiVersion: "v1",
      metadata: { name: "default", namespace, uid: crypto.randomUUID(), creationTimestamp: timestamp() },
    });
  }

  function follow({ type, bucket, entry, previous }: StoreEvent): void {
    if (previous?.owners !== undefined && previous.owners !== entry.owners) unlink(bucket, previous);
    if (type !== "DELETED") {
      if (entry.owners !== undefined) {
        link(bucket, entry);
        collect(bucket, entry.key);
      }
      if (entry.deleting) settle(bucket, entry);
      if (previous?.owners !== undefined) settleOwners(previous);
    } else {
      settleOwners(entry);
      for (const { bucket: where, key } of [...(dependents.get(entry.uid)?.values() ?? [])]) collect(where, key);
      if (entry.namespace !== "") finishNamespace(entry.namespace);
      if (bucket.name === "serviceaccounts" && entry.name === "default") ensureServiceAccount(entry.namespace);
    }
    if (bucket.name !== "namespaces") return;
    if (type === "ADDED") ensureServiceAccount(entry.name);
    if (entry.deleting) drain(entry.name);
  }

  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      options.log({ error }, "background work on an object failed");
    }
  };

  for (const bucket of store.buckets()) for (const entry of bucket.range("")) link(bucket, entry);
  for (const bucket of [...store.buckets()]) {
    for (const entry of [...bucket.range("")]) {
      if (entry.owners !== undefined) guarded(() => collect(bucket, entry.key));
      if (entry.deleting) guarded(() => settle(bucket, entry));
      if (bucket.name === "namespaces")
        guarded(() => (entry.deleting ? drain(entry.name) : ensureServiceAccount(entry.name)));
    }
  }
  const stop = store.subscribe((events) => {
    for (const event of events) guarded(() => follow(event));
  });
  return { stop };
}
