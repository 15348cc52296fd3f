import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createOrphanCollector } from "./orphans.ts";
import type { SchedulablePod } from "./records.ts";

const pod = (name: string, nodeName: string): SchedulablePod => ({
  ...{ namespace: "default", name, uid: name, resourceVersion: "1", nodeName, nodeSelector: {}, active: true },
});

function started(answer = true) {
  const removed: string[] = [];
  const remove = async ({ name }: SchedulablePod) => {
    removed.push(name);
    return answer;
  };
  const collector = createOrphanCollector({ remove, quarantineMs: 1000 });
  collector.pod("default/a", pod("a", "node1"));
  collector.pod("default/b", pod("b", "gone"));
  collector.pod("default/c", pod("c", ""));
  collector.synced("pods");
  collector.node("node1", true);
  collector.synced("nodes");
  return { collector, removed };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("pods of a node that is gone", () => {
  it("are removed after the quarantine, and no others", async () => {
    const { removed } = started();
    await vi.advanceTimersByTimeAsync(900);
    expect(removed).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(removed).toEqual(["b"]);
  });

  it("stay when the node comes back in time", async () => {
    const { collector, removed } = started();
    collector.node("node1", false);
    collector.node("gone", true);
    await vi.advanceTimersByTimeAsync(500);
    collector.node("node1", true);
    await vi.advanceTimersByTimeAsync(5000);
    expect(removed).toEqual([]);
  });

  it("are tried again when the API could not be asked", async () => {
    const { removed } = started(false);
    await vi.advanceTimersByTimeAsync(2100);
    expect(removed).toEqual(["b", "b"]);
  });
});
