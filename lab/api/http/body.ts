import type { IncomingMessage } from "node:http";
import { parse as parseYaml } from "yaml";
import { isObject, type JsonObject } from "../object.ts";
import { ApiError, badRequest } from "../status.ts";
import { decodeProtobuf } from "./protobuf.ts";

/** The limit of a real API server (3 MiB). */
export const maxBodyBytes = 3 * 1024 * 1024;
const maxDepth = 500;

/** Reads the whole body. Refuses with 413 beyond `maxBodyBytes`, without reading on. */
export function readBody(request: IncomingMessage, callback: (error: Error | undefined, body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let done = false;
  const finish = (error: Error | undefined) => {
    if (done) return;
    done = true;
    callback(error, chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
  };
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBodyBytes) {
      request.pause();
      chunks.length = 0;
      finish(new ApiError("RequestEntityTooLarge", `the request body may not be larger than ${maxBodyBytes} bytes`));
    } else if (!done) chunks.push(chunk);
  });
  request.on("end", () => finish(undefined));
  request.on("error", (error) => finish(error));
  request.on("aborted", () => finish(new Error("the client went away")));
}

/** Refuses nesting so deep that working on it would exhaust the stack; one pass over the bytes. */
function checkDepth(body: Buffer): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index];
    if (inString) {
      if (byte === 0x5c) index += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > maxDepth) throw badRequest(`the request body is nested deeper than ${maxDepth} levels`);
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decodeText(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw badRequest("the request body is not valid UTF-8");
  }
}

/** Parses JSON; 400 with the parser's words when it is none. */
export function parseJson(body: Buffer): unknown {
  checkDepth(body);
  const text = decodeText(body);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`error decoding the request body: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (text.includes("__proto__") || text.includes("\\u005f")) refusePrototypes(value);
  return value;
}

/** A member named `__proto__` can't be carried through assignments; no Kubernetes field has that name. */
function refusePrototypes(value: unknown): void {
  if (Array.isArray(value)) value.forEach(refusePrototypes);
  else if (isObject(value)) {
    if (Object.hasOwn(value, "__proto__")) throw badRequest('a field named "__proto__" is not accepted');
    Object.values(value).forEach(refusePrototypes);
  }
}

function parseYamlBody(body: Buffer): unknown {
  const text = decodeText(body);
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 100, logLevel: "error" });
  } catch (error) {
    throw badRequest(`error decoding the request body: ${error instanceof Error ? error.message : String(error)}`);
  }
  checkDepth(Buffer.from(JSON.stringify(value) ?? ""));
  refusePrototypes(value);
  return value;
}

/** `application/json; charset=utf-8` → `application/json`. */
export function mediaType(header: string | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Decodes a JSON, YAML or protobuf body to an object; 415 for other media types. */
export function decodeBody(contentType: string | undefined, body: Buffer): JsonObject {
  const type = mediaType(contentType);
  let value: unknown;
  if (type === "" || type === "application/json" || type === "text/json") value = parseJson(body);
  else if (type === "application/yaml" || type === "text/yaml" || type === "application/x-yaml") {
    value = parseYamlBody(body);
  } else if (type === "application/vnd.kubernetes.protobuf") {
    value = decodeProtobuf(body);
  } else {
    throw new ApiError(
      "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
  }
  if (!isObject(value)) throw badRequest("the request body is not an object");
  return value;
}

/** Decodes the body of an apply patch, which is YAML (and so also JSON). */
export function decodeYaml(body: Buffer): JsonObject {
  const value = parseYamlBody(body);
  if (!isObject(value)) throw badRequest("the request body is not an object");
  return value;
}
