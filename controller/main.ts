/**
 * The controller's composition root: all its wiring is here.
 *
 *                    ┌──────────────── while this process holds the Lease (one term) ────────────────┐
 *   Kubernetes watch │  reflectors ─▶ state ─▶ graph (ipam) ─▶ bundles ─▶ applier ── group commit ─┼─▶ NB
 *   (nodes,          │                           │                          ▲ │   (asserts the lock) │
 *    namespaces,     │                           │ what to announce         │ └─ committed ─┐        │
 *    pods, services, │                           │                          │               │        │
 *    their slices,   │                           ▼                          │               │        │
 *   Kubernetes API ◀─┼─ announcer (annotations), reporter (Events) ◀──────── replica ◀──────┼────────┼── NB
 *    policies)       │                                                                      │        │
 *                    │  southbound: chassis of nodes that are gone ─────────────────────────┼────────┼─▶ SB
 *                    └──────────────────────────────────────────────────────────────────────┴────────┘
 *   election (Lease) decides when a term begins and ends; standing by, it only keeps the replica warm.
 *   status server: /healthz, /readyz, /metrics; /v1: questions about policies and addresses, answered from memory
 */
import {
  addressPools,
  createEventRecorder,
  createKubeClient,
  domainNames,
  egressIps,
  electLeader,
  endpointSlices,
  floatingIps,
  ipAddresses,
  ipPools,
  isKubeError,
  KubeError,
  loadKubeConfig,
  namespaces,
  networkPolicies,
  nodes,
  pods,
  providerNetworks,
  type Resource,
  reflect,
  services,
  subnets,
  tenants,
} from "@ovenbird/kube";
import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import { createClient, type Lock, OvsdbError, type Replica, type UntypedModel } from "ovsdb-client-ts";
import { type Logger, pino } from "pino";
import { share } from "rxjs";
import { auditAddresses } from "./addresses/address-audit.ts";
import { addressHoldings } from "./addresses/address-holdings.ts";
import { createKeptWriter, type KeptWriter } from "./addresses/kept-writer.ts";
import { managedTables, replicaSpec } from "./apply/managed-columns.ts";
import { awaitDatabase } from "./await-database.ts";
import { type ControllerConfig, loadConfig, parseArguments } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { createDomainNames, type DomainNames } from "./domains/domain-names.ts";
import { createEngine, type Engine, reservedRows } from "./engine.ts";
import { ExplainError } from "./explain/explain-error.ts";
import { flowPortsOf } from "./explain/flow-ports.ts";
import packageJson from "./package.json" with { type: "json" };
import { policyEvents } from "./policy-events.ts";
import { type AddressPools, createAddressPools } from "./pools/address-pools.ts";
import { aclRowsOf } from "./serve/acl-rows.ts";
import { type AddressApiSource, addressApi } from "./serve/address-api.ts";
import { createMetrics } from "./serve/metrics.ts";
import { type PolicyApiSource, policyApi } from "./serve/policy-api.ts";
import { createProgrammingLatency, type ProgrammingLatency } from "./serve/programming-latency.ts";
import { type Readiness, startStatusServer } from "./serve/server.ts";
import { projectAddressPool } from "./state/address-pool.ts";
import { projectDomainName } from "./state/domain-name.ts";
import { projectEgressIp } from "./state/egress-ip.ts";
import { projectEndpointSlice } from "./state/endpoint-slice.ts";
import { projectFloatingIp } from "./state/floating-ip.ts";
import { projectIpAddress } from "./state/ip-address.ts";
import { projectIpPool } from "./state/ip-pool.ts";
import { projectNamespace } from "./state/namespace.ts";
import { projectNode } from "./state/node.ts";
import type { ObjectProblem } from "./state/object-problem.ts";
import { projectPod } from "./state/pod.ts";
import { policyKinds } from "./state/policy-kinds.ts";
import { projectProviderNetwork } from "./state/provider-network.ts";
import { isResourceKind } from "./state/resource-kinds.ts";
import { projectService } from "./state/service.ts";
import { projectSubnet } from "./state/subnet.ts";
import { projectTenant } from "./state/tenant.ts";
import { type Announcer, createAnnouncer } from "./status/announcer.ts";
import { createOutletWatch, type OutletWatch } from "./status/outlet-watch.ts";
import { createPolicyStatus, type PolicyStatus } from "./status/policy-status.ts";
import { createReporter } from "./status/reporter.ts";
import { createResourceStatus, type ResourceStatus } from "./status/resource-status.ts";
import { createSouthbound } from "./status/southbound.ts";
import { parseOwner } from "./translate/owner.ts";

/** The OVSDB lock that every northbound transaction asserts. */
export const lockName = "ovenbird";

/** What the process ends with. */
export const exitCodes = { stopped: 0, failed: 1, misconfigured: 2 } as const;

export interface Controller {
  /** Where /healthz, /readyz and /metrics are. */
  readonly url: string;
  /** Rejects when the controller can't go on, resolves when it was closed. */
  readonly ended: Promise<void>;
  /** Finishes the transaction in flight, gives back the Lease and the lock, and disconnects. */
  close(): Promise<void>;
}

interface Term {
  readonly engine: Engine;
  readonly announcer: Announcer;
  readonly addresses: AddressPools;
  readonly domains: DomainNames;
  readonly latency: ProgrammingLatency;
  readonly policies: PolicyStatus;
  readonly resources: ResourceStatus;
  readonly kept: KeptWriter;
  readonly closeOutlets: () => Promise<void>;
  readonly lock: Lock;
}

/** Starts the controller; it serves its status at once and waits for databases and API as long as it takes. */
export async function startController(config: ControllerConfig, logger: Logger): Promise<Controller> {
  const abort = new AbortController();
  const { signal } = abort;
  let endWith: (error?: unknown) => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    endWith = (error) => (error === undefined ? resolve() : reject(error));
  });
  ended.catch(() => {
    // Its reader is whoever awaits it; until somebody does it must not count as unhandled.
  });

  const kube = createKubeClient(
    loadKubeConfig({
      ...(config.kubeconfig === undefined ? {} : { path: config.kubeconfig }),
      ...(config.context === undefined ? {} : { context: config.context }),
    }),
    { logger: logger.child({ part: "kube" }) },
  );
  const database = { tls: config.tls, logger: logger.child({ part: "ovsdb" }) };
  const northbound = createClient<UntypedModel>({
    ...database,
    endpoints: config.northbound,
    database: "OVN_Northbound",
  });
  const southbound = createClient<OvnSouthbound>({
    ...database,
    endpoints: config.southbound,
    database: "OVN_Southbound",
  });

  let replica: Replica<UntypedModel> | undefined;
  let term: Term | undefined;
  let leading = false;
  let leader: string | undefined;

  const metrics = createMetrics({
    engine: () => term?.engine,
    leading: () => leading,
    northboundConnected: () => northbound.state === "connected",
    southboundConnected: () => southbound.state === "connected",
    pendingAnnouncements: () => term?.announcer.pending ?? 0,
    domainNames: () => term?.domains.size ?? 0,
  });
  const recorder = createEventRecorder(kube, { component: "ovenbird-controller", host: config.identity, logger });
  const reporter = createReporter({
    recorder,
    lease: config.lease,
    uidOf: (kind, key) => (isResourceKind(kind) ? term?.resources.uidOf(kind, key) : term?.engine.uidOf(kind, key)),
  });
  const chassis = createSouthbound({
    client: southbound,
    onError: (systemId, error) => logger.warn({ systemId, error: describe(error) }, "chassis not removed yet"),
    onRemoved: (systemId) => {
      metrics.chassisRemoved();
      logger.info({ systemId }, "chassis of a node that is gone removed");
    },
  });

  function readiness(): Readiness {
    const checks = {
      northbound: northbound.state === "connected" && replica?.synced === true,
      southbound: chassis.connected,
      // Who stands by is ready to take over; who leads is ready once all that was there is committed.
      ...(leading ? { settled: term?.engine.settled === true, lock: term?.lock.held === true } : {}),
    };
    return { ready: Object.values(checks).every(Boolean), leading, checks };
  }

  function policySource(): PolicyApiSource | undefined {
    const [current, rows] = [term, replica];
    if (current === undefined || rows === undefined) return undefined;
    const { engine } = current;
    return {
      model: () => (engine.synced ? engine.graph.model : undefined),
      flows: flowPortsOf(engine.graph),
      serviceNetworks: config.network.services.cidrs,
      acls: () => aclRowsOf(rows),
    };
  }

  /** @throws ExplainError NOT_LEADING, NOT_READY */
  function addressSource(): AddressApiSource {
    const [current, rows] = [term, replica];
    if (current === undefined || rows === undefined) {
      throw new ExplainError(
        "NOT_LEADING",
        `this controller stands by${leader === undefined ? "" : `; ${leader} leads`}`,
      );
    }
    const { engine, announcer, kept } = current;
    if (!engine.synced) throw new ExplainError("NOT_READY", "not all objects have been seen yet");
    const { ipam, subnetIpam, ipAddresses, graph } = engine;
    const holdings = () => addressHoldings({ network: config.network, ipam, subnetIpam });
    return {
      holdings,
      audit: () =>
        auditAddresses({
          holdings: holdings(),
          rows: reservedRows(rows),
          pods: graph.model.pods,
          ipAddresses,
          isSettled: engine.applier.dirtyOwners === 0 && announcer.pending === 0 && kept.pending === 0,
        }),
    };
  }

  function reflected<T>(resource: Resource, project: (raw: unknown) => T) {
    return reflect(kube, resource, {
      project,
      logger,
      onProblem: (problem) =>
        logger.warn(
          { ...problem, error: describe(problem.error), resource: resource.plural },
          "watch is in trouble and goes on",
        ),
    });
  }

  /** A cluster that lacks a resource's definition has no objects of it; that is no trouble, and may change. */
  function reflectedIfDefined<T>(
    resource: Resource,
    project: (raw: unknown) => T,
    mayBeAbsent = true,
    onAbsent: () => void = () => {},
  ) {
    let isSaid = false;
    return reflect(kube, resource, {
      project,
      mayBeAbsent,
      backoff: { minMs: 1_000, maxMs: 15_000 },
      onProblem(problem) {
        if (!isKubeError(problem.error, "NOT_FOUND")) {
          logger.warn(
            { ...problem, error: describe(problem.error), resource: resource.plural },
            "watch is in trouble and goes on",
          );
          return;
        }
        onAbsent();
        if (isSaid) return;
        isSaid = true;
        logger.info({ kind: resource.kind, resource: resource.plural }, "kind is not defined in this cluster");
      },
    });
  }

  function beginTerm(current: Replica<UntypedModel>): Term {
    logger.info("leading");
    // The Lease decides who leads. The lock only fences off a former leader that doesn't know yet, so it is taken.
    const lock = northbound.lock(lockName, { steal: true });
    const began = performance.now();
    const announcer = createAnnouncer({
      client: kube,
      pod: (key) => engine.podAnnouncement(key),
      node: (key) => engine.nodeAnnouncement(key),
      refusal: (key) => engine.refusalAnnouncement(key),
      onResult: (kind, result, durationMs) => metrics.announcement(kind, result, durationMs),
      onError: (kind, key, error, retryInMs) =>
        logger.warn({ kind, key, error: describe(error), retryInMs }, "annotation not written yet"),
    });
    const latency = createProgrammingLatency({
      southbound,
      rowsOf: (service) => engine.graph.bundleOf(`Service/${service}`)?.rows ?? [],
      observe: metrics.programmed,
    });
    // One watch each, for whoever follows it.
    const nodeEvents = reflected(nodes, projectNode).pipe(share());
    const serviceEvents = reflected(services, projectService).pipe(share());
    const policyChanges = policyEvents(
      Object.values(policyKinds).map(({ resource, project }) =>
        resource === networkPolicies ? reflected(resource, project) : reflectedIfDefined(resource, project),
      ),
    ).pipe(share());
    const shared = <T>(resource: Resource, project: (raw: unknown) => T) =>
      reflectedIfDefined(resource, project).pipe(share());
    const own = {
      tenants: shared(tenants, projectTenant),
      subnets: shared(subnets, projectSubnet),
      ipPools: shared(ipPools, projectIpPool),
      ipAddresses: shared(ipAddresses, projectIpAddress),
      providerNetworks: shared(providerNetworks, projectProviderNetwork),
      egressIps: shared(egressIps, projectEgressIp),
      floatingIps: shared(floatingIps, projectFloatingIp),
    };
    const onProblem = (problem: ObjectProblem) => {
      metrics.problem(problem.code);
      logger.warn(problem, "object has a problem");
      reporter.objectProblem(problem);
    };
    const policies = createPolicyStatus({
      client: kube,
      policies: policyChanges,
      onProblem,
      onWriteError: (policy, error, retryInMs) =>
        logger.warn({ policy, error: describe(error), retryInMs }, "status not written yet"),
    });
    const addresses = createAddressPools({
      client: kube,
      recorder,
      network: config.network,
      services: serviceEvents,
      nodes: nodeEvents,
      pools: reflectedIfDefined(addressPools, projectAddressPool, false),
      onProblem: (object, problem) => {
        metrics.problem(problem.code);
        logger.warn({ object, ...problem }, "object has a problem");
      },
      onWriteError: (kind, key, error, retryInMs) =>
        logger.warn({ kind, key, error: describe(error), retryInMs }, "status not written yet"),
      failed: endWith,
    });
    const domains: DomainNames = createDomainNames({
      client: kube,
      network: config.network,
      objects: reflectedIfDefined(domainNames, projectDomainName, true, () => domains.lackDefinition()),
      policies: policyChanges,
      onProblem,
      onDeleteError: (key, error, retryInMs) =>
        logger.warn({ key, error: describe(error), retryInMs }, "domain name not removed yet"),
      failed: endWith,
    });
    const resources = createResourceStatus({
      client: kube,
      resources: {
        Tenant: own.tenants,
        Subnet: own.subnets,
        IPPool: own.ipPools,
        IPAddress: own.ipAddresses,
        ProviderNetwork: own.providerNetworks,
        EgressIP: own.egressIps,
        FloatingIP: own.floatingIps,
      },
      conditions: (kind, key) => engine.conditions(kind, key),
      isReady: () => engine.synced,
      onProblem,
      onWriteError: (object, error, retryInMs) =>
        logger.warn({ object, error: describe(error), retryInMs }, "status not written yet"),
    });
    const kept = createKeptWriter({
      client: kube,
      ipam: () => engine.subnetIpam,
      isReady: () => engine.synced,
      onWriteError: (name, error, retryInMs) =>
        logger.warn({ name, error: describe(error), retryInMs }, "address not written yet"),
    });
    let outlets: OutletWatch | undefined;
    const engine: Engine = createEngine({
      network: config.network,
      client: northbound,
      replica: current,
      lock,
      sources: {
        nodes: nodeEvents,
        namespaces: reflected(namespaces, projectNamespace),
        pods: reflected(pods, projectPod),
        services: serviceEvents,
        endpointSlices: reflected(endpointSlices, projectEndpointSlice),
        policies: policyChanges,
        domains: domains.events,
        ...own,
      },
      listener: {
        event: metrics.event,
        operation: metrics.operation,
        transaction: metrics.transaction,
        committed: (owner, latencyMs) => metrics.committed(parseOwner(owner)?.kind ?? "other", latencyMs),
        programmed: latency.committed,
        drift(owner, drifts) {
          for (const { table } of drifts) metrics.drift(table);
          logger.warn({ owner, drifts }, "rows of ours were changed and are restored");
          reporter.drift(owner, drifts);
        },
        problem(problem) {
          metrics.problem(problem.code);
          logger.warn(problem, "rows refused by the northbound database");
          reporter.applyProblem(problem);
        },
        objectProblem: onProblem,
        retry: (error, owners) => logger.warn({ error: describe(error), owners }, "transaction is tried again"),
        announce: (kind, key) => announcer[kind](key),
        resource: (kind, key) => resources.changed(kind, key),
        kept: (name) => kept.changed(name),
        chassis: (systemId, state) => chassis[state](systemId),
        outletsUsed() {
          outlets ??= createOutletWatch({
            client: southbound,
            onActive: (port, systemId) => engine.applyOutlet(port, systemId),
            onError: (error) => logger.warn({ error: describe(error) }, "where EgressIPs are is not known"),
          });
        },
        synced() {
          logger.info({ durationMs: Math.round(performance.now() - began) }, "all kinds synced");
          resources.begin();
          kept.begin();
        },
        failed: endWith,
      },
    });
    return {
      engine,
      announcer,
      addresses,
      domains,
      policies,
      resources,
      kept,
      latency,
      lock,
      closeOutlets: async () => outlets?.close(),
    };
  }

  async function endTerm({
    engine,
    announcer,
    addresses,
    domains,
    policies,
    resources,
    kept,
    latency,
    lock,
    closeOutlets,
  }: Term): Promise<void> {
    await engine.close();
    await announcer.close();
    await addresses.close();
    await domains.close();
    await policies.close();
    await resources.close();
    await kept.close();
    await closeOutlets();
    latency.close();
    await lock.release().catch((error: unknown) => {
      // Without a connection there is no lock to give back.
      if (!(error instanceof OvsdbError)) throw error;
      logger.debug({ error: describe(error) }, "lock not given back");
    });
    logger.info("no longer leading");
  }

  /** Begins and ends terms one after the other, however fast the leadership changes. */
  let changing: Promise<void> = Promise.resolve();
  function follow(isLeading: boolean): Promise<void> {
    leading = isLeading;
    const change = async (): Promise<void> => {
      if (term !== undefined && !leading) {
        const ending = term;
        term = undefined;
        await endTerm(ending);
      } else if (term === undefined && leading && replica !== undefined) term = beginTerm(replica);
    };
    // What went wrong ends the controller, whose end comes this way again.
    changing = changing.then(change).catch(endWith);
    return changing;
  }

  async function disconnect(): Promise<void> {
    await chassis.close();
    await recorder.close();
    await Promise.all([northbound.close(), southbound.close(), kube.close()]);
  }

  const server = await startStatusServer({
    bindAddress: config.bindAddress,
    readiness,
    registry: metrics.registry,
    api: policyApi({ source: policySource, leader: () => leader }).route("/", addressApi({ source: addressSource })),
  }).catch(async (error: unknown) => {
    // Clients that go on trying would keep the process alive, deaf and dumb.
    await disconnect();
    throw error;
  });
  logger.info({ url: server.url }, "serving status");

  async function run(): Promise<void> {
    const waitsFor = (endpoints: readonly string[]) => (reason: unknown) =>
      logger.warn({ endpoints, error: describe(reason) }, "no connection to the database yet");
    awaitDatabase(southbound, signal, waitsFor(config.southbound)).catch((error: unknown) => {
      if (!signal.aborted) endWith(error);
    });
    await awaitDatabase(northbound, signal, waitsFor(config.northbound));
    replica = await northbound.replicate(replicaSpec(managedTables(northbound.schema)), { signal });
    logger.info({ schema: northbound.schema.version }, "northbound database replicated");
    await new Promise<void>((resolve, reject) => {
      electLeader(kube, { ...config.lease, identity: config.identity, signal, logger }).subscribe({
        next: ({ leading: isLeading, holder }) => {
          leader = holder;
          if (isLeading === leading) return;
          logger.info({ leading: isLeading, holder }, "leadership changed");
          void follow(isLeading);
        },
        error: reject,
        complete: resolve,
      });
    });
  }

  const running = run().catch((error: unknown) => {
    if (!signal.aborted) endWith(error);
  });

  let closing: Promise<void> | undefined;
  async function shutDown(): Promise<void> {
    // First the writing ends, and only then others may lead.
    await follow(false);
    abort.abort();
    await running;
    // An election that was won meanwhile has begun a term.
    await follow(false);
    await disconnect();
    await server.close();
    endWith();
  }

  return {
    url: server.url,
    ended,
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}

/** An error's message and code, and nothing else that it may carry. */
function describe(error: unknown): { readonly code?: string; readonly message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  return { ...code, message: error.message };
}

async function main(): Promise<number> {
  const parsed = parseArguments(process.argv.slice(2), packageJson.version);
  if (parsed.kind === "answer") {
    process.stdout.write(parsed.text);
    return exitCodes.stopped;
  }
  const config = await loadConfig(parsed.flags, process.env);
  const logger = pino({ level: config.logLevel, base: { identity: config.identity } });
  const controller = await startController(config, logger);
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      logger.info({ signal: name }, "stopping");
      controller.close().catch((error: unknown) => {
        logger.error({ error: describe(error) }, "stopping failed");
        process.exit(exitCodes.failed);
      });
    });
  }
  try {
    await controller.ended;
  } catch (error) {
    logger.fatal({ error: describe(error) }, "controller failed");
    await controller.close();
    return exitCodes.failed;
  }
  logger.info("stopped");
  return exitCodes.stopped;
}

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    const misconfigured = error instanceof ConfigError || isKubeError(error, "INVALID_CONFIG");
    const code = error instanceof ConfigError || error instanceof KubeError ? `${error.code}: ` : "";
    process.stderr.write(`ovenbird-controller: ${code}${describe(error).message}\n`);
    process.exitCode = misconfigured ? exitCodes.misconfigured : exitCodes.failed;
  }
}
