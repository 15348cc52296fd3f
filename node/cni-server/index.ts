export { type CniTimeouts, defaultTimeouts } from "./attachments.ts";
export { agentErrorCodes } from "./errors.ts";
export { type CniMetrics, type CniServer, type CniServerOptions, createCniServer, type Readiness } from "./server.ts";
