import { isDeepStrictEqual } from "node:util";
import type { NodeChassisAnnotation } from "@ovenbird/kube";
import type { GatewayState } from "./gateway/index.ts";
import type { NodeView } from "./kubernetes-node.ts";

/**
 * What the Node's chassis annotation should become, or undefined when it may stay.
 * @param gateway while it waits, what the annotation says of the gateway stays: a bridge whose vswitchd restarts is back
 *   in a second
 * @param patient whether to wait for the gateway before a first annotation is written, so that one PATCH is enough
 */
export function chassisChange(
  node: NodeView,
  systemId: string,
  gateway: GatewayState,
  patient: boolean,
): NodeChassisAnnotation | undefined {
  const current = node.chassis.kind === "valid" ? node.chassis.value : undefined;
  if (gateway.kind === "waiting") {
    if (current?.systemId === systemId || patient) return undefined;
    return { systemId };
  }
  const wanted: NodeChassisAnnotation =
    gateway.kind === "present" ? { systemId, gateway: gateway.gateway } : { systemId };
  return isDeepStrictEqual(current, wanted) ? undefined : wanted;
}
