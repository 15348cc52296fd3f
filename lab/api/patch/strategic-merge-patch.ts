import { isDeepStrictEqual } from "node:util";
import { isObject, type JsonObject, type JsonValue } from "../object.ts";
import { badRequest } from "../status.ts";
import { type Field, type Message, messageNamed } from "../types/types.ts";

/** The declared type of a member; undefined below fields that hold arbitrary JSON. */
function memberOf(message: Message | undefined, name: string): Field | undefined {
  return message?.byName.get(name);
}

function messageAt(field: Field | undefined): Message | undefined {
  return field === undefined || field.shape === "map" ? undefined : messageNamed(field.type);
}

const directives = ["$patch", "$retainKeys", "$deleteFromPrimitiveList", "$setElementOrder"];

function isDirective(key: string): boolean {
  return directives.some((directive) => key === directive || key.startsWith(`${directive}/`));
}

/** The value without directives, for what is new in the target. */
function withoutDirectives(value: JsonValue): JsonValue {
  if (Array.isArray(value)) {
    return value.flatMap((member) =>
      isObject(member) && member.$patch === "delete"
        ? []
        : isObject(member) && member.$patch === "replace" && Object.keys(member).length === 1
          ? []
          : [withoutDirectives(member)],
    );
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined && member !== null && !isDirective(key)) result[key] = withoutDirectives(member);
  }
  return result;
}

function sortByOrder<T>(list: T[], order: readonly JsonValue[], keyOf: (member: T) => JsonValue | undefined): T[] {
  const rank = new Map(order.map((key, index) => [key, index]));
  const listed = list
    .filter((member) => rank.has(keyOf(member) ?? null))
    .sort((a, b) => (rank.get(keyOf(a) ?? null) ?? 0) - (rank.get(keyOf(b) ?? null) ?? 0));
  // Members that the order doesn't name keep their place relative to what stood before them.
  const result: T[] = [];
  let next = 0;
  for (const member of list) {
    if (!rank.has(keyOf(member) ?? null)) result.push(member);
    else {
      const one = listed[next];
      next += 1;
      if (one !== undefined) result.push(one);
    }
  }
  return result;
}

function mergeKeyed(field: Field, target: readonly JsonValue[], patch: readonly JsonValue[], key: string): JsonValue[] {
  if (patch.some((member) => isObject(member) && member.$patch === "replace")) {
    return patch.flatMap((member) =>
      isObject(member) && member.$patch === "replace" ? [] : [withoutDirectives(member)],
    );
  }
  const result = [...target];
  for (const member of patch) {
    if (!isObject(member))
      throw badRequest(`the list ${field.name} holds objects, the patch holds ${JSON.stringify(member)}`);
    const identity = member[key];
    if (identity === undefined)
      throw badRequest(`map: ${JSON.stringify(member)} does not contain declared merge key: ${key}`);
    // A container may declare one port number for TCP and for UDP.
    const same = (one: JsonValue) =>
      isObject(one) &&
      one[key] === identity &&
      (key !== "containerPort" && key !== "port"
        ? true
        : (one.protocol ?? "TCP") === (member.protocol ?? one.protocol ?? "TCP"));
    const index = result.findIndex(same);
    if (member.$patch === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (index < 0) result.push(withoutDirectives(member));
    else result[index] = merge(messageAt(field), result[index] ?? {}, member);
  }
  return result;
}

function mergeList(field: Field | undefined, target: JsonValue | undefined, patch: JsonValue[]): JsonValue {
  const current = Array.isArray(target) ? target : [];
  if (field?.merge === undefined) return withoutDirectives(patch);
  if (field.merge.key !== undefined) return mergeKeyed(field, current, patch, field.merge.key);
  return [...current, ...patch.filter((value) => !current.some((one) => isDeepStrictEqual(one, value)))];
}

function merge(message: Message | undefined, target: JsonValue | undefined, patch: JsonObject): JsonValue {
  const directive = patch.$patch;
  if (directive === "replace") return withoutDirectives(patch);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge")
    throw badRequest(`unknown $patch directive ${JSON.stringify(directive)}`);
  const result: JsonObject = isObject(target) ? { ...target } : {};
  const retain = patch.$retainKeys;
  if (Array.isArray(retain)) for (const key of Object.keys(result)) if (!retain.includes(key)) delete result[key];
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined || key === "$patch" || key === "$retainKeys") continue;
    const slash = key.indexOf("/");
    const field = slash < 0 ? key : key.slice(slash + 1);
    if (key.startsWith("$deleteFromPrimitiveList/")) {
      const list = result[field];
      if (Array.isArray(list) && Array.isArray(value))
        result[field] = list.filter((one) => !value.some((gone) => isDeepStrictEqual(one, gone)));
    } else if (key.startsWith("$setElementOrder/")) continue;
    else if (value === null) delete result[key];
    else if (Array.isArray(value)) result[key] = mergeList(memberOf(message, key), result[key], value);
    else if (isObject(value)) {
      const merged = merge(messageAt(memberOf(message, key)), result[key], value);
      if (value.$patch === "delete") delete result[key];
      else result[key] = merged;
    } else result[key] = value;
  }
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith("$setElementOrder/") || !Array.isArray(order)) continue;
    const field = key.slice("$setElementOrder/".length);
    const list = result[field];
    if (!Array.isArray(list)) continue;
    const mergeKey = memberOf(message, field)?.merge?.key;
    result[field] =
      mergeKey === undefined
        ? sortByOrder(list, order, (member) => member)
        : sortByOrder(
            list,
            order.map((member) => (isObject(member) ? (member[mergeKey] ?? null) : member)),
            (member) => (isObject(member) ? member[mergeKey] : undefined),
          );
  }
  return result;
}

/**
 * Strategic merge patch for built-in kinds (merge keys, `$patch`, `$retainKeys`, `$deleteFromPrimitiveList`,
 * `$setElementOrder`), by the merge keys that k8s.io/api declares. Returns the patched object; the target isn't changed. 400 for a patch that doesn't fit.
 */
export function applyStrategicMergePatch(
  message: Message | undefined,
  target: JsonObject,
  patch: JsonObject,
): JsonObject {
  const result = merge(message, target, patch);
  return isObject(result) ? result : {};
}
