import { describe, expect, it, vi } from "vitest";
import type { SchedulablePod } from "./records.ts";
import { readSchedulableNode, readSchedulablePod } from "./records.ts";
import { createScheduler } from "./scheduler.ts";

const ready = { schedulable: true };
const pod = (name: string, nodeName = ""): SchedulablePod => ({
  ...{ namespace: "default", name, uid: `uid-${name}`, nodeName, nodeSelector: {}, active: true },
});

function started(outcome: "bound" | "gone" | "retry" = "bound") {
  const bindings: string[] = [];
  const bind = vi.fn(async ({ name }: SchedulablePod, node: string) => {
    bindings.push(`${name} → ${node}`);
    return outcome;
  });
  const scheduler = createScheduler({ bind, retryMs: 1 });
  return { scheduler, bindings };
}

describe("scheduler", () => {
  it("spreads pods over the nodes", () => {
    const { scheduler, bindings } = started();
    scheduler.node("node1", ready);
    scheduler.node("node2", ready);
    scheduler.synced("nodes");
    scheduler.synced("pods");
    for (const name of ["a", "b", "c"]) scheduler.pod(`default/${name}`, pod(name));
    expect(bindings).toEqual(["a → node1", "b → node2", "c → node1"]);
  });

  it("binds nothing before it has seen all pods and nodes, then to the emptiest node", () => {
    const { scheduler, bindings } = started();
    scheduler.node("node1", ready);
    scheduler.node("node2", ready);
    scheduler.pod("default/new", pod("new"));
    scheduler.pod("default/old", pod("old", "node1"));
    scheduler.synced("nodes");
    expect(bindings).toEqual([]);
    scheduler.synced("pods");
    expect(bindings).toEqual(["new → node2"]);
  });

  it("leaves a pod alone until a node is ready", () => {
    const { scheduler, bindings } = started();
    scheduler.synced("nodes");
    scheduler.synced("pods");
    scheduler.node("node1", { schedulable: false });
    scheduler.pod("default/a", pod("a"));
    expect(bindings).toEqual([]);
    scheduler.node("node1", ready);
    expect(bindings).toEqual(["a → node1"]);
  });

  it("tries a binding again when the API could not be asked", async () => {
    const { scheduler, bindings } = started("retry");
    scheduler.node("node1", ready);
    scheduler.synced("nodes");
    scheduler.synced("pods");
    scheduler.pod("default/a", pod("a"));
    await vi.waitFor(() => expect(bindings.length).toBeGreaterThan(1));
    scheduler.pod("default/a", undefined);
  });

  it("reads readiness, cordoning, selectors and completion", () => {
    const conditions = [{ type: "Ready", status: "True" }];
    expect(readSchedulableNode({ status: { conditions } })).toEqual({ schedulable: true });
    expect(readSchedulableNode({ spec: { unschedulable: true }, status: { conditions } })).toEqual({
      schedulable: false,
    });
    const metadata = { namespace: "n", name: "p", uid: "u" };
    expect(readSchedulablePod({ metadata, spec: {}, status: { phase: "Succeeded" } }).active).toBe(false);
    expect(readSchedulablePod({ metadata, spec: { nodeName: "node1" } })).toMatchObject({
      nodeName: "node1",
      active: true,
    });
  });
});
