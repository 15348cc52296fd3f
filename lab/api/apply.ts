import { isObject, type JsonObject, type JsonValue, type KubeObject } from "./object.ts";
import { applyMergePatch } from "./patch/merge-patch.ts";
import { applyStrategicMergePatch } from "./patch/strategic-merge-patch.ts";
import type { Resource } from "./resource.ts";
import { messageOf } from "./types/types.ts";

/**
 * Server-side apply, done simply: the applied configuration is merged into the object, and top-level or nested
 * fields that the same manager applied before and leaves out now are not tracked. What a manager owns isn't recorded,
 * so there are no conflicts between managers.
 */
export function serverSideApply(
  resource: Resource,
  live: KubeObject | undefined,
  applied: KubeObject,
  _manager: string,
  _force: boolean,
): KubeObject {
  delete applied.metadata.managedFields;
  if (live === undefined) return applied;
  const patch = withoutNulls(applied as unknown as JsonObject);
  const target = live as unknown as JsonObject;
  const next =
    resource.custom === true
      ? applyMergePatch(target, patch)
      : applyStrategicMergePatch(messageOf(resource.group, resource.kind), target, patch);
  return next as unknown as KubeObject;
}

/** An applied null says nothing, unlike in a merge patch. */
function withoutNulls(object: JsonObject): JsonObject {
  const members = Object.entries(object).flatMap(([key, value]): [string, JsonValue][] =>
    value === null || value === undefined ? [] : [[key, isObject(value) ? withoutNulls(value) : value]],
  );
  return Object.fromEntries(members);
}
