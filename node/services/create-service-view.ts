import {
  addressPools,
  endpointSlices,
  isKubeError,
  type KubeClient,
  nodes,
  type ReflectOptions,
  type Resource,
  reflect,
  services,
} from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { projectEndpoints, type SliceView } from "./project-endpoints.ts";
import { projectPeerNode } from "./project-node.ts";
import { projectPool } from "./project-pool.ts";
import { projectService, type ServiceSpec } from "./project-service.ts";
import type { IpFamily, NodeService, PeerNode, PoolView, ServiceView, ViewChange } from "./service-view.ts";

export interface ServiceViewOptions {
  readonly client: Pick<KubeClient, "listPage" | "watch">;
  readonly nodeName: string;
  readonly logger: Logger;
}

const noNodes: ReadonlySet<string> = new Set();
const noEndpoints = Object.freeze({ ipv4: 0, ipv6: 0 });

/**
 * Follows Services, EndpointSlices, Nodes and AddressPools, and keeps of them only what a node needs; what changes is put
 * together once per burst of events, and only for the Services that it touches.
 */
export function createServiceView(options: ServiceViewOptions): ServiceView {
  const { client, nodeName, logger } = options;
  const listeners = new Set<(changes: ReadonlySet<ViewChange>) => void>();
  const specs = new Map<string, ServiceSpec>();
  /** By Service, then by slice. */
  const slices = new Map<string, Map<string, SliceView>>();
  const view = new Map<string, NodeService>();
  const peers = new Map<string, PeerNode>();
  const pools = new Map<string, PoolView>();
  const dirty = new Set<string>();
  const changes = new Set<ViewChange>();
  const missing = new Set(["services", "endpointslices", "nodes", "addresspools"]);
  let announced = false;
  let flushing: NodeJS.Immediate | undefined;
  const intern = createInterning();

  function soon(): void {
    flushing ??= setImmediate(flush);
  }

  function flush(): void {
    flushing = undefined;
    for (const key of dirty) {
      const spec = specs.get(key);
      const before = view.get(key);
      const after = spec && combine(spec, slices.get(key), nodeName);
      if (after === undefined ? before === undefined : sameService(before, after)) continue;
      if (after === undefined) view.delete(key);
      else view.set(key, after);
      changes.add("services");
    }
    dirty.clear();
    // The moment in which everything is known is news, even where there is nothing to know.
    const isNews = missing.size === 0 && !announced;
    announced ||= isNews;
    if (changes.size === 0 && !isNews) return;
    const told = new Set<ViewChange>(isNews ? ["services", "nodes", "pools"] : changes);
    changes.clear();
    for (const listener of listeners) listener(told);
  }

  function follow<T>(
    resource: Resource,
    project: (raw: unknown) => T,
    take: (key: string, object: T | undefined, old: T | undefined) => void,
    more: Partial<ReflectOptions<T>> = {},
  ) {
    return reflect<T>(client, resource, { project, logger: quiet(logger, "UNREACHABLE"), ...more }).subscribe({
      next(event) {
        if (event.kind === "synced") missing.delete(resource.plural);
        else if (event.kind === "upsert") take(event.key, event.object, event.old);
        else take(event.key, undefined, event.object);
        soon();
      },
      error: (error) => logger.warn({ err: error, resource: resource.plural }, "a watch has ended"),
    });
  }

  const subscriptions = [
    follow(services, projectService, (key, spec) => {
      if (spec === undefined && !specs.has(key)) return;
      if (spec === undefined) specs.delete(key);
      else specs.set(key, spec);
      dirty.add(key);
    }),
    follow(
      endpointSlices,
      (raw) => projectEndpoints(raw, intern),
      (key, slice, old) => {
        if (old !== undefined && old.service !== slice?.service) {
          removeSlice(slices, old.service, key);
          dirty.add(old.service);
        }
        if (slice === undefined) return;
        const group = slices.get(slice.service);
        if (group === undefined) slices.set(slice.service, new Map([[key, slice]]));
        else group.set(key, slice);
        dirty.add(slice.service);
      },
    ),
    follow(
      nodes,
      (raw) => projectPeerNode(raw, intern),
      (key, node, old) => {
        // A Node's status is written all the time, by its kubelet.
        if (node !== undefined && old !== undefined && samePeer(old, node)) return;
        if (node === undefined) peers.delete(key);
        else peers.set(key, node);
        changes.add("nodes");
      },
    ),
    follow(
      addressPools,
      projectPool,
      (key, pool) => {
        if (pool === undefined) pools.delete(key);
        else pools.set(key, pool);
        changes.add("pools");
      },
      {
        // A cluster without the resource has no pools: nothing to be warned of, and nothing to wait for.
        logger: quiet(logger, "UNREACHABLE", "NOT_FOUND"),
        onProblem(problem) {
          if (problem.kind !== "failed" || !isKubeError(problem.error, "NOT_FOUND", "FORBIDDEN")) return;
          if (missing.delete("addresspools")) soon();
        },
      },
    ),
  ];

  return {
    services: view,
    nodes: peers,
    pools,
    get synced() {
      return announced;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      for (const subscription of subscriptions) subscription.unsubscribe();
      clearImmediate(flushing);
      listeners.clear();
    },
  };
}

/**
 * The same logger, to which some codes are no warning. That the API can't be reached is said of the agent's own pods and
 * Node, and needs not be said of everything else.
 */
function quiet(logger: Logger, ...codes: readonly string[]): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn(fields, message) {
      const { code } = fields as { readonly code?: unknown };
      const level = typeof code === "string" && codes.includes(code) ? "debug" : "warn";
      logger[level](fields, message);
    },
  };
}

function removeSlice(slices: Map<string, Map<string, SliceView>>, service: string, key: string): void {
  const group = slices.get(service);
  group?.delete(key);
  if (group?.size === 0) slices.delete(service);
}

/** Puts a Service together with its endpoints, as far as they count for it. */
export function combine(
  spec: ServiceSpec,
  slices: ReadonlyMap<string, SliceView> | undefined,
  nodeName: string,
): NodeService {
  const { isLoadBalancer, ...service } = spec;
  if (!spec.externalLocal || slices === undefined) {
    return { ...service, localEndpoints: 0, localEndpointsOf: noEndpoints, endpointNodes: noNodes };
  }
  const all = [...slices.values()];
  const here = (family: IpFamily) => {
    const count = (kind: "ready" | "terminating") =>
      all
        .filter((slice) => slice.family === family)
        .reduce((sum, slice) => sum + slice[kind].filter((name) => name === nodeName).length, 0);
    // The last ones go on serving while they end, as long as nothing else is ready here (KEP-1669).
    return count("ready") || count("terminating");
  };
  const localEndpointsOf = { ipv4: here("ipv4"), ipv6: here("ipv6") };
  const localEndpoints = Math.max(localEndpointsOf.ipv4, localEndpointsOf.ipv6);
  const endpointNodes = isLoadBalancer
    ? new Set(all.flatMap((slice) => [...slice.ready, ...slice.terminating]))
    : noNodes;
  return { ...service, localEndpoints, localEndpointsOf, endpointNodes };
}

function sameService(before: NodeService | undefined, after: NodeService): boolean {
  if (before === undefined) return false;
  return textOf(before) === textOf(after);
}

function textOf(service: NodeService): string {
  return JSON.stringify({ ...service, endpointNodes: [...service.endpointNodes].sort() });
}

function samePeer(first: PeerNode, second: PeerNode): boolean {
  return JSON.stringify(first) === JSON.stringify(second);
}

/** Beyond so many texts those of nodes that are gone are let go, with all others. */
const mostInterned = 20_000;

/** The same string object for equal texts. */
function createInterning(): (text: string) => string {
  const texts = new Map<string, string>();
  return (text) => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    if (texts.size >= mostInterned) texts.clear();
    texts.set(text, text);
    return text;
  };
}
