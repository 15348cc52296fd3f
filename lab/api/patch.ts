import { serverSideApply } from "./apply.ts";
import { decodeYaml, mediaType, parseJson } from "./http/body.ts";
import { isObject, type JsonObject, type JsonValue, type KubeObject } from "./object.ts";
import { applyJsonPatch } from "./patch/json-patch.ts";
import { applyMergePatch } from "./patch/merge-patch.ts";
import { applyStrategicMergePatch } from "./patch/strategic-merge-patch.ts";
import type { Resource } from "./resource.ts";
import { ApiError, badRequest, notFound } from "./status.ts";
import { messageOf } from "./types/types.ts";
import {
  type Api,
  asKubeObject,
  create,
  keyOf,
  readServed,
  replaceEntry,
  type WriteOptions,
  type Written,
} from "./write.ts";

interface Target {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource: string | undefined;
}

function patchedBy(resource: Resource, type: string, target: JsonObject, body: Buffer): JsonValue {
  switch (type) {
    case "application/merge-patch+json": {
      const patch = parseJson(body);
      if (!isObject(patch)) throw badRequest("a merge patch is an object");
      return applyMergePatch(target, patch);
    }
    case "application/json-patch+json":
      return applyJsonPatch(target, parseJson(body));
    case "application/strategic-merge-patch+json": {
      if (resource.custom === true) break;
      const patch = parseJson(body);
      if (!isObject(patch)) throw badRequest("a strategic merge patch is an object");
      return applyStrategicMergePatch(messageOf(resource.group, resource.kind), target, patch);
    }
  }
  const accepted = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
  if (resource.custom !== true) accepted.push("application/strategic-merge-patch+json");
  throw new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}

/**
 * PATCH: merge, JSON and strategic merge patches, and server-side apply, which may create the object.
 * 404, 409 when the patch carries a stale resourceVersion, 415 for another media type, 422 with causes.
 */
export function patch(
  api: Api,
  resource: Resource,
  target: Target,
  contentType: string | undefined,
  body: Buffer,
  options: WriteOptions & { readonly force: boolean },
): Written & { readonly created: boolean } {
  const type = mediaType(contentType);
  const entry = resource.bucket.get(keyOf(target.namespace, target.name));
  if (type === "application/apply-patch+yaml") {
    if (options.fieldManager === undefined)
      throw badRequest(
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    const applied = asKubeObject(resource, decodeYaml(body));
    if (applied.metadata.name !== undefined && applied.metadata.name !== target.name) {
      throw badRequest(
        `the name of the object (${applied.metadata.name}) does not match the name on the URL (${target.name})`,
      );
    }
    if (entry === undefined) {
      if (target.subresource !== undefined) throw notFound(resource, target.name);
      applied.metadata.name = target.name;
      const fresh = serverSideApply(resource, undefined, applied, options.fieldManager, options.force);
      return { ...create(api, resource, target.namespace, fresh as unknown as JsonObject, options), created: true };
    }
    const next = serverSideApply(resource, readServed(resource, entry), applied, options.fieldManager, options.force);
    return { ...replaceEntry(api, resource, entry, next, target.subresource, options), created: false };
  }
  if (entry === undefined) throw notFound(resource, target.name);
  const patched = patchedBy(resource, type, readServed(resource, entry) as unknown as JsonObject, body);
  if (!isObject(patched)) throw badRequest("the patch leaves no object");
  const next: KubeObject = asKubeObject(resource, patched);
  if (next.metadata.name !== entry.name || (next.metadata.namespace ?? "") !== entry.namespace) {
    throw badRequest("the name and the namespace of an object may not change");
  }
  return { ...replaceEntry(api, resource, entry, next, target.subresource, options), created: false };
}
