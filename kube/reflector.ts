import { Observable } from "rxjs";
import type { KubeClient, Selection } from "./client.ts";
import { KubeError } from "./error.ts";
import type { Logger } from "./logger.ts";
import type { Resource } from "./resource.ts";

export type ReflectorEvent<T> =
  /** The object is new (`old` absent) or was changed. */
  | { readonly kind: "upsert"; readonly key: string; readonly object: T; readonly old?: T }
  /** The object is gone, or no longer selected; `object` is its last known state. */
  | { readonly kind: "delete"; readonly key: string; readonly object: T }
  /** A list is complete: everything that exists has been told, everything that is gone too. */
  | { readonly kind: "synced" };

/** What a reflector ran into; none of it ends it. */
export type ReflectorProblem =
  /** `project` threw: the object stays as it last could be read. */
  | { readonly kind: "unreadable"; readonly key: string; readonly error: unknown }
  /** Listing or watching failed; tried again after `retryInMs`. */
  | { readonly kind: "failed"; readonly error: KubeError; readonly retryInMs: number };

export interface ReflectOptions<T> extends Selection {
  /** Keeps what is of use; called once per version of an object. The raw object is let go right after. */
  readonly project: (raw: unknown) => T;
  /** Objects per list request; default 500. */
  readonly pageSize?: number;
  readonly logger?: Logger;
  readonly onProblem?: (problem: ReflectorProblem) => void;
  /** Bounds of the pause after a failure; default 200 ms to 30 s. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
  /** A watch is renewed after this long to twice this long; default 300 s. */
  readonly watchSeconds?: number;
}

export function reflect<T>(
  _client: KubeClient,
  resource: Resource,
  _options: ReflectOptions<T>,
): Observable<ReflectorEvent<T>> {
  return new Observable((subscriber) => subscriber.error(new KubeError("CLOSED", `cannot reflect ${resource.plural}`)));
}
