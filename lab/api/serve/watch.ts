import type { ServerResponse } from "node:http";
import type { Resource } from "../resource.ts";
import { expired } from "../status.ts";
import type { Bucket, StoreEvent } from "../storage/bucket.ts";
import type { Entry } from "../storage/entry.ts";
import type { Store } from "../storage/store.ts";
import type { Form } from "./form.ts";
import type { Scope } from "./list.ts";
import { renderOne, servedText } from "./render.ts";
import type { IncludeObject } from "./table.ts";

export interface WatchRequest {
  readonly resource: Resource;
  readonly scope: Scope;
  readonly form: Form;
  readonly include: IncludeObject;
  /** Undefined or 0: begin with the state of now. */
  readonly revision: number | undefined;
  readonly timeoutMs: number;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean;
}

export interface WatchHub {
  start(request: WatchRequest, response: ServerResponse): void;
  /** Ends the watches of a kind that is no longer served, or all of them. */
  end(bucket?: Bucket): void;
  readonly count: number;
}

/** What a slow client may leave unread before its watch is ended; it then lists anew. */
const maxUnreadBytes = 32 * 1024 * 1024;

const watchHeaders = { "content-type": "application/json", "cache-control": "no-cache, private" };

interface Watch {
  readonly deliver: (events: readonly StoreEvent[]) => void;
  readonly end: () => void;
}

/** The event as this scope sees it: an object that enters or leaves the selection is ADDED or DELETED. */
function seen(scope: Scope, { type, entry, previous }: StoreEvent): StoreEvent["type"] | undefined {
  if (scope.namespace !== undefined && scope.namespace !== entry.namespace) return undefined;
  const { selector } = scope;
  if (selector === undefined) return type;
  const was = previous !== undefined && selector(previous);
  if (type === "DELETED") return was ? "DELETED" : undefined;
  const is = selector(entry);
  if (is) return was ? "MODIFIED" : "ADDED";
  return was ? "DELETED" : undefined;
}

/** Fans committed changes out to all watches; each commit is one write per watch. */
export function createWatchHub(store: Store, options: { readonly bookmarkIntervalMs: number }): WatchHub {
  const watches = new Map<Bucket, Set<Watch>>();
  // One JSON line serves all watches that want the object as it is stored.
  const lines = new WeakMap<StoreEvent, { readonly prefix: string; readonly type: string; readonly line: string }>();

  store.subscribe((events) => {
    for (const [bucket, group] of Map.groupBy(events, (event) => event.bucket)) {
      for (const watch of watches.get(bucket) ?? []) watch.deliver(group);
    }
  });

  function plainLine(resource: Resource, event: StoreEvent, type: string): string {
    const known = lines.get(event);
    if (known !== undefined && known.prefix === resource.prefix && known.type === type) return known.line;
    const line = `{"type":"${type}","object":${servedText(resource, event.entry)}}\n`;
    lines.set(event, { prefix: resource.prefix, type, line });
    return line;
  }

  function start(request: WatchRequest, response: ServerResponse): void {
    const { resource, scope, form } = request;
    const { bucket } = resource;
    let sent = request.revision ?? 0;
    let first = true;
    const render = (entry: Entry) => {
      const text = renderOne(resource, entry, form, request.include, first);
      first = false;
      return text;
    };
    const lineOf = (event: StoreEvent): string => {
      const type = seen(scope, event);
      if (type === undefined) return "";
      return form.kind === "object"
        ? plainLine(resource, event, type)
        : `{"type":"${type}","object":${render(event.entry)}}\n`;
    };
    const bookmark = (annotations = "") =>
      form.kind === "table"
        ? ""
        : `{"type":"BOOKMARK","object":{"kind":"${form.kind === "partial" ? "PartialObjectMetadata" : resource.kind}","apiVersion":"${
            form.kind === "partial" ? `meta.k8s.io/${form.version}` : resource.apiVersion
          }","metadata":{"resourceVersion":"${sent}","creationTimestamp":null${annotations}}}}\n`;

    let initial = "";
    const now = store.revision;
    if (request.revision === undefined || request.revision === 0 || request.sendInitialEvents) {
      const prefix = scope.namespace === undefined ? "" : `${scope.namespace}/`;
      for (const entry of bucket.range(prefix)) {
        if (scope.selector === undefined || scope.selector(entry)) {
          initial += `{"type":"ADDED","object":${render(entry)}}\n`;
        }
      }
      sent = now;
      if (request.sendInitialEvents && request.bookmarks) {
        initial += bookmark(',"annotations":{"k8s.io/initial-events-end":"true"}');
      }
    } else {
      // A revision that was never given comes from another state of this server.
      const missed = request.revision > now ? undefined : bucket.since(request.revision);
      if (missed === undefined) {
        const error = expired(`too old resource version: ${request.revision} (${now})`);
        response.writeHead(200, watchHeaders);
        response.end(`{"type":"ERROR","object":${JSON.stringify(error.toStatus())}}\n`);
        return;
      }
      for (const event of missed) initial += lineOf(event);
      sent = now;
    }

    let started = false;
    let bookmarkTimer: NodeJS.Timeout | undefined;
    const watch: Watch = {
      deliver(events) {
        let text = "";
        for (const event of events) {
          if (event.revision <= sent) continue;
          sent = event.revision;
          text += lineOf(event);
        }
        if (text === "") return;
        if (!started) {
          initial += text;
          return;
        }
        response.write(text);
        if (response.writableLength > maxUnreadBytes) response.destroy();
      },
      end() {
        if (stopped) return;
        stop();
        if (!started) response.writeHead(200, watchHeaders);
        if (request.bookmarks && sent > 0) response.write(bookmark());
        response.end();
      },
    };
    // Every event of this kind up to the store's revision has been delivered whenever no commit is pending.
    const sendBookmark = () =>
      store.whenCommitted(() => {
        if (stopped) return;
        sent = Math.max(sent, store.committedRevision);
        response.write(bookmark());
      });
    const group = watches.get(bucket) ?? new Set();
    watches.set(bucket, group);
    group.add(watch);
    const timeout = setTimeout(() => watch.end(), request.timeoutMs);
    let stopped = false;
    /** Nothing is written to the client after this. */
    function stop(): void {
      stopped = true;
      clearTimeout(timeout);
      clearInterval(bookmarkTimer);
      group.delete(watch);
    }
    response.on("close", stop);
    store.whenCommitted(() => {
      if (stopped) return;
      started = true;
      response.writeHead(200, watchHeaders);
      response.flushHeaders();
      if (initial !== "") response.write(initial);
      initial = "";
      if (request.bookmarks) bookmarkTimer = setInterval(sendBookmark, options.bookmarkIntervalMs);
    });
  }

  return {
    start,
    end(bucket) {
      for (const [key, group] of watches) {
        if (bucket === undefined || bucket === key) for (const watch of [...group]) watch.end();
      }
    },
    get count() {
      return [...watches.values()].reduce((sum, group) => sum + group.size, 0);
    },
  };
}
