/** The local Open vSwitch: the agent's one OVSDB session, and what OVN needs to be set there. */
export { withholdAllZeroSnat } from "./all-zero-snat.ts";
export {
  type BridgeInterface,
  bridgeOf,
  type Datapath,
  datapathOf,
  findBridge,
  findInterface,
  insertBridge,
  insertPort,
  interfacesOf,
  openVswitchRow,
} from "./bridge.ts";
export { askVswitchd } from "./control.ts";
export { bridgeProblem, convertCommand } from "./datapath.ts";
export { configureOpenVswitch, type OpenVswitchSettings, type OpenVswitchState } from "./open-vswitch.ts";
export { forgetConfusedFlows } from "./overlapping-flows.ts";
export { watchBridgeSocket } from "./restart-watch.ts";
export { openVswitchdSession, type VswitchdSession } from "./session.ts";
