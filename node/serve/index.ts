/** The agent's health and metrics over HTTP; to be imported on demand. */
export { createMetrics, type Metrics } from "./metrics.ts";
export { type MetricsServer, serveMetrics } from "./serve.ts";
