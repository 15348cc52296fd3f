import type { Resource } from "../resource.ts";
import { both, parseFieldSelector, parseLabelSelector, type Selector } from "../selectors.ts";
import { ApiError, badRequest, causes, expired } from "../status.ts";
import type { Entry } from "../storage/entry.ts";
import type { Store } from "../storage/store.ts";
import type { ListMetadata } from "./render.ts";

/** What a list or watch asks for, from its query. */
export interface Scope {
  readonly namespace: string | undefined;
  readonly selector: Selector;
  /** Set when only one object can match. */
  readonly name: string | undefined;
}

export function scopeOf(resource: Resource, namespace: string | undefined, query: URLSearchParams): Scope {
  const fields = parseFieldSelector(query.get("fieldSelector") ?? undefined, resource.fieldNames ?? []);
  const labels = parseLabelSelector(query.get("labelSelector") ?? undefined);
  return { namespace, selector: both(fields.matches, labels), name: fields.name };
}

/** The resourceVersion of a query: undefined when unset; 400 when it is no number. */
export function revisionOf(query: URLSearchParams): number | undefined {
  const text = query.get("resourceVersion");
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new ApiError("Invalid", `resourceVersion: Invalid value: ${JSON.stringify(text)}: must be a number`, {
      causes: [causes.invalid("resourceVersion", text, "must be a number")],
    });
  }
  return Number(text);
}

interface ContinueToken {
  readonly v: "ovenbird.io/v1";
  readonly rv: number;
  readonly after: string;
}

function parseContinue(text: string): ContinueToken {
  let token: Partial<ContinueToken>;
  try {
    token = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as Partial<ContinueToken>;
  } catch {
    throw badRequest("continue key is not valid: it was not given by this server");
  }
  if (token?.v !== "ovenbird.io/v1" || !Number.isInteger(token.rv) || typeof token.after !== "string") {
    throw badRequest("continue key is not valid: it was not given by this server");
  }
  return token as ContinueToken;
}

function limitOf(query: URLSearchParams): number {
  const text = query.get("limit") ?? "0";
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`invalid limit ${JSON.stringify(text)}`);
  return Number(text) === 0 ? Number.POSITIVE_INFINITY : Number(text);
}

export function tooLarge(asked: number, current: number): ApiError {
  return new ApiError("Timeout", `Too large resource version: ${asked}, current: ${current}`, {
    retryAfterSeconds: 1,
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "" }],
  });
}

/** The revision at which a list is to be read: exactly, or undefined for the newest. */
function exactRevision(store: Store, query: URLSearchParams): number | undefined {
  const asked = revisionOf(query);
  const match = query.get("resourceVersionMatch") ?? "";
  if (match !== "" && match !== "Exact" && match !== "NotOlderThan")
    throw badRequest(`unsupported resourceVersionMatch ${JSON.stringify(match)}`);
  if (match !== "" && asked === undefined)
    throw badRequest("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match === "Exact" && asked === 0)
    throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  if (asked !== undefined && asked > store.revision) throw tooLarge(asked, store.revision);
  return match === "Exact" && asked !== undefined ? asked : undefined;
}

function* matching(entries: Iterable<Entry>, { selector }: Scope): Generator<Entry> {
  for (const entry of entries) if (selector === undefined || selector(entry)) yield entry;
}

function startIndex(entries: readonly Entry[], after: string): number {
  const index = entries.findIndex(({ key }) => key > after);
  return index < 0 ? entries.length : index;
}

/**
 * One page of a list. Pages of one list show one revision, taken back from the changes of late; 410 Expired when
 * these are forgotten, with the words that make clients list anew.
 */
export function readList(
  store: Store,
  resource: Resource,
  scope: Scope,
  query: URLSearchParams,
): { readonly entries: readonly Entry[]; readonly metadata: ListMetadata } {
  const { bucket } = resource;
  const limit = limitOf(query);
  const token = query.get("continue") ?? "";
  const prefix = scope.namespace === undefined ? "" : `${scope.namespace}/`;
  const from = token === "" ? undefined : parseContinue(token);
  if (from !== undefined && (query.get("resourceVersion") ?? "") !== "" && query.get("resourceVersion") !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  const exact = from?.rv ?? exactRevision(store, query);
  const revision = exact ?? store.revision;
  let source: Iterable<Entry>;
  if (exact === undefined || exact >= bucket.revision) {
    if (exact !== undefined && exact > store.revision)
      throw expired("The provided continue parameter is from another state of the server");
    const single =
      scope.name !== undefined && scope.namespace !== undefined ? bucket.get(`${prefix}${scope.name}`) : undefined;
    if (scope.name !== undefined && scope.namespace !== undefined) source = single === undefined ? [] : [single];
    else source = bucket.range(prefix, from?.after);
  } else {
    const then = bucket.at(exact);
    if (then === undefined) {
      throw expired(
        from === undefined
          ? `The resourceVersion for the provided list is too old.`
          : "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
      );
    }
    const start = from === undefined ? 0 : startIndex(then, from.after);
    source = then.slice(start).filter(({ key }) => key.startsWith(prefix));
  }
  const entries: Entry[] = [];
  let more = 0;
  for (const entry of matching(source, scope)) {
    if (entries.length < limit) entries.push(entry);
    else {
      more += 1;
      if (scope.selector !== undefined) break;
    }
  }
  const last = entries.at(-1);
  if (more === 0 || last === undefined) return { entries, metadata: { resourceVersion: String(revision) } };
  const next: ContinueToken = { v: "ovenbird.io/v1", rv: revision, after: last.key };
  return {
    entries,
    metadata: {
      resourceVersion: String(revision),
      continue: Buffer.from(JSON.stringify(next)).toString("base64url"),
      ...(scope.selector === undefined ? { remainingItemCount: more } : {}),
    },
  };
}
