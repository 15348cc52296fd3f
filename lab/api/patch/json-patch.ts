import { isDeepStrictEqual } from "node:util";
import { isObject, type JsonValue } from "../object.ts";
import { ApiError, badRequest } from "../status.ts";

const maxOperations = 10_000;

function refuse(message: string): ApiError {
  return new ApiError("Invalid", `the server rejected our request due to an error in our request: ${message}`);
}

function pointer(text: unknown): string[] {
  if (typeof text !== "string" || (text !== "" && !text.startsWith("/"))) {
    throw badRequest(`${JSON.stringify(text)} is no JSON pointer`);
  }
  return text
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function indexIn(list: readonly unknown[], segment: string, forInsert: boolean): number {
  if (forInsert && segment === "-") return list.length;
  const index = /^(0|[1-9]\d*)$/.test(segment) ? Number(segment) : -1;
  if (index < 0 || index > list.length - (forInsert ? 0 : 1)) throw refuse(`index ${segment} is out of bounds`);
  return index;
}

function get(document: JsonValue, path: readonly string[]): JsonValue {
  let value = document;
  for (const segment of path) {
    const next: JsonValue | undefined = Array.isArray(value)
      ? value[indexIn(value, segment, false)]
      : isObject(value) && Object.hasOwn(value, segment)
        ? value[segment]
        : undefined;
    if (next === undefined) throw refuse(`the path /${path.join("/")} doesn't exist`);
    value = next;
  }
  return value;
}

function add(document: JsonValue, path: readonly string[], value: JsonValue): JsonValue {
  const last = path.at(-1);
  if (last === undefined) return value;
  if (last === "__proto__") throw badRequest('a field named "__proto__" is not accepted');
  const parent = get(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(indexIn(parent, last, true), 0, value);
  else if (isObject(parent)) parent[last] = value;
  else throw refuse(`/${path.join("/")} lies below a value that holds nothing`);
  return document;
}

function remove(document: JsonValue, path: readonly string[]): JsonValue {
  const last = path.at(-1);
  if (last === undefined) return null;
  const parent = get(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(indexIn(parent, last, false), 1);
  else if (isObject(parent) && Object.hasOwn(parent, last)) delete parent[last];
  else throw refuse(`the path /${path.join("/")} doesn't exist`);
  return document;
}

/**
 * JSON patch (RFC 6902); changes `document` in place and returns the result.
 * 400 for what is no patch, 422 for an operation that doesn't fit or a failed test.
 */
export function applyJsonPatch(document: JsonValue, patch: unknown): JsonValue {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch is a list of operations");
  if (patch.length > maxOperations) {
    throw new ApiError("RequestEntityTooLarge", `a JSON patch may hold at most ${maxOperations} operations`);
  }
  let result = document;
  for (const operation of patch) {
    if (!isObject(operation)) throw badRequest("an operation of a JSON patch is an object");
    const path = pointer(operation.path);
    const { value } = operation;
    switch (operation.op) {
      case "add":
        if (value === undefined) throw badRequest("add needs a value");
        result = add(result, path, value);
        break;
      case "replace":
        if (value === undefined) throw badRequest("replace needs a value");
        get(result, path);
        result = replace(result, path, value);
        break;
      case "remove":
        result = remove(result, path);
        break;
      case "test":
        if (!isDeepStrictEqual(get(result, path), value ?? null))
          throw refuse(`testing path /${path.join("/")} failed`);
        break;
      case "move": {
        const from = pointer(operation.from);
        const moved = get(result, from);
        result = add(remove(result, from), path, moved);
        break;
      }
      case "copy":
        result = add(result, path, structuredClone(get(result, pointer(operation.from))));
        break;
      default:
        throw badRequest(`unknown operation ${JSON.stringify(operation.op)} in a JSON patch`);
    }
  }
  return result;
}

function replace(document: JsonValue, path: readonly string[], value: JsonValue): JsonValue {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = get(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent[indexIn(parent, last, false)] = value;
  else if (isObject(parent)) parent[last] = value;
  return document;
}
