import { describe, expect, it } from "vitest";
import { podHealth } from "./pod-health.ts";

const now = Date.parse("2026-01-01T00:01:00Z");
const health = (status: object, more: { metadata?: object; spec?: object } = {}) =>
  podHealth(
    {
      metadata: { namespace: "default", name: "wren", ...more.metadata },
      spec: { nodeName: "node1", ...more.spec },
      status,
    },
    now,
  );

describe("a pod", () => {
  it("that is Ready or has completed is well", () => {
    const conditions = [{ type: "Ready", status: "True" }];
    expect(health({ phase: "Running", conditions })).toMatchObject({ state: "ready", problem: undefined });
    expect(health({ phase: "Succeeded" })).toMatchObject({ state: "completed", problem: undefined });
  });

  it("that fits no node says the scheduler's reason", () => {
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" };
    expect(health({ phase: "Pending", conditions: [condition] }, { spec: { nodeName: "" } })).toMatchObject({
      state: "pending",
      problem: "Unschedulable, 0/1 nodes",
    });
  });

  it("whose container waits says its reason and message", () => {
    const waiting = { reason: "CrashLoopBackOff", message: "back-off 1 s" };
    const containerStatuses = [{ name: "c", ready: false, restartCount: 3, state: { waiting } }];
    expect(health({ phase: "Running", containerStatuses })).toMatchObject({
      state: "not ready",
      problem: "c: CrashLoopBackOff, back-off 1 s (3 restarts)",
    });
  });

  it("that failed says how its container ended", () => {
    const terminated = { reason: "Error", exitCode: 3 };
    expect(
      health({ phase: "Failed", containerStatuses: [{ name: "c", ready: false, state: { terminated } }] }),
    ).toMatchObject({ state: "failed", problem: "c: Error, exit status 3" });
  });

  it("that nobody has spoken of says whose word is awaited", () => {
    expect(health({}).problem).toBe("node1's kubelet has not reported yet");
    expect(health({}, { spec: { nodeName: "" } }).problem).toBe("not scheduled yet");
  });

  it("that is being deleted is not well once it is late", () => {
    const deleted = (deletionTimestamp: string) => health({ phase: "Running" }, { metadata: { deletionTimestamp } });
    expect(deleted("2026-01-01T00:00:55Z")).toMatchObject({ state: "terminating", problem: undefined });
    expect(deleted("2026-01-01T00:00:30Z").problem).toContain("should have gone");
  });
});
