/** The gateway bridge: the node's way out of the cluster, shared by the host and OVN. */
export { type BridgeFlow, type BridgeFlowInputs, bridgeFlows, flowText } from "./bridge-flows.ts";
export { createGateway, type Gateway, type GatewayState } from "./gateway.ts";
export { type BridgeServices, serviceFlows } from "./service-flows.ts";
