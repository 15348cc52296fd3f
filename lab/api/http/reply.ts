import type { ServerResponse } from "node:http";
import { stringify } from "yaml";
import { ApiError } from "../status.ts";

/** An answer that is ready to be sent once everything before it is committed. */
export interface Reply {
  readonly code: number;
  readonly text: string;
  readonly contentType: string;
  readonly warnings?: readonly string[] | undefined;
  /** The connection can't be used any further (a body that wasn't read to its end). */
  readonly close?: boolean | undefined;
}

export function jsonText(code: number, text: string, warnings?: readonly string[]): Reply {
  return { code, text, contentType: "application/json", warnings };
}

export function json(code: number, value: unknown): Reply {
  return jsonText(code, JSON.stringify(value));
}

export function plainText(code: number, text: string): Reply {
  return { code, text, contentType: "text/plain; charset=utf-8" };
}

export function asYaml(reply: Reply): Reply {
  return { ...reply, text: stringify(JSON.parse(reply.text)), contentType: "application/yaml" };
}

/** The Status that tells of an error; what isn't a refusal of ours is an internal error. */
export function failure(error: unknown): Reply {
  if (error instanceof ApiError) {
    return { ...json(error.code, error.toStatus()), close: error.reason === "RequestEntityTooLarge" };
  }
  if (error instanceof RangeError && error.message.includes("call stack")) {
    return failure(new ApiError("BadRequest", "the object is nested too deep"));
  }
  return failure(
    new ApiError("InternalError", `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`),
  );
}

export function send(response: ServerResponse, reply: Reply): void {
  const headers: Record<string, string | number | string[]> = {
    "content-type": reply.contentType,
    "content-length": Buffer.byteLength(reply.text),
    "cache-control": "no-cache, private",
  };
  if (reply.warnings !== undefined && reply.warnings.length > 0) {
    headers.warning = reply.warnings.map((text) => `299 - ${JSON.stringify(text)}`);
  }
  if (reply.close === true) headers.connection = "close";
  response.writeHead(reply.code, headers);
  response.end(reply.text);
}
