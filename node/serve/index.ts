/** The agent's health and metrics over HTTP. */
export { createCniMetrics } from "./cni-metrics.ts";
export { type Condition, type MetricsServer, serveMetrics } from "./serve.ts";
