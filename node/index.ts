/** The node agent: configures the local Open vSwitch for OVN and attaches the node's pods. */
export { type Agent, type AgentOptions, startAgent } from "./agent.ts";
export { agentErrorCodes } from "./cni-server/index.ts";
export { type AgentConfig, agentConfig, ConfigError, readAgentConfig } from "./config.ts";
