import {
  isKubeError,
  type KubeClient,
  providerNetworkFinalizer,
  type ReflectorEvent,
  subnetFinalizer,
  tenantFinalizer,
} from "@ovenbird/kube";
import type { Observable, Subscription } from "rxjs";
import { type ResourceConditions, resourceId } from "../graph/resource-conditions.ts";
import type { ObjectProblem, Problem, ResourceKind } from "../state/object-problem.ts";
import { resourceKinds } from "../state/resource-kinds.ts";
import type { ResourceRecord } from "../state/selection.ts";
import { createKeyedQueue } from "./keyed-queue.ts";
import { ownConditions, wantedStatus } from "./wanted-status.ts";
import { createWritePace, type WritePaceOptions } from "./write-pace.ts";

export interface ResourceStatusOptions {
  readonly client: Pick<KubeClient, "patch">;
  readonly resources: Partial<Readonly<Record<ResourceKind, Observable<ReflectorEvent<ResourceRecord>>>>>;
  /** What the graph makes of an object; undefined where it says nothing. */
  readonly conditions: (kind: ResourceKind, key: string) => ResourceConditions | undefined;
  /** Whether the graph knows all there is: before that nothing is written. */
  readonly isReady: () => boolean;
  /** Each is told once. */
  readonly onProblem: (problem: ObjectProblem) => void;
  readonly onWriteError?: (object: string, error: unknown, retryInMs: number | undefined) => void;
  readonly now?: () => Date;
  readonly pace?: WritePaceOptions;
  /** How long numbers that changed may wait; default 1,000. */
  readonly countPauseMs?: number;
}

/** Writes `status` of Ovenbird's own kinds and the finalizers of Tenants, Subnets and ProviderNetworks, for one term of leadership. */
export interface ResourceStatus {
  /** The graph may make something else of it now. */
  changed(kind: ResourceKind, key: string): void;
  /** The graph knows all there is. */
  begin(): void;
  uidOf(kind: ResourceKind, key: string): string | undefined;
  readonly pending: number;
  /** Resolves when all that has to be said is written, but for numbers that wait. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** Kinds that stay while they are in use, and what keeps them. */
const finalizers: Partial<Readonly<Record<ResourceKind, string>>> = {
  Tenant: tenantFinalizer,
  Subnet: subnetFinalizer,
  ProviderNetwork: providerNetworkFinalizer,
};

const isHopeless = (error: unknown): boolean =>
  isKubeError(error, "BAD_REQUEST", "INVALID", "REQUEST_TOO_LARGE", "ABORTED", "CLOSED");

interface Known {
  readonly kind: ResourceKind;
  readonly record: ResourceRecord;
}

export function createResourceStatus(options: ResourceStatusOptions): ResourceStatus {
  const { client, onProblem, onWriteError, now = () => new Date(), countPauseMs = 1_000 } = options;
  const known = new Map<string, Known>();
  /** By object, what was told of it. */
  const told = new Map<string, string>();
  /** Objects whose numbers were written within the pause, or wait for its end. */
  const resting = new Map<string, NodeJS.Timeout>();
  const pace = createWritePace(options.pace);
  let closed = false;

  const stateOf = ({ kind, record }: Known): ResourceConditions | undefined =>
    options.conditions(kind, record.key) ?? ownConditions(kind, record);

  function targetOf({ kind, record: { key } }: Known) {
    const slash = key.indexOf("/");
    return resourceKinds[kind].namespaced
      ? { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
      : { name: key };
  }

  async function patch(object: Known, body: object, subresource: { readonly subresource?: "status" }): Promise<void> {
    const { kind, record } = object;
    const text = JSON.stringify(body);
    const id = `${resourceId(kind, record.key)}${subresource.subresource ?? ""}`;
    if (!pace.allows(id, record.uid, text)) {
      throw new Error("the object is not yet, or no more, as it was written; it is written again after a pause");
    }
    try {
      await client.patch(resourceKinds[kind], targetOf(object), body, { type: "merge", ...subresource });
    } catch (error) {
      // Its own event tells what to do.
      if (!isKubeError(error, "NOT_FOUND", "GONE")) throw error;
    }
    if (known.has(resourceId(kind, record.key))) pace.wrote(id, record.uid, text);
  }

  /** An object bears its finalizer from the beginning, and while somebody has an address by it. */
  function wantedFinalizers({ kind, record }: Known, state: ResourceConditions): readonly string[] | undefined {
    const finalizer = finalizers[kind];
    if (finalizer === undefined) return undefined;
    const has = record.finalizers.includes(finalizer);
    const isWanted = record.deleting ? has && state.isInUse : true;
    if (has === isWanted) return undefined;
    return isWanted ? [...record.finalizers, finalizer] : record.finalizers.filter((each) => each !== finalizer);
  }

  async function work(id: string): Promise<void> {
    const object = known.get(id);
    const state = object && stateOf(object);
    if (object === undefined || state === undefined || !options.isReady()) return;
    const { record } = object;
    const wantedOnes = wantedFinalizers(object, state);
    if (wantedOnes !== undefined) {
      // A list of somebody else's must not be lost: the version makes the API server compare.
      const { uid, resourceVersion } = record;
      await patch(object, { metadata: { uid, resourceVersion, finalizers: wantedOnes } }, {});
      if (record.deleting) return;
    }
    const wanted = wantedStatus(record, state, now);
    tell(id, object, state.problems, wanted === undefined);
    if (wanted === undefined || (!wanted.isUrgent && resting.has(id))) return;
    await patch(object, { metadata: { uid: record.uid }, status: wanted.status }, { subresource: "status" });
    rest(id);
  }

  /** Numbers change with each pod; they are written once in a while. */
  function rest(id: string): void {
    clearTimeout(resting.get(id));
    const timer = setTimeout(() => {
      resting.delete(id);
      if (!closed && known.has(id)) queue.add(id);
    }, countPauseMs);
    timer.unref();
    resting.set(id, timer);
  }

  const queue = createKeyedQueue({
    concurrency: 16,
    isRetried: (error) => !isHopeless(error),
    ...(onWriteError === undefined ? {} : { onError: onWriteError }),
    work,
  });

  function tell(id: string, { kind, record }: Known, problems: readonly Problem[], isSaid: boolean): void {
    const before = told.get(id) ?? "";
    const lines = problems.map(({ code, message }) => `${code} ${message}`);
    const text = lines.join("\n");
    if (before === text) return;
    const isSaidBefore = new Set(before.split("\n"));
    if (text === "") told.delete(id);
    else told.set(id, text);
    if (isSaid) return;
    // Events of one reason count as one that repeats, and only the last message would be seen.
    const messages = new Map<Problem["code"], string[]>();
    for (const [index, { code, message }] of problems.entries()) {
      if (!isSaidBefore.has(lines[index] ?? "")) messages.set(code, [...(messages.get(code) ?? []), message]);
    }
    for (const [code, each] of messages) {
      onProblem({ object: { kind, key: record.key, uid: record.uid }, code, message: each.join("; ") });
    }
  }

  function forget(id: string): void {
    known.delete(id);
    told.delete(id);
    clearTimeout(resting.get(id));
    resting.delete(id);
    pace.forget(id);
    pace.forget(`${id}status`);
    queue.forget(id);
  }

  function follow(kind: ResourceKind, events: Observable<ReflectorEvent<ResourceRecord>>): Subscription {
    return events.subscribe({
      next(event) {
        if (event.kind === "synced") return;
        const id = resourceId(kind, event.key);
        if (event.kind === "delete") {
          forget(id);
          return;
        }
        known.set(id, { kind, record: event.object });
        if (options.isReady()) queue.add(id);
      },
      // Whoever follows the same watch to carry it out ends with it.
      error: () => {},
    });
  }

  const following = Object.entries(options.resources).map(([kind, events]) => follow(kind as ResourceKind, events));

  return {
    changed(kind, key) {
      const id = resourceId(kind, key);
      if (known.has(id)) queue.add(id);
    },
    begin() {
      for (const id of known.keys()) queue.add(id);
    },
    uidOf: (kind, key) => known.get(resourceId(kind, key))?.record.uid,
    get pending() {
      return queue.pending;
    },
    idle: () => queue.idle(),
    async close() {
      closed = true;
      for (const subscription of following) subscription.unsubscribe();
      for (const timer of resting.values()) clearTimeout(timer);
      resting.clear();
      await queue.close();
    },
  };
}
