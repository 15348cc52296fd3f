import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { generateName, metadataCauses } from "./metadata.ts";
import { isObject, type JsonObject, type KubeObject, timestamp } from "./object.ts";
import type { Registry } from "./registry.ts";
import type { KindContext, Resource } from "./resource.ts";
import { alreadyExists, badRequest, type Cause, causes, conflict, forbidden, invalid, notFound } from "./status.ts";
import { type Entry, entryOf, parseEntry, serialize } from "./storage/entry.ts";
import type { Store } from "./storage/store.ts";

/** What every operation works on. */
export interface Api {
  readonly store: Store;
  readonly registry: Registry;
  readonly context: KindContext;
}

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldManager: string | undefined;
  readonly fieldValidation: "Ignore" | "Warn" | "Strict";
}

export interface Written {
  readonly entry: Entry;
  readonly warnings: readonly string[];
}

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The entry that a request names; 404 when there is none. */
export function entryNamed(resource: Resource, namespace: string | undefined, name: string): Entry {
  const entry = resource.bucket.get(keyOf(namespace, name));
  if (entry === undefined) throw notFound(resource, name);
  return entry;
}

/** The stored object in the version in which it is served; the caller may change it. */
export function readServed(resource: Resource, entry: Entry): KubeObject {
  const object = parseEntry(entry);
  if (resource.convert !== undefined) return resource.convert.fromStored(object);
  object.apiVersion = resource.apiVersion;
  return object;
}

/** Checks kind, version and the shape of metadata: what decoding refuses with 400. */
export function asKubeObject(resource: Resource, body: JsonObject): KubeObject {
  const { kind, apiVersion } = body;
  if (kind === undefined || kind === "") {
    throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(body).slice(0, 200)}'`);
  }
  if (apiVersion === undefined || apiVersion === "") {
    throw badRequest(`Object 'apiVersion' is missing in '${JSON.stringify(body).slice(0, 200)}'`);
  }
  if (kind !== resource.kind) {
    throw badRequest(
      `${String(kind)} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${resource.kind}`,
    );
  }
  if (apiVersion !== resource.apiVersion) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${resource.apiVersion})`,
    );
  }
  const metadata = body.metadata ?? {};
  if (!isObject(metadata)) throw badRequest("metadata is not an object");
  body.metadata = metadata;
  for (const [key, value] of Object.entries(metadata)) if (value === null) delete metadata[key];
  for (const key of ["name", "generateName", "namespace", "uid", "resourceVersion"]) {
    if (metadata[key] !== undefined && typeof metadata[key] !== "string") {
      throw badRequest(
        `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: metadata.${key} is not a string`,
      );
    }
  }
  return body as unknown as KubeObject;
}

function decode(resource: Resource, object: KubeObject, options: WriteOptions): string[] {
  const result = resource.decode?.(object, { strict: options.fieldValidation === "Strict" });
  if (result === undefined) return [];
  const prefix = `${resource.kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}`;
  if (result.error !== undefined) throw badRequest(`${prefix}: ${result.error}`);
  if (result.unknown.length === 0 || options.fieldValidation === "Ignore") return [];
  const texts = result.unknown.map((field) => `unknown field ${JSON.stringify(field)}`);
  if (options.fieldValidation === "Strict") throw badRequest(`${prefix}: strict decoding error: ${texts.join(", ")}`);
  return texts;
}

function checkNamespace(api: Api, resource: Resource, object: KubeObject): void {
  const { namespace = "" } = object.metadata;
  const entry = api.store.bucketNamed("namespaces")?.get(namespace);
  if (entry === undefined) throw notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
  if (entry.deleting) {
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw forbidden(resource, object.metadata.name ?? "", why);
  }
}

function raise(resource: Resource, object: KubeObject, found: readonly Cause[]): void {
  if (found.length > 0) throw invalid(resource, object.metadata.name ?? "", found);
}

function asStored(resource: Resource, object: KubeObject): KubeObject {
  if (resource.convert !== undefined) return resource.convert.toStored(object);
  if (resource.version !== resource.storageVersion) {
    object.apiVersion = object.apiVersion.replace(/[^/]*$/, resource.storageVersion);
  }
  return object;
}

/** An entry that was never stored: the answer of a dry run. */
function pretended(resource: Resource, object: KubeObject): Entry {
  return entryOf(object, 0, serialize(object), resource.bucket.fieldsOf);
}

/**
 * Creates an object (POST). 400 for what isn't one, 404/403 for a missing or terminating namespace,
 * 409 when the name is taken, 422 with causes when it breaks a rule.
 */
export function create(
  api: Api,
  resource: Resource,
  namespace: string | undefined,
  body: JsonObject,
  options: WriteOptions,
): Written {
  const object = asKubeObject(resource, body);
  const { metadata } = object;
  if (resource.namespaced) {
    if (metadata.namespace !== undefined && metadata.namespace !== "" && metadata.namespace !== namespace) {
      throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
    }
    metadata.namespace = namespace;
  } else if (metadata.namespace === "") delete metadata.namespace;
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== "" && metadata.resourceVersion !== "0") {
    throw badRequest("resourceVersion should not be set on objects to be created");
  }
  const warnings = decode(resource, object, options);
  if (resource.namespaced) checkNamespace(api, resource, object);
  if (
    (metadata.name === undefined || metadata.name === "") &&
    typeof metadata.generateName === "string" &&
    metadata.generateName !== ""
  ) {
    metadata.name = generateName(metadata.generateName);
  }
  const { generateName: base, labels, annotations, finalizers, ownerReferences } = metadata;
  object.metadata = {
    name: metadata.name,
    generateName: base,
    namespace: metadata.namespace,
    uid: randomUUID(),
    resourceVersion: undefined,
    generation: resource.hasGeneration === true ? 1 : undefined,
    creationTimestamp: timestamp(),
    labels,
    annotations,
    ownerReferences,
    finalizers,
  };
  if (resource.hasStatus === true && resource.keepsStatusOnCreate !== true) delete object.status;
  const stored = asStored(resource, object);
  resource.setDefaults?.(stored, api.context);
  raise(resource, object, [...metadataCauses(resource, object), ...(resource.validate?.(stored, api.context) ?? [])]);
  const { name = "" } = object.metadata;
  if (resource.bucket.get(keyOf(object.metadata.namespace, name)) !== undefined) throw alreadyExists(resource, name);
  raise(resource, object, resource.prepareCreate?.(stored, api.context) ?? []);
  const entry = options.dryRun ? pretended(resource, stored) : api.store.put(resource.bucket, stored);
  return { entry, warnings };
}

/**
 * Replaces an object (PUT), or its status. 409 when the body's resourceVersion or uid isn't the stored one.
 */
export function update(
  api: Api,
  resource: Resource,
  target: { readonly namespace: string | undefined; readonly name: string; readonly subresource: string | undefined },
  body: JsonObject,
  options: WriteOptions,
): Written {
  const object = asKubeObject(resource, body);
  const { metadata } = object;
  if (metadata.name !== undefined && metadata.name !== "" && metadata.name !== target.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`);
  }
  if (metadata.namespace !== undefined && metadata.namespace !== "" && metadata.namespace !== target.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  const entry = entryNamed(resource, target.namespace, target.name);
  if (resource.custom === true && (metadata.resourceVersion ?? "") === "") {
    raise(resource, object, [causes.invalid("metadata.resourceVersion", 0, "must be specified for an update")]);
  }
  return replaceEntry(api, resource, entry, object, target.subresource, options);
}

/** The common end of PUT and PATCH: `next` is the whole object that the client wants, in the served version. */
export function replaceEntry(
  api: Api,
  resource: Resource,
  entry: Entry,
  next: KubeObject,
  subresource: string | undefined,
  options: WriteOptions,
): Written {
  const { name } = entry;
  const old = parseEntry(entry);
  const asked = next.metadata;
  if (
    asked.resourceVersion !== undefined &&
    asked.resourceVersion !== "" &&
    asked.resourceVersion !== String(entry.revision)
  ) {
    const why = "the object has been modified; please apply your changes to the latest version and try again";
    throw conflict(resource, name, why);
  }
  if (asked.uid !== undefined && asked.uid !== "" && asked.uid !== entry.uid) {
    const why = `Precondition failed: UID in precondition: ${asked.uid}, UID in object meta: ${entry.uid}`;
    throw conflict(resource, name, why);
  }
  const warnings = decode(resource, next, options);
  const converted = asStored(resource, next);
  const stored = withSubresource(resource, old, converted, subresource);
  if (subresource === undefined || resource.statusCarriesMetadata === true) {
    const { labels, annotations, ownerReferences, finalizers } = asked;
    stored.metadata =
      subresource === undefined
        ? { ...old.metadata, labels, annotations, ownerReferences, finalizers }
        : { ...old.metadata, labels, annotations, finalizers };
  } else stored.metadata = old.metadata;
  resource.setDefaults?.(stored, api.context);
  if (subresource === undefined) {
    raise(resource, stored, metadataCauses(resource, stored));
    raise(resource, stored, finalizerUpdateCauses(stored, old));
  }
  raise(resource, stored, resource.validate?.(stored, api.context) ?? []);
  raise(resource, stored, resource.validateUpdate?.(stored, old) ?? []);
  raise(resource, stored, resource.prepareUpdate?.(stored, old, api.context) ?? []);
  if (resource.hasGeneration === true && subresource !== "status" && contentChanged(resource, stored, old)) {
    stored.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  const text = serialize(stored);
  if (
    text === entry.text ||
    (text.length === entry.text.length && isDeepStrictEqual(JSON.parse(text), JSON.parse(entry.text)))
  ) {
    return { entry, warnings };
  }
  if (options.dryRun) return { entry: pretended(resource, stored), warnings };
  if (mayGo(stored)) return { entry: api.store.remove(resource.bucket, stored), warnings };
  return { entry: api.store.put(resource.bucket, stored), warnings };
}

/** Nothing holds a deleted object any more: its finalizers are gone and its grace period is over. */
export function mayGo({ metadata, kind, spec }: KubeObject): boolean {
  if (metadata.deletionTimestamp === undefined || (metadata.finalizers?.length ?? 0) > 0) return false;
  if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  const held = kind === "Namespace" ? spec?.finalizers : undefined;
  return !Array.isArray(held) || held.length === 0;
}

function finalizerUpdateCauses(next: KubeObject, old: KubeObject): Cause[] {
  if (old.metadata.deletionTimestamp === undefined) return [];
  const before = new Set(old.metadata.finalizers ?? []);
  const added = (next.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return [];
  return [
    causes.forbidden(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
    ),
  ];
}

/** On /status only the status moves, elsewhere everything but the status. */
function withSubresource(
  resource: Resource,
  old: KubeObject,
  next: KubeObject,
  subresource: string | undefined,
): KubeObject {
  if (subresource === "status") return { ...structuredClone(old), status: next.status };
  if (resource.hasStatus === true) {
    if (old.status === undefined) delete next.status;
    else next.status = old.status;
  }
  return next;
}

function contentChanged(resource: Resource, next: KubeObject, old: KubeObject): boolean {
  const { metadata: _next, status: nextStatus, ...nextContent } = next;
  const { metadata: _old, status: oldStatus, ...oldContent } = old;
  if (JSON.stringify(nextContent) === JSON.stringify(oldContent)) {
    return resource.hasStatus !== true && !isDeepStrictEqual(nextStatus, oldStatus);
  }
  return !isDeepStrictEqual(JSON.parse(JSON.stringify(nextContent)), oldContent);
}
