import { CniFailure, cniErrorCodes } from "@ovenbird/cni";
import { OvsdbError } from "ovsdb-client-ts";
import { BindingError } from "../binding/index.ts";
import { NetlinkError } from "../netlink/index.ts";

/**
 * The agent's own CNI error codes, from 110 on (the specification leaves 100 and up to plugins; the plugin itself has
 * those below 110). What each means and what to do stands beside it.
 */
export const agentErrorCodes = {
  /** The Kubernetes API did not tell this node's agent of such a pod within the time. */
  podUnknown: 110,
  /** The controller did not give the pod an address within the time. */
  noAddress: 111,
  /** The pod's network annotation can't be understood. */
  invalidAnnotation: 112,
  /** The controller gives the pod no network; the message has its reason. */
  refused: 113,
  /** The local Open vSwitch database can't be reached, or did not answer. */
  databaseUnreachable: 120,
  /** The local Open vSwitch database, or its bridge, refused the port. */
  portRefused: 121,
  /** ovs-vswitchd could not open the pod's device. */
  deviceRefused: 122,
  /** ovn-controller did not install the port's flows within the time. */
  notInstalled: 123,
  /** The kernel refused a link, an address or a route. */
  kernelRefused: 130,
  /** The pod has an interface of that name already, or its one interface under another name. */
  interfaceExists: 131,
  /** CHECK found something that is not as ADD made it. */
  checkFailed: 140,
  /** Another call for the same container (DEL), the runtime or the agent's end cut the call off; nothing is left of it. */
  interrupted: 150,
  /** Not foreseen: a mistake in the agent. */
  internal: 199,
} as const;

/** Any error as one that the plugin can print. @param doing what was under way, in words */
export function failureOf(error: unknown, doing: string): CniFailure {
  if (error instanceof CniFailure) return error;
  if (error instanceof NetlinkError) return new CniFailure(agentErrorCodes.kernelRefused, `${doing}: ${error.message}`);
  if (error instanceof BindingError) {
    const code = error.code === "PORT_ERROR" ? agentErrorCodes.deviceRefused : agentErrorCodes.portRefused;
    return new CniFailure(code, `${doing}: ${error.message}`);
  }
  if (error instanceof OvsdbError) {
    const code = unreachable.has(error.code) ? agentErrorCodes.databaseUnreachable : agentErrorCodes.portRefused;
    return new CniFailure(code, `${doing}: ${error.message}`, "the local Open vSwitch database (ovsdb-server)");
  }
  return new CniFailure(
    agentErrorCodes.internal,
    `${doing}: ${error instanceof Error ? error.message : String(error)}`,
  );
}

const unreachable: ReadonlySet<string> = new Set([
  "ABORTED",
  "BACKPRESSURE",
  "CLOSED",
  "CONNECTION_LOST",
  "NOT_CONNECTED",
  "OUTCOME_UNKNOWN",
  "PROBE_TIMEOUT",
  "TIMED_OUT",
]);

export const interrupted = (reason: string): CniFailure => new CniFailure(agentErrorCodes.interrupted, reason);

export { CniFailure, cniErrorCodes };
