import {
  type AddressPoolStatus,
  addressPools,
  apiVersionOf,
  type EventRecorder,
  type EventSubject,
  isKubeError,
  type KubeClient,
  type ReflectorEvent,
  type Resource,
  services,
} from "@ovenbird/kube";
import type { Observable, Subscription } from "rxjs";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { AddressPoolRecord } from "../state/address-pool.ts";
import type { NodeRecord } from "../state/node.ts";
import { createKeyedQueue } from "../status/keyed-queue.ts";
import { eventReason } from "../status/reporter.ts";
import { createWritePace } from "../status/write-pace.ts";
import { type AddressRange, formatRange } from "./address-range.ts";
import { type BalancedService, createAllocator } from "./allocator.ts";
import type { PoolProblem } from "./pool-problem.ts";
import { poolStatus, saysAlready } from "./pool-status.ts";
import { rangesOfNetworks, rangesOfNode } from "./reserved-ranges.ts";

export interface AddressPoolsOptions {
  readonly client: Pick<KubeClient, "patch">;
  readonly recorder: Pick<EventRecorder, "event">;
  readonly network: Pick<NetworkConfig, "families" | "services" | "infrastructure">;
  readonly services: Observable<ReflectorEvent<BalancedService>>;
  readonly nodes: Observable<ReflectorEvent<NodeRecord>>;
  readonly pools: Observable<ReflectorEvent<AddressPoolRecord>>;
  readonly onProblem?: (object: { readonly kind: string; readonly key: string }, problem: PoolProblem) => void;
  readonly onWriteError?: (kind: string, key: string, error: unknown, retryInMs: number | undefined) => void;
  /** A watch ended. */
  readonly failed?: (error: unknown) => void;
  readonly now?: () => Date;
}

/**
 * The allocation of addresses for one term of leadership: it follows Services, nodes and pools and writes `status.loadBalancer` of Services and `status` of pools. It does nothing until all three have synced.
 */
export interface AddressPools {
  readonly pending: number;
  /** Resolves when all that is decided is written. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

type Change<T> = Exclude<ReflectorEvent<T>, { readonly kind: "synced" }>;

const isHopeless = (error: unknown): boolean =>
  isKubeError(error, "BAD_REQUEST", "INVALID", "REQUEST_TOO_LARGE", "ABORTED", "CLOSED");

export function createAddressPools(options: AddressPoolsOptions): AddressPools {
  const { client, recorder, network, onProblem, onWriteError, failed, now = () => new Date() } = options;
  const allocator = createAllocator();
  const known = new Map<string, BalancedService>();
  const nodeRanges = new Map<string, { readonly text: string; readonly ranges: readonly AddressRange[] }>();
  const unsynced = new Set(["services", "nodes", "pools"]);
  const pace = createWritePace();
  /** What was reported of each object, so that each thing is said once. */
  const reported = new Map<string, string>();
  let begun = false;
  let closed = false;
  let scheduled: NodeJS.Immediate | undefined;
  let nodesChanged = false;

  function queueFor(kind: "Service" | "AddressPool", work: (key: string) => Promise<void>) {
    return createKeyedQueue({
      concurrency: 16,
      work,
      isRetried: (error) => !isHopeless(error),
      onError: (key, error, retryInMs) => onWriteError?.(kind, key, error, retryInMs),
    });
  }

  async function write(resource: Resource, key: string, uid: string, status: object): Promise<void> {
    const slash = key.indexOf("/");
    const target = slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    try {
      await client.patch(resource, target, { metadata: { uid }, status }, { type: "merge", subresource: "status" });
    } catch (error) {
      // Its own event tells what to do.
      if (!isKubeError(error, "NOT_FOUND", "GONE")) throw error;
    }
  }

  const serviceQueue = queueFor("Service", async (key) => {
    const service = known.get(key);
    const wanted = service && allocator.ingress(key);
    if (service === undefined || wanted === undefined || hasIngress(service, wanted)) return;
    const text = wanted.join(",");
    if (!pace.allows(key, service.uid, text)) {
      throw new Error(
        "status.loadBalancer is not yet, or no more, as it was written; it is written again after a pause",
      );
    }
    const ingress = wanted.map((ip) => ({ ip, ipMode: "VIP" }));
    await write(services, key, service.uid, { loadBalancer: { ingress: ingress.length === 0 ? null : ingress } });
    if (known.has(key)) pace.wrote(key, service.uid, text);
  });

  function statusOf(name: string): { readonly uid: string; readonly status: AddressPoolStatus } | undefined {
    const pool = allocator.pools().find(({ record }) => record.key === name);
    if (pool === undefined) return undefined;
    const status = poolStatus(pool, allocator.assigned(pool), now);
    return saysAlready(pool, status) ? undefined : { uid: pool.record.uid, status };
  }

  const poolQueue = queueFor("AddressPool", async (name) => {
    const wanted = statusOf(name);
    if (wanted !== undefined) await write(addressPools, name, wanted.uid, wanted.status);
  });

  function report(subject: EventSubject, key: string, problems: readonly PoolProblem[]): void {
    const id = `${subject.kind}/${key}`;
    const text = problems.map(({ code, message }) => `${code} ${message}`).join("\n");
    if ((reported.get(id) ?? "") === text) return;
    const before = new Set((reported.get(id) ?? "").split("\n"));
    if (text === "") reported.delete(id);
    else reported.set(id, text);
    // Events of one reason count as one that repeats, and only the last message would be seen.
    const messages = new Map<string, string[]>();
    for (const problem of problems) {
      const { code, message } = problem;
      if (before.has(`${code} ${message}`)) continue;
      messages.set(code, [...(messages.get(code) ?? []), message]);
      onProblem?.({ kind: subject.kind, key }, problem);
    }
    for (const [code, each] of messages) {
      recorder.event(subject, { type: "Warning", reason: eventReason(code), message: each.join("; ") });
    }
  }

  function serviceSubject({ key, uid }: BalancedService): EventSubject {
    const slash = key.indexOf("/");
    return { kind: "Service", apiVersion: "v1", namespace: key.slice(0, slash), name: key.slice(slash + 1), uid };
  }

  function reserve(): void {
    nodesChanged = false;
    allocator.reserve([...rangesOfNetworks(network), ...[...nodeRanges.values()].flatMap(({ ranges }) => ranges)]);
  }

  function settle(): void {
    scheduled = undefined;
    if (closed || !begun) return;
    if (nodesChanged) reserve();
    const settled = allocator.settle();
    for (const key of settled.services) {
      const service = known.get(key);
      if (service === undefined) continue;
      report(serviceSubject(service), key, allocator.problems(key));
      const wanted = allocator.ingress(key);
      if (wanted !== undefined && !hasIngress(service, wanted)) serviceQueue.add(key);
    }
    if (!settled.pools) return;
    for (const { record, problems } of allocator.pools()) {
      const { key, uid } = record;
      report({ kind: addressPools.kind, apiVersion: apiVersionOf(addressPools), name: key, uid }, key, problems);
      poolQueue.add(key);
    }
  }

  /** One decision for all that comes in one turn of the event loop. */
  function schedule(): void {
    if (begun && !closed) scheduled ??= setImmediate(settle);
  }

  function synced(kind: string): void {
    unsynced.delete(kind);
    if (unsynced.size > 0 || begun) return;
    reserve();
    allocator.begin();
    begun = true;
    schedule();
  }

  function forget(kind: string, key: string): void {
    reported.delete(`${kind}/${key}`);
    if (kind !== "Service") return;
    known.delete(key);
    pace.forget(key);
    serviceQueue.forget(key);
  }

  function service(event: Change<BalancedService>): void {
    if (event.kind === "upsert") {
      known.set(event.key, event.object);
      allocator.setService(event.object);
    } else {
      forget("Service", event.key);
      allocator.deleteService(event.key);
    }
    schedule();
  }

  function node(event: Change<NodeRecord>): void {
    const ranges = event.kind === "upsert" ? rangesOfNode(event.object) : [];
    const text = ranges.map(formatRange).join();
    if (text === (nodeRanges.get(event.key)?.text ?? "")) return;
    if (text === "") nodeRanges.delete(event.key);
    else nodeRanges.set(event.key, { text, ranges });
    nodesChanged = true;
    schedule();
  }

  function pool(event: Change<AddressPoolRecord>): void {
    if (event.kind === "upsert") allocator.setPool(event.object);
    else {
      allocator.deletePool(event.key);
      forget(addressPools.kind, event.key);
    }
    schedule();
  }

  function follow<T>(
    kind: string,
    events: Observable<ReflectorEvent<T>>,
    changed: (event: Change<T>) => void,
  ): Subscription {
    return events.subscribe({
      next(event) {
        if (event.kind === "synced") synced(kind);
        else changed(event);
      },
      error(error: unknown) {
        if (!closed) failed?.(error);
      },
    });
  }

  const following = [
    follow("services", options.services, service),
    follow("nodes", options.nodes, node),
    follow("pools", options.pools, pool),
  ];

  return {
    get pending() {
      return serviceQueue.pending + poolQueue.pending;
    },
    async idle() {
      while (scheduled !== undefined) await new Promise((resolve) => setImmediate(resolve));
      await Promise.all([serviceQueue.idle(), poolQueue.idle()]);
    },
    async close() {
      closed = true;
      for (const subscription of following) subscription.unsubscribe();
      clearImmediate(scheduled);
      await Promise.all([serviceQueue.close(), poolQueue.close()]);
    },
  };
}

/** Whether the status has these addresses and nothing else. An old API server leaves out `ipMode`, so it doesn't count. */
function hasIngress({ loadBalancer }: BalancedService, wanted: readonly string[]): boolean {
  const entries = JSON.parse(loadBalancer?.ingressText ?? "[]") as readonly unknown[];
  const ingress = loadBalancer?.ingress ?? [];
  return entries.length === wanted.length && wanted.every((address, index) => ingress[index] === address);
}
