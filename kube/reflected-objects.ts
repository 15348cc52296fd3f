import { isDeepStrictEqual } from "node:util";
import { keyOf } from "./object.ts";
import type { ReflectorEvent } from "./reflector.ts";
import { apiVersionOf, type Resource } from "./resource.ts";

/** What is known of one object, and nothing else. */
interface Entry<T> {
  resourceVersion: string;
  /** Absent while no version of it could be read. */
  projected: { readonly object: T } | undefined;
  /** The list that it was last seen in, or the watch after that list. */
  generation: number;
}

export interface ReflectedObjects {
  readonly size: number;
  /** A list begins: what `listed` does not name until `listEnded` is gone. */
  listBegun(): void;
  /** Objects of a page of the list. */
  listed(items: readonly unknown[]): void;
  listEnded(): void;
  /** ADDED or MODIFIED. */
  changed(raw: unknown): void;
  /** DELETED. */
  removed(raw: unknown): void;
}

export interface ReflectedObjectsOptions<T> {
  readonly resource: Resource;
  readonly project: (raw: unknown) => T;
  readonly emit: (event: ReflectorEvent<T>) => void;
  readonly unreadable: (key: string, error: unknown) => void;
}

interface Identity {
  readonly key: string;
  readonly resourceVersion: string;
}

/** Metadata without which an object cannot be followed. */
function identityOf(raw: unknown): Identity | undefined {
  const metadata = (raw as { metadata?: { name?: unknown; namespace?: unknown; resourceVersion?: unknown } } | null)
    ?.metadata;
  const { name, namespace, resourceVersion } = metadata ?? {};
  if (typeof name !== "string" || name === "" || typeof resourceVersion !== "string") return undefined;
  return { key: keyOf({ name, namespace: typeof namespace === "string" ? namespace : undefined }), resourceVersion };
}

/** The objects that a reflector knows, as projected, and what each news means to the one who follows them. */
export function createReflectedObjects<T>(options: ReflectedObjectsOptions<T>): ReflectedObjects {
  const { resource, project, emit, unreadable } = options;
  const entries = new Map<string, Entry<T>>();
  const apiVersion = apiVersionOf(resource);
  let generation = 0;

  function identify(raw: unknown): Identity | undefined {
    const identity = identityOf(raw);
    if (identity === undefined) unreadable("", new TypeError("an object without a name or a resourceVersion"));
    return identity;
  }

  /**
   * @param relisted between a watch and a list the server may have been restored from a backup and have given a version
   * twice: there equal versions are no proof, and what was made of the object is compared
   */
  function upsert(raw: unknown, { key, resourceVersion }: Identity, relisted: boolean): void {
    const entry = entries.get(key);
    if (entry !== undefined) entry.generation = generation;
    const sameVersion = entry?.resourceVersion === resourceVersion;
    if (sameVersion && !relisted) return;
    // Objects in a list come without kind and apiVersion, those of a watch with them.
    const whole = raw as { kind?: unknown; apiVersion?: unknown };
    whole.kind ??= resource.kind;
    whole.apiVersion ??= apiVersion;
    let object: T;
    try {
      object = project(raw);
    } catch (error) {
      if (entry === undefined) entries.set(key, { resourceVersion, projected: undefined, generation });
      else entry.resourceVersion = resourceVersion;
      unreadable(key, error);
      return;
    }
    const known = entry?.projected;
    if (sameVersion && known !== undefined && isDeepStrictEqual(known.object, object)) return;
    if (entry === undefined) entries.set(key, { resourceVersion, projected: { object }, generation });
    else {
      entry.resourceVersion = resourceVersion;
      entry.projected = { object };
    }
    emit(known === undefined ? { kind: "upsert", key, object } : { kind: "upsert", key, object, old: known.object });
  }

  function remove(key: string, entry: Entry<T>): void {
    entries.delete(key);
    if (entry.projected !== undefined) emit({ kind: "delete", key, object: entry.projected.object });
  }

  return {
    get size() {
      return entries.size;
    },
    listBegun() {
      generation++;
    },
    listed(items) {
      for (const raw of items) {
        const identity = identify(raw);
        if (identity !== undefined) upsert(raw, identity, true);
      }
    },
    listEnded() {
      for (const [key, entry] of entries) if (entry.generation !== generation) remove(key, entry);
      emit({ kind: "synced" });
    },
    changed(raw) {
      const identity = identify(raw);
      if (identity !== undefined) upsert(raw, identity, false);
    },
    removed(raw) {
      const identity = identify(raw);
      const entry = identity === undefined ? undefined : entries.get(identity.key);
      if (identity !== undefined && entry !== undefined) remove(identity.key, entry);
    },
  };
}
