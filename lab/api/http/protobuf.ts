import type { JsonObject, JsonValue } from "../object.ts";
import { badRequest } from "../status.ts";
import { type Field, type Message, messageNamed, messageOf } from "../types/types.ts";

/**
 * Kubernetes objects in protobuf, which typed Go clients send (`kubectl create namespace`). Only requests are read:
 * answers are JSON, which the same clients take.
 */

const magic = Buffer.from("k8s\0");

interface Reader {
  readonly bytes: Buffer;
  offset: number;
}

function truncated(): Error {
  return badRequest("the request body is not valid protobuf");
}

function varint(reader: Reader): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes[reader.offset];
    if (byte === undefined) throw truncated();
    reader.offset += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  throw truncated();
}

function block(reader: Reader): Buffer {
  const length = Number(varint(reader));
  const end = reader.offset + length;
  if (length < 0 || end > reader.bytes.length) throw truncated();
  const bytes = reader.bytes.subarray(reader.offset, end);
  reader.offset = end;
  return bytes;
}

type Wire = { readonly number: number; readonly value: bigint | Buffer };

/** The fields of a message in the order of the wire. */
function* fieldsOf(bytes: Buffer): Generator<Wire> {
  const reader: Reader = { bytes, offset: 0 };
  while (reader.offset < bytes.length) {
    const tag = varint(reader);
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, value: varint(reader) };
        break;
      case 1:
        reader.offset += 8;
        break;
      case 2:
        yield { number, value: block(reader) };
        break;
      case 5:
        reader.offset += 4;
        break;
      default:
        throw truncated();
    }
  }
}

function asBuffer(value: bigint | Buffer): Buffer {
  if (typeof value === "bigint") throw truncated();
  return value;
}

function asNumber(value: bigint | Buffer): number {
  if (typeof value !== "bigint") throw truncated();
  return Number(value);
}

/** A point in time; undefined for Go's zero time. */
function timeOf(bytes: Buffer, digits: number): string | undefined {
  const values = new Map([...fieldsOf(bytes)].map(({ number, value }) => [number, asNumber(value)]));
  const seconds = values.get(1);
  if (seconds === undefined || seconds <= -62_135_596_800 || Math.abs(seconds) > 8e12) return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return digits === 0
    ? `${text}Z`
    : `${text}.${String(values.get(2) ?? 0)
        .padStart(9, "0")
        .slice(0, digits)}Z`;
}

/** One value as JSON has it; undefined when it stands for "not set". */
function jsonOf(field: Field, value: bigint | Buffer): JsonValue | undefined {
  switch (field.type) {
    case "string":
      return asBuffer(value).toString("utf8");
    case "int32":
    case "int64":
      return asNumber(value);
    case "bool":
      return asNumber(value) !== 0;
    case "bytes":
      return asBuffer(value).toString("base64");
    case "meta.Time":
      return timeOf(asBuffer(value), 0);
    case "meta.MicroTime":
      return timeOf(asBuffer(value), 6);
    case "resource.Quantity":
      return [...fieldsOf(asBuffer(value))].map((one) => asBuffer(one.value).toString("utf8")).join("");
    case "intstr.IntOrString": {
      const parts = new Map([...fieldsOf(asBuffer(value))].map((one) => [one.number, one.value]));
      return parts.get(1) === 1n ? String(parts.get(3) ?? "") : Number(parts.get(2) ?? 0);
    }
    case "runtime.RawExtension":
    case "meta.FieldsV1": {
      const raw = [...fieldsOf(asBuffer(value))].find(({ number }) => number === 1);
      return raw === undefined ? undefined : (JSON.parse(asBuffer(raw.value).toString("utf8")) as JsonValue);
    }
    case "authorization.ExtraValue":
      return [...fieldsOf(asBuffer(value))].map((one) => asBuffer(one.value).toString("utf8"));
    default: {
      const message = messageNamed(field.type);
      return message === undefined ? undefined : messageToJson(message, asBuffer(value));
    }
  }
}

function messageToJson(message: Message, bytes: Buffer): JsonObject {
  const result: JsonObject = {};
  for (const { number, value } of fieldsOf(bytes)) {
    const field = message.byNumber.get(number);
    if (field === undefined) continue;
    if (field.shape === "map") {
      const parts = new Map([...fieldsOf(asBuffer(value))].map((one) => [one.number, one.value]));
      const key = asBuffer(parts.get(1) ?? Buffer.alloc(0)).toString("utf8");
      result[field.name] ??= {};
      const map = result[field.name] as JsonObject;
      if (key !== "__proto__") map[key] = jsonOf(field, parts.get(2) ?? Buffer.alloc(0));
      continue;
    }
    const json = jsonOf(field, value);
    if (field.shape === "list") {
      result[field.name] ??= [];
      const list = result[field.name] as JsonValue[];
      if (json !== undefined) list.push(json);
    } else if (field.inline) Object.assign(result, json);
    // Go writes empty strings for fields that aren't set.
    else if (json !== undefined && json !== "") result[field.name] = json;
  }
  return result;
}

/** Decodes the envelope (runtime.Unknown) and the object in it. 400 when it is neither. */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest("the request body is not a Kubernetes object in protobuf");
  const parts = new Map([...fieldsOf(body.subarray(4))].map(({ number, value }) => [number, asBuffer(value)]));
  const meta = new Map(
    [...fieldsOf(parts.get(1) ?? Buffer.alloc(0))].map(({ number, value }) => [
      number,
      asBuffer(value).toString("utf8"),
    ]),
  );
  const apiVersion = meta.get(1) ?? "";
  const kind = meta.get(2) ?? "";
  const slash = apiVersion.indexOf("/");
  const message = messageOf(slash < 0 ? "" : apiVersion.slice(0, slash), kind);
  if (message === undefined)
    throw badRequest(`no kind ${JSON.stringify(kind)} is known in protobuf for version ${JSON.stringify(apiVersion)}`);
  return { kind, apiVersion, ...messageToJson(message, parts.get(2) ?? Buffer.alloc(0)) };
}
