import { describe, expect, it } from "vitest";
import type { ContainerState } from "./containers.ts";
import { readPod } from "./pod.ts";
import { podStatus } from "./pod-status.ts";

const now = "2026-01-01T00:00:00.000Z";
const running: ContainerState = { kind: "running", startedAt: now };
const ended = (exitCode: number): ContainerState => ({ kind: "terminated", exitCode, startedAt: now, finishedAt: now });

function statusOf(restartPolicy: string, states: readonly ContainerState[], sandboxReady = true) {
  const containers = states.map((state, index) => ({
    name: `c${index}`,
    image: "exec",
    state,
    ready: state.kind === "running",
    restarts: 0,
  }));
  const pod = readPod({
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { nodeName: "node1", restartPolicy, containers: containers.map(({ name }) => ({ name })) },
  });
  const podAddresses = sandboxReady ? ["10.244.0.3", "fd00::3"] : [];
  return podStatus({ pod, hostAddresses: ["172.18.0.11"], podAddresses, containers, sandboxReady, now });
}

const conditionOf = (status: Record<string, unknown>, type: string) =>
  (status.conditions as { type: string; status: string }[]).find((condition) => condition.type === type)?.status;

describe("a pod's status", () => {
  it("is Running and Ready with both addresses once its containers run", () => {
    const status = statusOf("Always", [running]);
    expect(status).toMatchObject({
      phase: "Running",
      podIP: "10.244.0.3",
      podIPs: [{ $patch: "replace" }, { ip: "10.244.0.3" }, { ip: "fd00::3" }],
      hostIP: "172.18.0.11",
    });
    expect(conditionOf(status, "Ready")).toBe("True");
  });

  it("is Running, but not Ready while a readiness gate is closed", () => {
    const withGate = (conditions: readonly object[]) => {
      const pod = readPod({
        metadata: { name: "p", namespace: "n", uid: "u" },
        spec: { nodeName: "node1", containers: [{ name: "c" }], readinessGates: [{ conditionType: "song" }] },
        status: { conditions },
      });
      const containers = [{ name: "c", image: "probe", state: running, ready: true, restarts: 0 }];
      return podStatus({ pod, hostAddresses: [], podAddresses: ["10.0.0.1"], containers, sandboxReady: true, now });
    };
    expect(conditionOf(withGate([]), "Ready")).toBe("False");
    expect(conditionOf(withGate([]), "ContainersReady")).toBe("True");
    expect(conditionOf(withGate([{ type: "song", status: "False" }]), "Ready")).toBe("False");
    expect(conditionOf(withGate([{ type: "song", status: "True" }]), "Ready")).toBe("True");
  });

  it("is Running, but not Ready while a readiness probe does not succeed", () => {
    const pod = readPod({
      metadata: { name: "p", namespace: "n", uid: "u" },
      spec: { nodeName: "node1", containers: [{ name: "c", readinessProbe: { tcpSocket: { port: 80 } } }] },
    });
    const containers = [{ name: "c", image: "probe", state: running, ready: false, restarts: 0 }];
    const status = podStatus({
      pod,
      hostAddresses: [],
      podAddresses: ["10.0.0.1"],
      containers,
      sandboxReady: true,
      now,
    });
    expect(status).toMatchObject({ phase: "Running", containerStatuses: [{ ready: false }] });
    expect(conditionOf(status, "Ready")).toBe("False");
  });

  it("shows a container that is about to be restarted as waiting, with how it ended", () => {
    const waiting: ContainerState = { kind: "waiting", reason: "CrashLoopBackOff", message: "back-off 1 s" };
    const pod = readPod({
      metadata: { name: "p", namespace: "n", uid: "u" },
      spec: { nodeName: "node1", containers: [{ name: "c" }] },
    });
    const last = { kind: "terminated", exitCode: 3, startedAt: now, finishedAt: now } as const;
    const containers = [{ name: "c", image: "exec", state: waiting, ready: false, restarts: 1, last }];
    const status = podStatus({ pod, hostAddresses: [], podAddresses: [], containers, sandboxReady: true, now });
    expect(conditionOf(status, "Ready")).toBe("False");
    expect(status.containerStatuses).toMatchObject([
      {
        ready: false,
        state: { waiting: { reason: "CrashLoopBackOff" } },
        lastState: { terminated: { exitCode: 3, reason: "Error" } },
      },
    ]);
  });

  it("is Pending without a sandbox", () => {
    const status = statusOf("Always", [], false);
    expect(status.phase).toBe("Pending");
    expect(conditionOf(status, "Ready")).toBe("False");
  });

  it("is Succeeded when all containers ended well and are not to be restarted", () => {
    expect(statusOf("Never", [ended(0), ended(0)]).phase).toBe("Succeeded");
    expect(statusOf("OnFailure", [ended(0)]).phase).toBe("Succeeded");
  });

  it("is Failed when one ended badly for good, and Running while it will be restarted", () => {
    expect(statusOf("Never", [ended(0), ended(1)]).phase).toBe("Failed");
    expect(statusOf("OnFailure", [ended(1)]).phase).toBe("Running");
    expect(statusOf("Always", [ended(0)]).phase).toBe("Running");
  });
});
