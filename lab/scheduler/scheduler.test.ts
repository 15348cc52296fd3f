import { describe, expect, it, vi } from "vitest";
import type { SchedulablePod } from "./records.ts";
import { readSchedulableNode, readSchedulablePod } from "./records.ts";
import { createScheduler } from "./scheduler.ts";

const ready = { labels: {}, schedulable: true };
const pod = (name: string, nodeName = ""): SchedulablePod => ({
  ...{ namespace: "default", name, uid: `uid-${name}`, resourceVersion: "1", nodeName, nodeSelector: {}, active: true },
});

function started(outcome: "bound" | "gone" | "retry" = "bound") {
  const bindings: string[] = [];
  const bind = vi.fn(async ({ name }: SchedulablePod, node: string) => {
    bindings.push(`${name} → ${node}`);
    return outcome;
  });
  const complaints: string[] = [];
  const unschedulable = async ({ name }: SchedulablePod, message: string) => {
    complaints.push(`${name}: ${message}`);
    return true;
  };
  const scheduler = createScheduler({ bind, unschedulable, retryMs: 1 });
  return { scheduler, bindings, complaints };
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
    scheduler.node("node1", { ...ready, schedulable: false });
    scheduler.pod("default/a", pod("a"));
    expect(bindings).toEqual([]);
    scheduler.node("node1", ready);
    expect(bindings).toEqual(["a → node1"]);
  });

  it("says once of each reason why a pod fits no node, and binds it when one fits", () => {
    const { scheduler, bindings, complaints } = started();
    scheduler.synced("nodes");
    scheduler.synced("pods");
    const picky = { ...pod("a"), nodeSelector: { disk: "ssd" } };
    scheduler.pod("default/a", picky);
    scheduler.pod("default/a", { ...picky, resourceVersion: "2" });
    scheduler.node("node1", ready);
    scheduler.node("node2", { ...ready, schedulable: false });
    expect(complaints).toEqual([
      "a: no nodes available to schedule pods",
      "a: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
      "a: 0/2 nodes are available: 1 node(s) were not ready or unschedulable, 1 node(s) didn't match Pod's node affinity/selector.",
    ]);
    expect(bindings).toEqual([]);
    scheduler.node("node2", { labels: { disk: "ssd" }, schedulable: true });
    expect(bindings).toEqual(["a → node2"]);
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
    const labels = { disk: "ssd" };
    const node = { metadata: { labels }, status: { conditions } };
    expect(readSchedulableNode(node)).toEqual({ labels, schedulable: true });
    expect(readSchedulableNode({ ...node, spec: { unschedulable: true } })).toEqual({ labels, schedulable: false });
    const metadata = { namespace: "n", name: "p", uid: "u", resourceVersion: "1" };
    expect(readSchedulablePod({ metadata, spec: {}, status: { phase: "Succeeded" } }).active).toBe(false);
    expect(readSchedulablePod({ metadata, spec: { nodeName: "node1" } })).toMatchObject({
      nodeName: "node1",
      active: true,
    });
  });
});
