import {
  isKubeError,
  type KubeClient,
  nodeNetworkAnnotationKey,
  nodes,
  podNetworkAnnotationKey,
  podRefusalAnnotationKey,
  pods,
  type Resource,
} from "@ovenbird/kube";
import { createKeyedQueue } from "./keyed-queue.ts";

/** What an object's annotation shall be. */
export interface Announcement {
  /** Of the object it is meant for: one that was made anew under the name is not touched. */
  readonly uid: string;
  /** Undefined where the object shall bear none. */
  readonly text: string | undefined;
}

/** What a pod's or node's network is, or why a pod has none. */
export type AnnouncementKind = "pod" | "node" | "refusal";

const annotations: Readonly<Record<AnnouncementKind, { readonly key: string; readonly resource: Resource }>> = {
  pod: { key: podNetworkAnnotationKey, resource: pods },
  node: { key: nodeNetworkAnnotationKey, resource: nodes },
  refusal: { key: podRefusalAnnotationKey, resource: pods },
};

export interface AnnouncerOptions {
  readonly client: Pick<KubeClient, "patch">;
  /** What is to be written now; undefined when nothing is: the object is gone, not committed, or says it already. */
  readonly pod: (key: string) => Announcement | undefined;
  readonly node: (key: string) => Announcement | undefined;
  readonly refusal: (key: string) => Announcement | undefined;
  readonly onResult?: (kind: AnnouncementKind, result: "written" | "gone" | "failed", durationMs: number) => void;
  readonly onError?: (kind: AnnouncementKind, key: string, error: unknown, retryInMs: number | undefined) => void;
  /** PATCHes under way at once; default 64. */
  readonly concurrency?: number;
}

/** Tells nodes' agents, by annotations, what was committed for their pods and for themselves. */
export interface Announcer {
  pod(key: string): void;
  node(key: string): void;
  refusal(key: string): void;
  readonly pending: number;
  idle(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The object is gone; its own event tells what to do. Not so a conflict: the object may be another one by now, of which
 * the watch will tell, but it may as well have been written by many at once.
 */
const isGone = (error: unknown): boolean => isKubeError(error, "NOT_FOUND", "GONE");
/** What no repetition mends: a later event of the object asks anew. */
const isHopeless = (error: unknown): boolean =>
  isKubeError(error, "BAD_REQUEST", "INVALID", "REQUEST_TOO_LARGE", "ABORTED", "CLOSED");

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { client, onResult, onError, concurrency = 64 } = options;

  function queueFor(kind: AnnouncementKind) {
    const { key: annotation, resource } = annotations[kind];
    return createKeyedQueue({
      concurrency,
      isRetried: (error) => !isHopeless(error),
      onError: (key, error, retryInMs) => onError?.(kind, key, error, retryInMs),
      async work(key) {
        const wanted = options[kind](key);
        if (wanted === undefined) return;
        const slash = key.indexOf("/");
        const target = slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
        const body = { metadata: { uid: wanted.uid, annotations: { [annotation]: wanted.text ?? null } } };
        const began = performance.now();
        try {
          await client.patch(resource, target, body, { type: "merge" });
          onResult?.(kind, "written", performance.now() - began);
        } catch (error) {
          const gone = isGone(error);
          onResult?.(kind, gone ? "gone" : "failed", performance.now() - began);
          if (!gone) throw error;
        }
      },
    });
  }

  const queues = { pod: queueFor("pod"), node: queueFor("node"), refusal: queueFor("refusal") };
  const all = Object.values(queues);
  return {
    pod: (key) => queues.pod.add(key),
    node: (key) => queues.node.add(key),
    refusal: (key) => queues.refusal.add(key),
    get pending() {
      return all.reduce((sum, { pending }) => sum + pending, 0);
    },
    async idle() {
      await Promise.all(all.map((queue) => queue.idle()));
    },
    async close() {
      await Promise.all(all.map((queue) => queue.close()));
    },
  };
}
