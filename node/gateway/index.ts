/** The gateway bridge: the node's way out of the cluster, shared by the host and OVN. */
export { type BridgeFlow, type BridgeFlowInputs, bridgeFlows, flowText, type ServiceEntry } from "./bridge-flows.ts";
export { createGateway, type Gateway, type GatewayState } from "./gateway.ts";
