import { collectDefaultMetrics, Histogram, Registry } from "prom-client";
import type { CniMetrics } from "../cni-server/index.ts";

export interface Metrics {
  readonly registry: Registry;
  /** How long CNI calls take and how they end. */
  readonly cni: CniMetrics;
}

/** The agent's metrics: the process's own and the CNI calls'. */
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
  return {
    registry,
    cni: { observe: (command, code, duration) => seconds.observe({ command, code: String(code) }, duration) },
  };
}
