/** OpenFlow 1.5 to a bridge of the local Open vSwitch, without a process of its own: what flows change, and packets into the pipeline. */
export { conntrack, type FlowActions, resubmit, setField } from "./actions.ts";
export { connectOpenFlow, type OpenFlowConnection } from "./connection.ts";
export { type AddressMatch, type FlowMatch, field, type RegisterMatch } from "./match.ts";
export { type FlowMonitor, type FlowUpdate, monitorFlag, type PacketOut, packetOut } from "./messages.ts";
