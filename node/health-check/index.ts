/** Health checks of Services with `externalTrafficPolicy: Local`. */
export { createHealthCheckServers, type HealthCheckServers } from "./health-check-server.ts";
