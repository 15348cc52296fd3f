import type { KubeConnection } from "./connection.ts";
import type { Discovery } from "./discovery.ts";
import type { Logger } from "./logger.ts";
import type { KubeObject } from "./object.ts";
import type { JsonPatchOperation, PatchType } from "./patch.ts";
import type { ObjectTarget, Resource } from "./resource.ts";

export interface KubeClientOptions {
  readonly logger?: Logger;
  /** Bound on one request from call to answer, retries included; default 30,000 ms. */
  readonly requestTimeoutMs?: number;
  /** Connections for requests; watches have their own, one each. Default 64. */
  readonly maxSockets?: number;
  /** Bound on one answer's body; default 256 MiB. */
  readonly maxResponseBytes?: number;
  /** Bound on one line of a watch, that is on one object; default 16 MiB. */
  readonly maxWatchLineBytes?: number;
  /** Default `ovenbird`. */
  readonly userAgent?: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number;
}

export interface WriteOptions extends CallOptions {
  /** `status`, `scale`, `eviction`, … */
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  /** Asks for `metadata` alone as the answer (where the server can), which spares both sides the rest of the object. */
  readonly metadataOnly?: boolean;
}

export interface PatchOptions extends WriteOptions {
  readonly type: PatchType;
  /** For `apply` only: take over fields that others manage. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  /** CONFLICT unless the object still is this one. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

export interface Selection {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends Selection, CallOptions {
  /** Objects per request; default 500. 0 asks for all of them at once. */
  readonly pageSize?: number;
}

export interface ListPageOptions extends Selection, CallOptions {
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface ListPage<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Where the next page begins; undefined on the last. */
  readonly continue: string | undefined;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string;
  /** The server ends the watch after so long. */
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** One line of a watch, decoded. `type` is ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, unless the server is astray. */
export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

export interface RawRequest extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS";
  /** From the root of the API, with its query: `/version`, `/apis/…?…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * The Kubernetes API. Objects come back as the server sent them: a type argument is the caller's claim, not checked.
 * Everything rejects with KubeError; answers 429 and 503 that bear Retry-After are tried again within the request's time.
 */
export interface KubeClient {
  readonly connection: KubeConnection;
  get<T = KubeObject>(
    resource: Resource,
    target: ObjectTarget,
    options?: CallOptions & { readonly subresource?: string },
  ): Promise<T>;
  /** All pages. A continue token that expired on the way starts it over. */
  list<T = KubeObject>(
    resource: Resource,
    options?: ListOptions,
  ): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }>;
  listPage<T = KubeObject>(resource: Resource, options?: ListPageOptions): Promise<ListPage<T>>;
  create<T = KubeObject>(
    resource: Resource,
    target: { readonly namespace?: string | undefined; readonly name?: string },
    body: object,
    options?: WriteOptions,
  ): Promise<T>;
  /** CONFLICT where the body's `resourceVersion` is not the current one. */
  replace<T = KubeObject>(resource: Resource, target: ObjectTarget, body: object, options?: WriteOptions): Promise<T>;
  patch<T = KubeObject>(
    resource: Resource,
    target: ObjectTarget,
    body: object | readonly JsonPatchOperation[],
    options: PatchOptions,
  ): Promise<T>;
  /** The object as it was left (it may live on for its finalizers), or the server's Status. */
  delete<T = KubeObject>(resource: Resource, target: ObjectTarget, options?: DeleteOptions): Promise<T>;
  /**
   * One watch, until the server ends it (resolves) or it breaks (rejects).
   * `onEvent` is called synchronously for each line; an ERROR event rejects with the error it stands for.
   */
  watch(resource: Resource, options: WatchOptions, onEvent: (event: WatchEvent) => void): Promise<void>;
  discover(options?: CallOptions): Promise<Discovery>;
  /** The answer whatever its status, for what has no verb here. */
  request(request: RawRequest): Promise<RawResponse>;
  /** Ends what is under way with CLOSED. */
  close(): Promise<void>;
}
