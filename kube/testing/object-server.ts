import type { ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import {
  answerJson,
  type Handler,
  type ReceivedRequest,
  startServer,
  statusOf,
  type TestServer,
} from "./http-server.ts";

/** An object as it is stored. */
export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

type Fields = Record<string, unknown>;

interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly collection: string;
  readonly object: StoredObject;
}

interface Watcher {
  readonly collection: string;
  readonly name: string | undefined;
  readonly response: ServerResponse;
}

export interface ObjectServer extends TestServer {
  readonly version: number;
  readonly watchers: number;
  /** Creates or changes an object; gives its version. */
  put(path: string, fields?: Fields): number;
  remove(path: string): void;
  get(path: string): StoredObject | undefined;
  /** Forgets the history and the list tokens: both are answered 410 from then on. */
  compact(): void;
  /** Forgets everything since `state`, as a restore from a backup does. */
  restore(state: ServerState): void;
  save(): ServerState;
  /** Answers the next request that `matches` by hand. */
  intercept(matches: (request: ReceivedRequest) => boolean, handle: Handler): void;
  /** Writes to all open watches. */
  writeToWatches(bytes: string | Buffer): void;
  endWatches(how: "end" | "destroy"): void;
  bookmark(): void;
  /** Resolves when so many watches are open. */
  watched(count?: number): Promise<void>;
}

export interface ServerState {
  readonly version: number;
  readonly objects: ReadonlyMap<string, StoredObject>;
}

export const isList = ({ method, url }: ReceivedRequest): boolean => method === "GET" && !url.searchParams.has("watch");
export const isWatch = ({ method, url }: ReceivedRequest): boolean => method === "GET" && url.searchParams.has("watch");

/**
 * A server that keeps objects under their paths and speaks list, paging, watch, optimistic locking and merge patch,
 * with a handle for every fault that a real one may show.
 */
export async function startObjectServer(): Promise<ObjectServer> {
  let objects = new Map<string, StoredObject>();
  let version = 100;
  let history: Change[] = [];
  let compactedTo = 0;
  let listTokensSince = 0;
  /** By version, what lists that have further pages began with. */
  const snapshots = new Map<number, ReadonlyMap<string, StoredObject>>();
  const watchers = new Set<Watcher>();
  const interceptors: { readonly matches: (request: ReceivedRequest) => boolean; readonly handle: Handler }[] = [];

  const collectionOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
  const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const within = (collection: string, path: string): boolean =>
    collectionOf(path) === collection || collectionOf(path).replace(/\/namespaces\/[^/]+/, "") === collection;

  function publish(type: Change["type"], path: string, object: StoredObject): void {
    const change = { version, type, collection: path, object };
    history.push(change);
    for (const watcher of watchers) send(watcher, change);
  }

  function send({ collection, name, response }: Watcher, { collection: path, type, object }: Change): void {
    if (within(collection, path) && (name === undefined || name === nameOf(path))) {
      response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  function put(path: string, fields: Fields = {}): number {
    version++;
    const known = objects.get(path);
    const namespace = /\/namespaces\/([^/]+)\/[^/]+\/[^/]+$/.exec(path)?.[1];
    const object: StoredObject = {
      ...fields,
      metadata: {
        ...(fields.metadata as Fields | undefined),
        name: nameOf(path),
        ...(namespace === undefined ? {} : { namespace }),
        resourceVersion: String(version),
      },
    };
    objects.set(path, object);
    publish(known === undefined ? "ADDED" : "MODIFIED", path, object);
    return version;
  }

  function remove(path: string): void {
    const known = objects.get(path);
    if (known === undefined) return;
    version++;
    objects.delete(path);
    publish("DELETED", path, { ...known, metadata: { ...known.metadata, resourceVersion: String(version) } });
  }

  function list(request: ReceivedRequest, response: ServerResponse): void {
    const { searchParams, pathname } = request.url;
    const limit = Number(searchParams.get("limit") ?? 0);
    const [since = version, start = 0] = (searchParams.get("continue") ?? "")
      .split(".")
      .map(Number)
      .filter(Number.isFinite);
    const fresh = !searchParams.has("continue");
    if (!fresh && since < listTokensSince) {
      answerJson(response, 410, statusOf(410, "Expired", "The provided continue parameter is too old"));
      return;
    }
    const from = fresh ? 0 : start;
    // Further pages are of the state that the first one was of, whatever has changed since.
    const state = fresh ? objects : (snapshots.get(since) ?? objects);
    const all = [...state].filter(([path]) => within(pathname, path)).map(([, object]) => object);
    const end = limit > 0 ? from + limit : all.length;
    const next = end < all.length ? `${fresh ? version : since}.${end}` : "";
    if (fresh && next !== "") snapshots.set(version, new Map(objects));
    answerJson(response, 200, {
      kind: "List",
      metadata: { resourceVersion: String(fresh ? version : since), ...(next === "" ? {} : { continue: next }) },
      items: all.slice(from, end),
    });
  }

  function watch(request: ReceivedRequest, response: ServerResponse): void {
    const { searchParams, pathname } = request.url;
    const from = Number(searchParams.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (from < compactedTo) {
      response.end(
        `${JSON.stringify({ type: "ERROR", object: statusOf(410, "Expired", "too old resource version") })}\n`,
      );
      return;
    }
    const name = /^metadata\.name=(.*)$/.exec(searchParams.get("fieldSelector") ?? "")?.[1];
    const watcher: Watcher = { collection: pathname, name, response };
    for (const change of history) if (change.version > from) send(watcher, change);
    watchers.add(watcher);
    const timer = setTimeout(() => response.end(), Number(searchParams.get("timeoutSeconds") ?? 600) * 1000);
    response.on("close", () => {
      clearTimeout(timer);
      watchers.delete(watcher);
    });
  }

  function write(request: ReceivedRequest, response: ServerResponse): void {
    const body = JSON.parse(request.body) as Fields & { metadata?: { name?: string; resourceVersion?: string } };
    const path = request.method === "POST" ? `${request.url.pathname}/${body.metadata?.name}` : request.url.pathname;
    const known = objects.get(path);
    if (request.method === "POST" ? known !== undefined : known === undefined) {
      const [code, reason] =
        request.method === "POST" ? ([409, "AlreadyExists"] as const) : ([404, "NotFound"] as const);
      answerJson(response, code, statusOf(code, reason, `${path}: ${reason}`));
      return;
    }
    const held = body.metadata?.resourceVersion;
    if (held !== undefined && held !== known?.metadata.resourceVersion) {
      answerJson(response, 409, statusOf(409, "Conflict", "the object has been modified"));
      return;
    }
    put(path, request.method === "PATCH" ? (merge(known, body) as Fields) : body);
    answerJson(response, request.method === "POST" ? 201 : 200, objects.get(path));
  }

  const server = await startServer((request, response) => {
    const at = interceptors.findIndex(({ matches }) => matches(request));
    const [interceptor] = at < 0 ? [] : interceptors.splice(at, 1);
    const path = request.url.pathname;
    if (interceptor !== undefined) interceptor.handle(request, response);
    else if (isWatch(request)) watch(request, response);
    else if (request.method === "DELETE") {
      const known = objects.get(path);
      remove(path);
      answerJson(response, known === undefined ? 404 : 200, known ?? statusOf(404, "NotFound", "not found"));
    } else if (request.method !== "GET") write(request, response);
    else if (objects.has(path)) answerJson(response, 200, objects.get(path));
    else if (/\/(pods|leases|events|nodes|services|endpointslices|addresspools|networkpolicies)$/.test(path))
      list(request, response);
    else answerJson(response, 404, statusOf(404, "NotFound", "not found"));
  });

  return Object.assign(
    Object.create(server, {
      version: { get: () => version },
      watchers: { get: () => watchers.size },
    }) as ObjectServer,
    {
      put,
      remove,
      get: (path: string) => objects.get(path),
      compact() {
        history = [];
        compactedTo = version;
        listTokensSince = version + 1;
        snapshots.clear();
      },
      save: (): ServerState => ({ version, objects: new Map(objects) }),
      restore(state: ServerState) {
        objects = new Map(state.objects);
        version = state.version;
        history = history.filter((change) => change.version <= version);
        snapshots.clear();
      },
      intercept(matches: (request: ReceivedRequest) => boolean, handle: Handler) {
        interceptors.push({ matches, handle });
      },
      writeToWatches(bytes: string | Buffer) {
        for (const { response } of watchers) response.write(bytes);
      },
      endWatches(how: "end" | "destroy") {
        for (const { response } of watchers) response[how]();
        watchers.clear();
      },
      bookmark() {
        const object = { metadata: { resourceVersion: String(version) } };
        for (const { response } of watchers) response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
      },
      async watched(count = 1) {
        while (watchers.size < count) await setImmediate();
      },
    },
  );
}

/** RFC 7396 section 2. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Fields = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}
