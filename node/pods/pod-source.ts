import {
  type AnnotationResult,
  type KubeObject,
  type PodNetworkAnnotation,
  type PodRefusalAnnotation,
  podNetworkAnnotation,
  podNetworkAnnotationKey,
  podRefusalAnnotation,
  podRefusalAnnotationKey,
  type ReflectorEvent,
  readAnnotation,
} from "@ovenbird/kube";
import type { Observable } from "rxjs";

/** A pod of this node, as far as the agent looks at it. */
export interface PodView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** What kubelet calls a static pod to the runtime, where the API has its mirror with another uid. */
  readonly staticUid: string | undefined;
  /** The controller's annotation; one that was written for another pod (copied by a template) counts as absent. */
  readonly network: AnnotationResult<PodNetworkAnnotation>;
  /** Why the controller gives this very pod no network. */
  readonly refusal: PodRefusalAnnotation | undefined;
}

/** The controller has refused the pod a network; `code` is one of the controller's. */
export class PodRefused extends Error {
  readonly code: string;

  constructor({ code, message }: PodRefusalAnnotation) {
    super(message);
    this.name = "PodRefused";
    this.code = code;
  }
}

export type NetworkedPod = PodView & {
  readonly network: { readonly kind: "valid"; readonly value: PodNetworkAnnotation };
};

/** The pods of this node, pushed by the Kubernetes watch. */
export interface PodSource {
  /** @param key `namespace/name` */
  get(key: string): PodView | undefined;
  /**
   * Waits until the pod has its network; resolves at once when it has.
   * @param uid when given, only this incarnation of the pod counts
   * @throws {PodRefused} as soon as the controller has refused it; the signal's reason
   */
  waitFor(key: string, uid: string | undefined, signal: AbortSignal): Promise<NetworkedPod>;
  /** Resolves when all pods of the node are known. @throws the signal's reason */
  synced(signal?: AbortSignal): Promise<void>;
  readonly isSynced: boolean;
  close(): void;
}

/** Keeps what the agent needs of a pod; to be given to `reflect`. @throws {TypeError} when the object is no pod */
export function projectPod(raw: unknown): PodView {
  const { metadata } = raw as KubeObject;
  if (metadata?.name === undefined || metadata.uid === undefined) throw new TypeError("a pod without name or uid");
  const { namespace = "", name, uid, annotations } = metadata;
  return Object.freeze({
    namespace,
    name,
    uid,
    staticUid: annotations?.["kubernetes.io/config.mirror"],
    network: networkOf(uid, `${namespace}_${name}`, annotations?.[podNetworkAnnotationKey]),
    refusal: refusalOf(uid, annotations?.[podRefusalAnnotationKey]),
  });
}

/** One that can't be read, or was written for another pod, counts as absent: then the pod waits for its network. */
function refusalOf(uid: string, text: string | undefined): PodRefusalAnnotation | undefined {
  const refusal = readAnnotation(podRefusalAnnotation, text);
  return refusal.kind === "valid" && refusal.value.uid === uid ? refusal.value : undefined;
}

/** @param ownPort the only port that the pod may have: whoever may write annotations must not bind it to another's */
function networkOf(uid: string, ownPort: string, text: string | undefined): AnnotationResult<PodNetworkAnnotation> {
  const network = readAnnotation(podNetworkAnnotation, text);
  if (network.kind !== "valid") return network;
  if (network.value.uid !== uid) return { kind: "absent" };
  if (network.value.port === ownPort) return network;
  return { kind: "invalid", reason: `port ${network.value.port} is not the pod's own, ${ownPort}` };
}

interface Waiter {
  readonly uid: string | undefined;
  settle(pod: NetworkedPod): void;
  fail(reason: PodRefused): void;
}

/** @param events of the pods with `spec.nodeName` of this node, projected by {@link projectPod} */
export function createPodSource(events: Observable<ReflectorEvent<PodView>>): PodSource {
  const pods = new Map<string, PodView>();
  const waiters = new Map<string, Set<Waiter>>();
  const firstSync = Promise.withResolvers<void>();
  let isSynced = false;

  const subscription = events.subscribe((event) => {
    switch (event.kind) {
      case "upsert":
        pods.set(event.key, event.object);
        for (const waiter of [...(waiters.get(event.key) ?? [])]) {
          const refused = refusalFor(event.object, waiter.uid);
          if (isWanted(event.object, waiter.uid)) waiter.settle(event.object);
          else if (refused !== undefined) waiter.fail(refused);
        }
        return;
      case "delete":
        pods.delete(event.key);
        return;
      case "synced":
        isSynced = true;
        firstSync.resolve();
        return;
    }
  });

  return {
    get: (key) => pods.get(key),
    waitFor(key, uid, signal) {
      const pod = pods.get(key);
      if (pod !== undefined && isWanted(pod, uid)) return Promise.resolve(pod);
      const refused = pod === undefined ? undefined : refusalFor(pod, uid);
      if (refused !== undefined) return Promise.reject(refused);
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const waiting = waiters.get(key) ?? new Set<Waiter>();
        waiters.set(key, waiting);
        const end = () => {
          waiting.delete(waiter);
          if (waiting.size === 0) waiters.delete(key);
          signal.removeEventListener("abort", onAbort);
        };
        const waiter: Waiter = {
          uid,
          settle(found) {
            end();
            resolve(found);
          },
          fail(reason) {
            end();
            reject(reason);
          },
        };
        const onAbort = () => {
          end();
          reject(signal.reason);
        };
        waiting.add(waiter);
        signal.addEventListener("abort", onAbort);
      });
    },
    synced(signal) {
      if (isSynced || signal === undefined) return firstSync.promise;
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const onAbort = () => reject(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        firstSync.promise.then(() => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        });
      });
    },
    get isSynced() {
      return isSynced;
    },
    close: () => subscription.unsubscribe(),
  };
}

function isWanted(pod: PodView, uid: string | undefined): pod is NetworkedPod {
  return pod.network.kind === "valid" && isIncarnation(pod, uid);
}

/** A network outweighs a refusal, which is about to go then. */
function refusalFor(pod: PodView, uid: string | undefined): PodRefused | undefined {
  if (pod.refusal === undefined || pod.network.kind === "valid" || !isIncarnation(pod, uid)) return undefined;
  return new PodRefused(pod.refusal);
}

/** Whether a pod is the one that the runtime means by this uid; a runtime that gives none means the one there is. */
export function isIncarnation(pod: PodView, uid: string | undefined): boolean {
  return uid === undefined || pod.uid === uid || pod.staticUid === uid;
}
