import { plainDeletion, remove } from "../delete.ts";
import { type JsonObject, type KubeObject, objectOr, objectsOf, timestamp } from "../object.ts";
import type { WatchHub } from "../serve/watch.ts";
import type { Bucket, StoreEvent } from "../storage/bucket.ts";
import { type Entry, parseEntry } from "../storage/entry.ts";
import { type Api, mayGo } from "../write.ts";
import { customKinds } from "./custom-kind.ts";
import { cleanupFinalizer, definitionKind } from "./definition-kind.ts";
import { hasForeignRules } from "./rules.ts";

function condition(
  type: string,
  status: boolean,
  reason: string,
  message: string,
  before: readonly JsonObject[],
): JsonObject {
  const old = before.find((one) => one.type === type);
  const value = status ? "True" : "False";
  const lastTransitionTime =
    old?.status === value && typeof old.lastTransitionTime === "string" ? old.lastTransitionTime : timestamp();
  return { type, status: value, lastTransitionTime, reason, message };
}

/** The status of a served definition. CEL rules that aren't understood aren't evaluated, and the definition says so. */
function statusOf(definition: KubeObject): JsonObject {
  const before = objectsOf(definition.status?.conditions);
  const versions = objectsOf(definition.spec?.versions);
  const conditions = [
    condition("NamesAccepted", true, "NoConflicts", "no conflicts found", before),
    condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted", before),
  ];
  if (versions.some(({ schema }) => hasForeignRules(schema))) {
    const message = "the lab's API evaluates only simple x-kubernetes-validations, and not all of these";
    conditions.push(condition("ValidationRulesEvaluated", false, "NotSupported", message, before));
  }
  const storage = versions.flatMap(({ name, storage }) => (storage === true ? [String(name)] : []));
  const stored = Array.isArray(definition.status?.storedVersions) ? definition.status.storedVersions.map(String) : [];
  return {
    conditions,
    acceptedNames: structuredClone(objectOr(definition.spec?.names)),
    storedVersions: [...new Set([...stored, ...storage])],
  };
}

/**
 * Serves what custom resource definitions define, as they come, change and go. A definition that is deleted takes its
 * objects with it first.
 */
export function followDefinitions(
  api: Api,
  options: { readonly endWatches: WatchHub["end"]; readonly log: (fields: object, message: string) => void },
): { stop(): void } {
  const { store, registry } = api;
  registry.register(definitionKind);
  const bucket = store.bucketNamed("customresourcedefinitions.apiextensions.k8s.io");
  /** Bucket of custom objects → the name of their definition. */
  const served = new Map<string, string>();
  const generations = new Map<string, number | undefined>();

  function serve(entry: Entry): void {
    const definition = parseEntry(entry);
    if (generations.get(entry.name) !== definition.metadata.generation || !served.has(entry.name)) {
      const { group, names } = definition.spec ?? {};
      registry.unregister(String(group), String(objectOr(names).plural));
      for (const kind of customKinds(definition)) registry.register(kind);
      generations.set(entry.name, definition.metadata.generation);
      served.set(entry.name, entry.name);
    }
    const status = statusOf(definition);
    if (bucket === undefined || JSON.stringify(status) === JSON.stringify(definition.status)) return;
    store.put(bucket, { ...definition, status });
  }

  /** Deletes the objects of a definition that is to go; lets it go once there are none. */
  function empty(entry: Entry): void {
    const objects = store.bucketNamed(entry.name);
    const resource = registry.ofBucket(entry.name);
    if (objects !== undefined && resource !== undefined) {
      for (const one of [...objects.range("")]) if (!one.deleting) remove(api, resource, one, plainDeletion);
    }
    if ((objects?.size ?? 0) > 0 || bucket === undefined) return;
    const definition = parseEntry(entry);
    definition.metadata.finalizers = definition.metadata.finalizers?.filter((one) => one !== cleanupFinalizer);
    if (mayGo(definition)) store.remove(bucket, definition);
    else if (JSON.stringify(definition.metadata) !== JSON.stringify(parseEntry(entry).metadata))
      store.put(bucket, definition);
  }

  function drop(entry: Entry): void {
    const definition = parseEntry(entry);
    registry.unregister(String(definition.spec?.group), String(objectOr(definition.spec?.names).plural));
    served.delete(entry.name);
    generations.delete(entry.name);
    const objects: Bucket | undefined = store.bucketNamed(entry.name);
    if (objects !== undefined) options.endWatches(objects);
  }

  function follow({ bucket: where, entry, type }: StoreEvent): void {
    if (where === bucket) {
      if (type === "DELETED") drop(entry);
      else if (entry.deleting) empty(entry);
      else serve(entry);
    } else if (type === "DELETED" && where.size === 0 && served.has(where.name)) {
      const definition = bucket?.get(where.name);
      if (definition?.deleting === true) empty(definition);
    }
  }

  const guarded = (work: () => void, name: string) => {
    try {
      work();
    } catch (error) {
      options.log({ error, definition: name }, "a custom resource definition can't be served");
    }
  };
  for (const entry of [...(bucket?.range("") ?? [])]) {
    guarded(() => serve(entry), entry.name);
    const now = bucket?.get(entry.name);
    if (now?.deleting === true) guarded(() => empty(now), entry.name);
  }
  return {
    stop: store.subscribe((events) => {
      for (const event of events) guarded(() => follow(event), event.entry.name);
    }),
  };
}
