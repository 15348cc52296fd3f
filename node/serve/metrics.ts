import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { AnnouncerMetrics } from "../announcer/index.ts";
import type { CniMetrics } from "../cni-server/index.ts";
import type { DnsMetrics } from "../dns/index.ts";
import type { EstablishedConnectionsMetrics } from "../policy/index.ts";

export interface Metrics {
  readonly registry: Registry;
  /** How long CNI calls take and how they end. */
  readonly cni: CniMetrics;
  /** Which addresses the node answers for, and whom it could take others over from. */
  readonly announcer: AnnouncerMetrics;
  /** What answers to pods told of the domain names of policies. */
  readonly dns: DnsMetrics;
  /** What becomes of established connections when policies or backends change. */
  readonly established: EstablishedConnectionsMetrics;
}

/** The agent's metrics: the process's own, the CNI calls', the announcer's and those of domain names. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const seconds = new Histogram({
    name: "ovenbird_agent_cni_call_seconds",
    help: "Duration of CNI calls by command and error code, 0 for success",
    labelNames: ["command", "code"],
    buckets: [0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 5, 30],
    registers: [registry],
  });
  const addresses = new Gauge({
    name: "ovenbird_agent_announced_addresses",
    help: "Addresses of pools that this node answers for",
    registers: [registry],
  });
  const peers = new Gauge({
    name: "ovenbird_agent_announcer_peers_alive",
    help: "Other nodes that can announce the same addresses and are alive",
    registers: [registry],
  });
  const failovers = new Counter({
    name: "ovenbird_agent_failovers_total",
    help: "Addresses taken over from a node that was gone",
    registers: [registry],
  });
  const answers = new Counter({
    name: "ovenbird_agent_dns_answers_total",
    help: "DNS answers to pods that were looked at because policies give domain names, by what became of them",
    labelNames: ["result"],
    registers: [registry],
  });
  const domainNameWrites = new Counter({
    name: "ovenbird_agent_domain_name_writes_total",
    help: "Writes of DomainName objects, by result",
    labelNames: ["result"],
    registers: [registry],
  });
  const judgements = new Histogram({
    name: "ovenbird_agent_established_judgement_seconds",
    help: "Looks at established UDP connections after a change of policies",
    buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  const judged = new Counter({
    name: "ovenbird_agent_established_connections_judged_total",
    help: "Established UDP connections judged anew after a change of policies",
    registers: [registry],
  });
  const cut = new Counter({
    name: "ovenbird_agent_established_connections_cut_total",
    help: "Established UDP connections cut since policies no longer allow them",
    registers: [registry],
  });
  const forgotten = new Counter({
    name: "ovenbird_agent_former_backend_connections_forgotten_total",
    help: "UDP connections to Services that stood with a former backend and were forgotten",
    registers: [registry],
  });
  const followed = new Gauge({
    name: "ovenbird_agent_policy_flows_followed",
    help: "Whether the integration bridge's flows are followed, so that UDP connections that lose their permission are cut",
    registers: [registry],
  });
  return {
    registry,
    cni: { observe: (command, code, duration) => seconds.observe({ command, code: String(code) }, duration) },
    announcer: {
      observe(count, alive) {
        addresses.set(count);
        peers.set(alive);
      },
      failover: () => failovers.inc(),
    },
    established: {
      judged(connections, lost, seconds) {
        judgements.observe(seconds);
        judged.inc(connections);
        cut.inc(lost);
      },
      forgotten: (connections) => forgotten.inc(connections),
      followed: (isFollowed) => followed.set(isFollowed ? 1 : 0),
    },
    dns: {
      answer: (result) => answers.inc({ result }),
      write: (result) => domainNameWrites.inc({ result }),
    },
  };
}
