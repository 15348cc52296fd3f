import {
  endpointSlices,
  isKubeError,
  type KubeClient,
  nodes,
  pods,
  type ReflectorEvent,
  type Resource,
  reflect,
  services,
} from "@ovenbird/kube";
import type { Logger } from "pino";
import { type EndpointGroup, endpointGroups } from "./desired.ts";
import { reconcileSlices } from "./reconcile.ts";
import {
  managedBy,
  managedByLabel,
  type PodRecord,
  readNode,
  readPod,
  readService,
  readSlice,
  type ServiceRecord,
  type SliceRecord,
  serviceNameLabel,
} from "./records.ts";

export interface EndpointController {
  close(): void;
}

const servicesAtOnce = 8;
const retryMs = 300;

/** Keeps the EndpointSlices of all services with selectors, as kube-controller-manager does. */
export function startEndpointController(client: KubeClient, logger: Logger): EndpointController {
  const serviceRecords = new Map<string, ServiceRecord>();
  const podRecords = new Map<string, PodRecord>();
  const podsOfNamespace = new Map<string, Map<string, PodRecord>>();
  const zones = new Map<string, string | undefined>();
  const slices = createSliceMemory();
  const missing = new Set(["services", "pods", "nodes", "slices"]);
  /** Services to look at, with the time at which the first reason to do so came. */
  const dirty = new Map<string, string>();
  const working = new Set<string>();
  let scheduled = false;
  let closed = false;

  function touch(key: string): void {
    if (!dirty.has(key)) dirty.set(key, new Date().toISOString());
    if (scheduled) return;
    scheduled = true;
    // What one piece of a watch brings is one change.
    setImmediate(work);
  }

  function work(): void {
    scheduled = false;
    if (missing.size > 0 || closed) return;
    for (const [key, since] of dirty) {
      if (working.size >= servicesAtOnce) return;
      if (working.has(key)) continue;
      dirty.delete(key);
      working.add(key);
      void sync(key, since).then(
        () => {
          working.delete(key);
          work();
        },
        (error: unknown) => {
          const expected = isKubeError(error) && ["CONFLICT", "NOT_FOUND"].includes(error.code);
          logger[expected ? "info" : "warn"]({ service: key, err: error }, "slices can't be written; trying again");
          setTimeout(() => {
            working.delete(key);
            touch(key);
          }, retryMs);
        },
      );
    }
  }

  async function sync(key: string, since: string): Promise<void> {
    const service = serviceRecords.get(key);
    const existing = slices.of(key);
    if (service === undefined) {
      for (const slice of existing) await remove(slice);
      return;
    }
    if (service.selector === undefined) return;
    const selected = [...(podsOfNamespace.get(service.namespace)?.values() ?? [])].filter((pod) =>
      selects(service, pod),
    );
    const changes = reconcileSlices(existing, endpointGroups(service, selected, zones));
    for (const group of changes.create)
      slices.written(
        await client.create(
          endpointSlices,
          { namespace: service.namespace },
          {
            ...bodyOf(group),
            metadata: { ...metadataOf(service, since), generateName: `${service.name.slice(0, 57)}-` },
          },
        ),
      );
    for (const { slice, endpoints } of changes.update) {
      const { namespace, name, resourceVersion, uid, family, ports } = slice;
      const group = { family: family === "IPv6" ? "IPv6" : "IPv4", ports, endpoints } as const;
      slices.written(
        await client.replace(
          endpointSlices,
          { namespace, name },
          {
            ...bodyOf(group),
            metadata: { ...metadataOf(service, since), name, uid, resourceVersion },
          },
        ),
      );
    }
    for (const slice of changes.remove) await remove(slice);
  }

  async function remove(slice: SliceRecord): Promise<void> {
    const { key, namespace, name, uid } = slice;
    slices.removed(key, uid);
    try {
      await client.delete(endpointSlices, { namespace, name }, { preconditions: { uid } });
    } catch (error) {
      if (isKubeError(error) && error.code === "NOT_FOUND") return;
      slices.restored(slice);
      throw error;
    }
  }

  function podChanged(key: string, pod: PodRecord | undefined): void {
    const old = podRecords.get(key);
    const namespace = (pod ?? old)?.namespace ?? "";
    const inNamespace = podsOfNamespace.get(namespace) ?? new Map<string, PodRecord>();
    podsOfNamespace.set(namespace, inNamespace);
    if (pod === undefined) {
      podRecords.delete(key);
      inNamespace.delete(key);
      if (inNamespace.size === 0) podsOfNamespace.delete(namespace);
    } else {
      podRecords.set(key, pod);
      inNamespace.set(key, pod);
    }
    for (const service of serviceRecords.values())
      if ((old !== undefined && selects(service, old)) || (pod !== undefined && selects(service, pod)))
        touch(service.key);
  }

  function follow<T>(
    resource: Resource,
    name: string,
    project: (raw: unknown) => T,
    changed: (key: string, object: T | undefined, last: T) => void,
    selection: { readonly labelSelector?: string } = {},
  ): () => void {
    const onProblem = (problem: { readonly kind: string; readonly error: unknown }) =>
      logger.warn({ problem: problem.kind, err: problem.error }, `watching ${name}`);
    const subscription = reflect<T>(client, resource, {
      ...selection,
      project,
      onProblem,
      backoff: { minMs: 100, maxMs: 2000 },
    }).subscribe((event: ReflectorEvent<T>) => {
      if (event.kind !== "synced")
        return changed(event.key, event.kind === "upsert" ? event.object : undefined, event.object);
      missing.delete(name);
      work();
    });
    return () => subscription.unsubscribe();
  }

  const ends = [
    follow(services, "services", readService, (key, service) => {
      if (service === undefined) serviceRecords.delete(key);
      else serviceRecords.set(key, service);
      touch(key);
    }),
    follow(pods, "pods", readPod, podChanged),
    follow(nodes, "nodes", readNode, (key, node) => {
      const before = zones.get(key);
      const cameOrWent = zones.has(key) !== (node !== undefined);
      if (node === undefined) zones.delete(key);
      else zones.set(key, node.zone);
      if (cameOrWent || before !== node?.zone) for (const service of serviceRecords.keys()) touch(service);
    }),
    follow(
      endpointSlices,
      "slices",
      readSlice,
      (key, slice, last) => {
        if (slice === undefined ? slices.gone(key, last) : slices.seen(slice))
          touch(`${last.namespace}/${last.service}`);
      },
      { labelSelector: `${managedByLabel}=${managedBy}` },
    ),
  ];
  return {
    close() {
      closed = true;
      for (const end of ends) end();
    },
  };
}

function selects({ namespace, selector }: ServiceRecord, pod: PodRecord): boolean {
  return (
    selector !== undefined &&
    pod.namespace === namespace &&
    Object.entries(selector).every(([label, value]) => pod.labels[label] === value)
  );
}

function metadataOf({ namespace, name, uid, labels, headless }: ServiceRecord, since: string): Record<string, unknown> {
  return {
    namespace,
    labels: {
      ...labels,
      [serviceNameLabel]: name,
      [managedByLabel]: managedBy,
      ...(headless ? { "service.kubernetes.io/headless": "" } : {}),
    },
    annotations: { "endpoints.kubernetes.io/last-change-trigger-time": since },
    ownerReferences: [{ apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true }],
  };
}

function bodyOf({ family, ports, endpoints }: EndpointGroup): object {
  return { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: family, endpoints, ports };
}

/** The slices as they are now: what was written counts before the watch has told of it. */
function createSliceMemory() {
  const byService = new Map<string, Map<string, SliceRecord>>();
  const removed = new Set<string>();

  function put(slice: SliceRecord): void {
    const service = `${slice.namespace}/${slice.service}`;
    const group = byService.get(service) ?? new Map<string, SliceRecord>();
    byService.set(service, group);
    group.set(slice.key, slice);
  }
  function drop(key: string, uid: string): boolean {
    for (const [service, group] of byService) {
      if (group.get(key)?.uid !== uid) continue;
      group.delete(key);
      if (group.size === 0) byService.delete(service);
      return true;
    }
    return false;
  }
  return {
    of: (service: string): readonly SliceRecord[] => [...(byService.get(service)?.values() ?? [])],
    written: (raw: unknown) => put(readSlice(raw)),
    removed(key: string, uid: string): void {
      drop(key, uid);
      removed.add(uid);
    },
    /** It could not be removed after all. */
    restored(slice: SliceRecord): void {
      if (removed.delete(slice.uid)) put(slice);
    },
    /** @returns whether this was news */
    seen(slice: SliceRecord): boolean {
      if (removed.has(slice.uid)) return false;
      const known = byService.get(`${slice.namespace}/${slice.service}`)?.get(slice.key);
      // The lab's API counts its versions.
      if (known?.uid === slice.uid && BigInt(known.resourceVersion) >= BigInt(slice.resourceVersion)) return false;
      put(slice);
      return true;
    },
    gone(key: string, { uid }: SliceRecord): boolean {
      return removed.delete(uid) ? false : drop(key, uid);
    },
  };
}
