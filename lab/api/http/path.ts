import { badRequest } from "../status.ts";

/** What a path below /api or /apis names. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** The old `/watch/` prefix: a list that is to be watched. */
  readonly watch: boolean;
  /** What follows the subresource (proxy paths). */
  readonly rest: readonly string[];
}

/** Path segments, percent-decoded. 400 for broken escapes. */
export function segmentsOf(path: string): string[] {
  const raw = path.split("/").filter((segment) => segment !== "");
  if (!path.includes("%")) return raw;
  try {
    return raw.map(decodeURIComponent);
  } catch {
    throw badRequest("the path holds a broken percent-escape");
  }
}

/** Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`; undefined when the path names no resource. */
export function parseResourcePath(segments: readonly string[]): ResourcePath | undefined {
  const core = segments[0] === "api";
  if (!core && segments[0] !== "apis") return undefined;
  const group = core ? "" : (segments[1] ?? "");
  const version = segments[core ? 1 : 2];
  let rest = segments.slice(core ? 2 : 3);
  if (version === undefined || rest.length === 0) return undefined;
  let watch = false;
  if (rest[0] === "watch" && rest.length > 1) {
    watch = true;
    rest = rest.slice(1);
  }
  let namespace: string | undefined;
  // /namespaces/NAME is the namespace itself, as are its own subresources.
  if (rest[0] === "namespaces" && rest.length >= 3 && rest[2] !== "status" && rest[2] !== "finalize") {
    namespace = rest[1];
    rest = rest.slice(2);
  }
  const [plural = "", name, subresource, ...more] = rest;
  return { group, version, namespace, plural, name, subresource, watch, rest: more };
}
