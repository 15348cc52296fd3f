import { isObject, type JsonObject, type JsonValue, type KubeObject } from "../object.ts";
import type { DecodeResult } from "../resource.ts";
import { type Field, type Message, messageNamed } from "./types.ts";

/** The first value that can't be decoded, in the words of Go's decoder. */
class WrongType extends Error {}

function wrong(value: JsonValue, field: Field, path: string): WrongType {
  const actual = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return new WrongType(`json: cannot unmarshal ${actual} into Go struct field ${path} of type ${field.type}`);
}

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const quantity = /^[+-]?(\d+(\.\d*)?|\.\d+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?\d+))?$/;

/** Checks one value; returns what is stored in its place. */
function decodeValue(value: JsonValue, field: Field, path: string, unknown: string[]): JsonValue {
  switch (field.type) {
    case "string":
      if (typeof value !== "string") throw wrong(value, field, path);
      return value;
    case "int32":
    case "int64":
      if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(value, field, path);
      if (field.type === "int32" && (value > 2_147_483_647 || value < -2_147_483_648)) throw wrong(value, field, path);
      return value;
    case "bool":
      if (typeof value !== "boolean") throw wrong(value, field, path);
      return value;
    case "bytes":
      if (typeof value !== "string" || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) {
        throw new WrongType(`illegal base64 data in ${path}`);
      }
      return value;
    case "meta.Time":
    case "meta.MicroTime":
      if (typeof value !== "string") throw wrong(value, field, path);
      if (!rfc3339.test(value))
        throw new WrongType(`parsing time ${JSON.stringify(value)} in ${path}: not in RFC 3339`);
      return value;
    case "resource.Quantity":
      if (typeof value === "number") return String(value);
      if (typeof value !== "string") throw wrong(value, field, path);
      if (!quantity.test(value))
        throw new WrongType(
          `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' in ${path}`,
        );
      return value;
    case "intstr.IntOrString":
      if (typeof value !== "string" && !Number.isInteger(value)) throw wrong(value, field, path);
      return value;
    case "runtime.RawExtension":
    case "meta.FieldsV1":
    case "authorization.ExtraValue":
      return value;
    default: {
      if (!isObject(value)) throw wrong(value, field, path);
      const message = messageNamed(field.type);
      if (message !== undefined) decodeMessage(value, message, path, unknown);
      return value;
    }
  }
}

function decodeField(value: JsonValue, field: Field, path: string, unknown: string[]): JsonValue {
  if (field.shape === "list") {
    if (!Array.isArray(value)) throw wrong(value, field, path);
    for (const [index, member] of value.entries()) {
      const isMessage = field.type.includes(".");
      value[index] = member === null ? (isMessage ? {} : "") : decodeValue(member, field, `${path}[${index}]`, unknown);
    }
    return value;
  }
  if (field.shape === "map") {
    if (!isObject(value)) throw wrong(value, field, path);
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue;
      value[key] = member === null ? "" : decodeValue(member, field, `${path}.${key}`, unknown);
    }
    return value;
  }
  return decodeValue(value, field, path, unknown);
}

/** Checks the members of an object, in place: null goes, what is unknown goes and is reported. */
function decodeMessage(object: JsonObject, message: Message, path: string, unknown: string[]): void {
  for (const key in object) {
    const value = object[key];
    const field = message.byName.get(key);
    const where = path === "" ? key : `${path}.${key}`;
    if (field === undefined) {
      if (path === "" && (key === "kind" || key === "apiVersion")) continue;
      unknown.push(where);
      delete object[key];
    } else if (value === null || value === undefined) delete object[key];
    else object[key] = decodeField(value, field, where, unknown);
  }
}

/**
 * How the API decodes a built-in kind: values of the wrong type are refused, unknown fields dropped and reported.
 * The object is changed in place.
 */
export function decodeBuiltin(message: Message): (object: KubeObject) => DecodeResult {
  return (object) => {
    const unknown: string[] = [];
    try {
      decodeMessage(object as unknown as JsonObject, message, "", unknown);
    } catch (error) {
      if (error instanceof WrongType) return { error: error.message, unknown };
      throw error;
    }
    return { unknown };
  };
}
