import { isObject, type JsonObject, type KubeObject, timestamp } from "./object.ts";
import type { Resource } from "./resource.ts";
import { badRequest, conflict } from "./status.ts";
import { type Entry, parseEntry } from "./storage/entry.ts";
import { type Api, mayGo } from "./write.ts";

/** metav1.DeleteOptions. */
export interface DeleteOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly preconditions: { readonly uid: string | undefined; readonly resourceVersion: string | undefined };
  readonly propagationPolicy: "Orphan" | "Background" | "Foreground" | undefined;
  readonly dryRun: boolean;
}

/** Reads DeleteOptions from the body, and from the query where the body is empty. */
export function parseDeleteOptions(body: JsonObject, query: URLSearchParams): DeleteOptions {
  const preconditions = isObject(body.preconditions) ? body.preconditions : {};
  const grace = body.gracePeriodSeconds ?? query.get("gracePeriodSeconds") ?? undefined;
  if (grace !== undefined && !/^\d{1,9}$/.test(String(grace)))
    throw badRequest("gracePeriodSeconds is not a number of seconds");
  const policy = body.propagationPolicy ?? query.get("propagationPolicy") ?? undefined;
  if (policy !== undefined && policy !== "Orphan" && policy !== "Background" && policy !== "Foreground") {
    throw badRequest(`invalid propagationPolicy ${JSON.stringify(policy)}`);
  }
  const dryRun = Array.isArray(body.dryRun) ? body.dryRun : query.getAll("dryRun");
  if (dryRun.some((value) => value !== "All" && value !== "")) throw badRequest('dryRun may only be "All"');
  return {
    gracePeriodSeconds: grace === undefined ? undefined : Number(grace),
    preconditions: {
      uid: typeof preconditions.uid === "string" ? preconditions.uid : undefined,
      resourceVersion: typeof preconditions.resourceVersion === "string" ? preconditions.resourceVersion : undefined,
    },
    propagationPolicy: policy ?? (body.orphanDependents === true ? "Orphan" : undefined),
    dryRun: dryRun.includes("All"),
  };
}

export const plainDeletion: DeleteOptions = {
  gracePeriodSeconds: undefined,
  preconditions: { uid: undefined, resourceVersion: undefined },
  propagationPolicy: undefined,
  dryRun: false,
};

export interface Deleted {
  readonly entry: Entry;
  /** False while finalizers or a grace period hold it. */
  readonly gone: boolean;
}

/**
 * Deletes an object: at once when nothing holds it, otherwise it is marked. 409 when a precondition fails.
 */
export function remove(api: Api, resource: Resource, entry: Entry, options: DeleteOptions): Deleted {
  const { uid, resourceVersion } = options.preconditions;
  if (uid !== undefined && uid !== entry.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${entry.uid}`;
    throw conflict(resource, entry.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== String(entry.revision)) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${entry.revision}`;
    throw conflict(resource, entry.name, why);
  }
  const object = parseEntry(entry);
  const before = JSON.stringify(object.metadata);
  mark(resource, object, options);
  if (mayGo(object)) {
    return { entry: options.dryRun ? entry : api.store.remove(resource.bucket, object), gone: true };
  }
  if (JSON.stringify(object.metadata) === before || options.dryRun) return { entry, gone: false };
  if (object.kind === "Namespace") object.status = { ...object.status, phase: "Terminating" };
  return { entry: api.store.put(resource.bucket, object), gone: false };
}

/** Sets the deletion's marks; a later deletion may only shorten the grace period. */
function mark(resource: Resource, object: KubeObject, options: DeleteOptions): void {
  const { metadata } = object;
  const grace = resource.gracePeriodSeconds?.(object, options.gracePeriodSeconds) ?? 0;
  if (metadata.deletionTimestamp === undefined) {
    metadata.deletionTimestamp = timestamp(new Date(Date.now() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined && resource.hasGeneration === true) metadata.generation += 1;
  } else if (options.gracePeriodSeconds !== undefined && grace < (metadata.deletionGracePeriodSeconds ?? 0)) {
    metadata.deletionTimestamp = timestamp(new Date(Date.now() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
  }
  const finalizers = new Set(metadata.finalizers);
  if (options.propagationPolicy === "Foreground") finalizers.add("foregroundDeletion");
  if (options.propagationPolicy === "Orphan") finalizers.add("orphan");
  if (finalizers.size > 0) metadata.finalizers = [...finalizers];
}
