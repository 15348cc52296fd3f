import type { NetworkConfig } from "../ipam/network-config.ts";
import type { EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { ServiceRecord } from "../state/service.ts";
import type { Bundle, BundleChange } from "../translate/desired.ts";
import { serviceOwner } from "../translate/load-balancer.ts";
import { type PreviousBackends, serviceBundle } from "../translate/service.ts";
import { type ServiceDependencies, serviceDependencies } from "../translate/service-endpoints.ts";
import type { ServiceNodes } from "../translate/service-nodes.ts";
import { clusterVipsOf, vipsOf } from "../translate/service-vips.ts";
import type { ProblemLog } from "./problem-log.ts";
import { sameEndpoints } from "./same-endpoints.ts";
import type { NodeChanges } from "./service-node-index.ts";
import { createVipClaims } from "./vip-claims.ts";

export interface ServiceGraphOptions {
  readonly network: NetworkConfig;
  readonly nodes: ServiceNodes;
  readonly problems: ProblemLog;
  /** What the database holds of a service that has no bundle yet: the order of backends is kept over a restart. */
  readonly restored: PreviousBackends;
  /** Whether pods may leave by addresses of their own. */
  readonly outlets: () => boolean;
}

/** The part of the graph that makes bundles of services; an event or a node costs the services that it concerns. */
export interface ServiceGraph {
  applyService(key: string, service: ServiceRecord | undefined): void;
  applySlice(key: string, slice: EndpointSliceRecord | undefined): void;
  /** Marks the services for which a change of nodes matters. */
  applyNodes(changes: NodeChanges): void;
  /** Pods may leave by addresses of their own now, or may no more. */
  touchOutlets(): void;
  flush(): { readonly gone: readonly BundleChange[]; readonly changed: readonly BundleChange[] };
  bundleOf(key: string): Bundle | undefined;
  /** The newest that were applied. */
  readonly records: ReadonlyMap<string, ServiceRecord>;
  slicesOf(service: string): readonly EndpointSliceRecord[];
  /** The service that a slice is of, by the slice's key. */
  serviceOf(slice: string): string | undefined;
  readonly endpoints: number;
}

/** Which services depend on something named by a text. */
class Dependents {
  readonly #services = new Map<string, Set<string>>();

  add(service: string, names: ReadonlySet<string>): void {
    for (const name of names) {
      const services = this.#services.get(name);
      if (services === undefined) this.#services.set(name, new Set([service]));
      else services.add(service);
    }
  }

  remove(service: string, names: ReadonlySet<string>): void {
    for (const name of names) {
      const services = this.#services.get(name);
      services?.delete(service);
      if (services?.size === 0) this.#services.delete(name);
    }
  }

  of(name: string): Iterable<string> {
    return this.#services.get(name) ?? [];
  }
}

export function createServiceGraph(options: ServiceGraphOptions): ServiceGraph {
  const { network, nodes, problems, restored, outlets } = options;
  const services = new Map<string, ServiceRecord>();
  const slices = new Map<string, EndpointSliceRecord>();
  const slicesOf = new Map<string, Map<string, EndpointSliceRecord>>();
  const bundles = new Map<string, Bundle>();
  const claims = createVipClaims();
  /** Those only that depend on some node or address, or on the number of addresses. */
  const dependencies = new Map<string, ServiceDependencies>();
  const onNode = new Dependents();
  const onAddress = new Dependents();
  const onSlots = new Set<string>();
  const dirty = new Set<string>();
  let endpoints = 0;

  function forgetDependencies(key: string): void {
    const former = dependencies.get(key);
    if (former === undefined) return;
    onNode.remove(key, former.nodes);
    onAddress.remove(key, former.addresses);
    onSlots.delete(key);
    dependencies.delete(key);
  }

  function noteDependencies(key: string, service: ServiceRecord, own: readonly EndpointSliceRecord[]): void {
    forgetDependencies(key);
    const found = serviceDependencies(network, service, own);
    if (!found.slots && found.nodes.size === 0 && found.addresses.size === 0) return;
    dependencies.set(key, found);
    onNode.add(key, found.nodes);
    onAddress.add(key, found.addresses);
    if (found.slots) onSlots.add(key);
  }

  function detach(slice: EndpointSliceRecord): void {
    endpoints -= slice.endpoints.length;
    if (slice.service === undefined) return;
    const siblings = slicesOf.get(slice.service);
    siblings?.delete(slice.key);
    if (siblings?.size === 0) slicesOf.delete(slice.service);
    dirty.add(slice.service);
  }

  function attach(slice: EndpointSliceRecord): void {
    endpoints += slice.endpoints.length;
    if (slice.service === undefined) return;
    const siblings = slicesOf.get(slice.service);
    if (siblings === undefined) slicesOf.set(slice.service, new Map([[slice.key, slice]]));
    else siblings.set(slice.key, slice);
    dirty.add(slice.service);
  }

  function previousOf(key: string): PreviousBackends {
    const before = bundles.get(key);
    if (before === undefined) return restored;
    const rows = new Map(before.rows.map((row) => [row.uuid, row]));
    return (uuid, vip) => (rows.get(uuid)?.columns.vips as Readonly<Record<string, string>> | undefined)?.[vip];
  }

  function remake(key: string): Bundle | undefined {
    const service = services.get(key);
    if (service === undefined) {
      forgetDependencies(key);
      problems.forget("Service", key);
      return undefined;
    }
    const own = [...(slicesOf.get(key)?.values() ?? [])];
    if (own.length > 1) own.sort((one, other) => (one.key < other.key ? -1 : 1));
    noteDependencies(key, service, own);
    const outcome = serviceBundle(network, {
      ...{ service, refused: claims.refused(key), slices: own, nodes, previous: previousOf(key) },
      outlets: outlets(),
    });
    problems.set({ kind: "Service", key, uid: service.uid }, outcome.problems);
    return outcome.bundle;
  }

  return {
    applyService(key, service) {
      if (service === undefined) services.delete(key);
      else services.set(key, service);
      dirty.add(key);
      const vips = service === undefined ? [] : vipsOf(service);
      const own = service === undefined ? 0 : clusterVipsOf(service);
      for (const other of claims.set(key, service?.createdAt ?? "", vips, own)) dirty.add(other);
    },
    applySlice(key, slice) {
      const before = slices.get(key);
      if (slice === undefined) slices.delete(key);
      else slices.set(key, slice);
      if (before !== undefined && slice !== undefined && sameEndpoints(before, slice)) return;
      if (before !== undefined) detach(before);
      if (slice !== undefined) attach(slice);
    },
    applyNodes(changes) {
      const { added, removed } = changes.zones;
      if (added.length + removed.length > 0) for (const key of services.keys()) dirty.add(key);
      if (changes.slots) for (const key of onSlots) dirty.add(key);
      for (const name of changes.nodes) for (const key of onNode.of(name)) dirty.add(key);
      for (const address of changes.addresses) for (const key of onAddress.of(address)) dirty.add(key);
    },
    touchOutlets() {
      for (const [key, { externalLocal }] of services) if (externalLocal) dirty.add(key);
    },
    flush() {
      const gone: BundleChange[] = [];
      const changed: BundleChange[] = [];
      for (const key of dirty) {
        const bundle = remake(key);
        if (bundle !== undefined) {
          bundles.set(key, bundle);
          changed.push({ owner: serviceOwner(key), bundle });
        } else if (bundles.delete(key)) gone.push({ owner: serviceOwner(key), bundle });
      }
      dirty.clear();
      return { gone, changed };
    },
    bundleOf: (key) => bundles.get(key),
    records: services,
    slicesOf: (service) => [...(slicesOf.get(service)?.values() ?? [])],
    serviceOf: (slice) => slices.get(slice)?.service,
    get endpoints() {
      return endpoints;
    },
  };
}
