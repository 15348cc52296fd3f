/** The management port: how the node and its pods reach each other without NAT. */
export { wantedRoutes } from "./host-side.ts";
export { createManagementPort, type ManagementPort } from "./management-port.ts";
export { applyPolicyRouting, type HostServices, ovnTable, wantedRules } from "./policy-routing.ts";
