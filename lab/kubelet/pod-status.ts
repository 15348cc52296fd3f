import type { ContainerState, ContainerStatus } from "./containers.ts";
import type { PodRecord } from "./pod.ts";

export interface PodStatusInput {
  readonly pod: PodRecord;
  readonly hostAddresses: readonly string[];
  readonly podAddresses: readonly string[];
  readonly containers: readonly ContainerStatus[];
  readonly sandboxReady: boolean;
  readonly now: string;
}

/**
 * A pod's status as kubelet reports it (Pod v1 core, PodStatus), as a strategic merge patch: conditions of others, such
 * as those of readiness gates, stay. Pure.
 */
export function podStatus(input: PodStatusInput): Record<string, unknown> {
  const { pod, hostAddresses, podAddresses, containers, sandboxReady, now } = input;
  const phase = phaseOf(input);
  const ready = sandboxReady && containers.length > 0 && containers.every((container) => container.ready);
  const gates = pod.closedGates.join(", ");
  const condition = (type: string, holds: boolean, reason?: string) => ({
    type,
    status: holds ? "True" : "False",
    lastProbeTime: null,
    lastTransitionTime: now,
    // What an earlier report said goes.
    reason: holds ? null : (reason ?? null),
    message: null,
  });
  const unreadyReason = phase === "Succeeded" ? "PodCompleted" : "ContainersNotReady";
  return {
    phase,
    hostIP: hostAddresses[0],
    hostIPs: hostAddresses.map((ip) => ({ ip })),
    podIP: podAddresses[0] ?? null,
    podIPs: [{ $patch: "replace" }, ...podAddresses.map((ip) => ({ ip }))],
    startTime: pod.startTime ?? now,
    qosClass: "BestEffort",
    conditions: [
      condition("PodReadyToStartContainers", sandboxReady),
      condition("Initialized", true),
      ready && pod.closedGates.length > 0
        ? {
            ...condition("Ready", false, "ReadinessGatesNotReady"),
            message: `the readiness gates ${gates} are not "True"`,
          }
        : condition("Ready", ready, unreadyReason),
      condition("ContainersReady", ready, unreadyReason),
      condition("PodScheduled", true),
    ],
    containerStatuses: containers.map((container) => containerStatus(container, pod, sandboxReady)),
  };
}

function phaseOf({ pod, containers, sandboxReady }: PodStatusInput): string {
  if (pod.restartPolicy !== "Always" && containers.length > 0) {
    const ended = containers.map(({ state }) => (state.kind === "terminated" ? state.exitCode : undefined));
    const final = ended.every((code) => code !== undefined && (code === 0 || pod.restartPolicy === "Never"));
    if (final) return ended.every((code) => code === 0) ? "Succeeded" : "Failed";
  }
  return sandboxReady ? "Running" : "Pending";
}

function containerStatus(container: ContainerStatus, pod: PodRecord, sandboxReady: boolean): Record<string, unknown> {
  const { name, image, state, restarts } = container;
  return {
    name,
    image,
    imageID: "",
    containerID: `lab://${pod.uid}/${name}`,
    restartCount: restarts,
    ready: sandboxReady && container.ready,
    started: state.kind === "running",
    state: stateOf(container.state),
    lastState: container.last === undefined ? {} : stateOf(container.last),
  };
}

function stateOf(state: ContainerState): Record<string, unknown> {
  switch (state.kind) {
    case "running":
      return { running: { startedAt: state.startedAt } };
    case "waiting":
      return { waiting: { reason: state.reason, message: state.message } };
    case "terminated": {
      const { exitCode, startedAt, finishedAt } = state;
      return { terminated: { exitCode, reason: exitCode === 0 ? "Completed" : "Error", startedAt, finishedAt } };
    }
  }
}
