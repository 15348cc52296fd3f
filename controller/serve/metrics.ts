import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Engine } from "../engine.ts";

/** Seconds, from a quarter of a millisecond (one group on a quiet server) to what only a broken server takes. */
const latencyBuckets = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Every metric of the controller: all begin with `ovenbird_controller_`. */
export interface Metrics {
  readonly registry: Registry;
  event(kind: string, change: string): void;
  operation(table: string, operation: string): void;
  transaction(result: string, owners: number, durationMs: number): void;
  committed(kind: string, latencyMs: number): void;
  programmed(stage: string, latencyMs: number): void;
  drift(table: string): void;
  problem(code: string): void;
  announcement(kind: string, result: string, durationMs: number): void;
  chassisRemoved(): void;
}

export interface MetricsState {
  engine(): Engine | undefined;
  leading(): boolean;
  northboundConnected(): boolean;
  southboundConnected(): boolean;
  pendingAnnouncements(): number;
  domainNames(): number;
}

export function createMetrics(state: MetricsState): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "ovenbird_controller_" });

  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `ovenbird_controller_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  const applier =
    (read: (engine: Engine) => number): (() => number) =>
    () => {
      const engine = state.engine();
      return engine === undefined ? 0 : read(engine);
    };
  gauge("leader", "1 while this controller holds the Lease", () => Number(state.leading()));
  gauge("northbound_connected", "1 while connected to the northbound database", () =>
    Number(state.northboundConnected()),
  );
  gauge("southbound_connected", "1 while connected to the southbound database", () =>
    Number(state.southboundConnected()),
  );
  gauge(
    "synced",
    "1 once all watched kinds have synced",
    applier(({ synced }) => Number(synced)),
  );
  gauge(
    "nodes",
    "Nodes known",
    applier(({ graph }) => graph.counts.nodes),
  );
  gauge(
    "pods",
    "Pods known",
    applier(({ graph }) => graph.counts.pods),
  );
  gauge(
    "pod_ports",
    "Pods that have a port",
    applier(({ graph }) => graph.counts.ports),
  );
  gauge(
    "services",
    "Services known",
    applier(({ graph }) => graph.counts.services),
  );
  gauge(
    "endpoints",
    "Endpoints in all EndpointSlices",
    applier(({ graph }) => graph.counts.endpoints),
  );
  gauge(
    "policies",
    "Policies of all kinds known",
    applier(({ graph }) => graph.counts.policies),
  );
  gauge(
    "object_problems",
    "Objects with a problem",
    applier(({ graph }) => graph.counts.problems),
  );
  gauge(
    "dirty_owners",
    "Owners to be written or under way",
    applier((engine) => engine.applier.dirtyOwners),
  );
  gauge(
    "set_aside_owners",
    "Owners whose rows were refused",
    applier((engine) => engine.applier.setAsideOwners),
  );
  gauge(
    "waiting_owners",
    "Owners that wait for a parent row",
    applier((engine) => engine.applier.waitingOwners),
  );
  gauge("pending_announcements", "Annotations to be written or under way", state.pendingAnnouncements);
  gauge("domain_names", "Domain names of policies that lead somewhere", state.domainNames);

  const events = new Counter({
    name: "ovenbird_controller_watch_events_total",
    help: "Watch events by kind of object and change",
    labelNames: ["kind", "change"],
    registers,
  });
  const operations = new Counter({
    name: "ovenbird_controller_operations_total",
    help: "Committed northbound operations by table and operation",
    labelNames: ["table", "operation"],
    registers,
  });
  const transactions = new Histogram({
    name: "ovenbird_controller_transaction_seconds",
    help: "Northbound transactions from sending to reply, by result",
    labelNames: ["result"],
    buckets: latencyBuckets,
    registers,
  });
  const groups = new Histogram({
    name: "ovenbird_controller_transaction_owners",
    help: "Owners per northbound transaction",
    buckets: [1, 2, 5, 10, 20, 50, 100],
    registers,
  });
  const commits = new Histogram({
    name: "ovenbird_controller_event_to_commit_seconds",
    help: "From a watch event to the commit of what it asked for, by kind of owner",
    labelNames: ["kind"],
    buckets: latencyBuckets,
    registers,
  });
  const programming = new Histogram({
    name: "ovenbird_controller_endpoint_programming_seconds",
    help: "From the trigger of a change of endpoints to its load balancers, by stage",
    labelNames: ["stage"],
    buckets: [...latencyBuckets, 60],
    registers,
  });
  const drifts = new Counter({
    name: "ovenbird_controller_drift_total",
    help: "Changes by others to rows of ours, by table",
    labelNames: ["table"],
    registers,
  });
  const problems = new Counter({
    name: "ovenbird_controller_problems_total",
    help: "Problems reported as Events, by code",
    labelNames: ["code"],
    registers,
  });
  const announcements = new Histogram({
    name: "ovenbird_controller_announcement_seconds",
    help: "PATCHes of annotations, by kind of object and result",
    labelNames: ["kind", "result"],
    buckets: latencyBuckets,
    registers,
  });
  const chassis = new Counter({
    name: "ovenbird_controller_chassis_removed_total",
    help: "Chassis of nodes that are gone, removed from the southbound database",
    registers,
  });

  return {
    registry,
    event: (kind, change) => events.inc({ kind, change }),
    operation: (table, operation) => operations.inc({ table, operation }),
    transaction(result, owners, durationMs) {
      transactions.observe({ result }, durationMs / 1000);
      groups.observe(owners);
    },
    committed: (kind, latencyMs) => commits.observe({ kind }, latencyMs / 1000),
    programmed: (stage, latencyMs) => programming.observe({ stage }, latencyMs / 1000),
    drift: (table) => drifts.inc({ table }),
    problem: (code) => problems.inc({ code }),
    announcement: (kind, result, durationMs) => announcements.observe({ kind, result }, durationMs / 1000),
    chassisRemoved: () => chassis.inc(),
  };
}
