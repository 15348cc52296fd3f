/** The lab as tests use it: a whole cluster on one machine, with real OVN and real packets. */
export { connectLab, folderOf, type Lab, type LabOptions, type Place, placeOf, startLab, stopLab } from "./lab.ts";
export type { Matrix, MatrixCell } from "./probing/matrix.ts";
export type { ProbeOutcome, ProbeSpec } from "./probing/probe-spec.ts";
export type { DaemonStatus } from "./supervisor/daemon.ts";
export type { SupervisorEvent } from "./supervisor/protocol.ts";
export { CommandError } from "./topology/run.ts";
