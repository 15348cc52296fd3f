export { SystemCallError } from "./libc.ts";
export type { ProbeProtocol, ProbeRequest, ProbeResult } from "./probe.ts";
export { createProber, type Prober, type ProbeServers, type ServedPort, type ServeOptions } from "./prober.ts";
