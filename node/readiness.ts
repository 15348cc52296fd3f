import type { Readiness } from "./cni-server/index.ts";
import { createConditions } from "./condition.ts";

/** What the agent's readiness consists of; each one's reason is what it says until the agent knows better. */
export function createAgentConditions() {
  return createConditions({
    ovsdb: "no connection to the local Open_vSwitch database yet",
    "open-vswitch": "Open vSwitch is not configured yet",
    kubernetes: "the Kubernetes API has not answered yet",
    "management-port": "the management port is not in place yet",
    leftovers: "ports of former pods are still being removed",
    "cni-socket": "the CNI socket is not open yet",
    tunnels: "the tunnels' address is not known yet",
  });
}
export type AgentConditions = ReturnType<typeof createAgentConditions>;

/**
 * What STATUS answers. Without tunnels pods can be attached, and reach what is on their node: ADD goes on, and the
 * runtime is told that connectivity is limited.
 */
export function readinessOf({ list }: AgentConditions): Readiness {
  const failing = list.flatMap(({ name, problem }) => {
    const reason = problem();
    return reason === undefined ? [] : [{ name, reason }];
  });
  const blocking = failing.find(({ name }) => name !== "tunnels");
  if (blocking) return { kind: "unavailable", reason: blocking.reason };
  const [limiting] = failing;
  return limiting ? { kind: "limited", reason: limiting.reason } : { kind: "ready" };
}
