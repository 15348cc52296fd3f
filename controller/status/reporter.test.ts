import type { EventNote, EventSubject } from "@ovenbird/kube";
import { describe, expect, it } from "vitest";
import { createReporter, eventReason } from "./reporter.ts";

describe("the reporter", () => {
  const events: [EventSubject, EventNote][] = [];
  const reporter = createReporter({
    recorder: { event: (subject, note) => void events.push([subject, note]) },
    lease: { namespace: "kube-system", name: "ovenbird-controller" },
    uidOf: (kind) => (kind === "Pod" ? "uid-1" : undefined),
  });

  it("puts an object's problem on the object, with its cause in words", () => {
    events.length = 0;
    reporter.objectProblem({
      object: { kind: "Pod", key: "ns/name", uid: "u" },
      code: "BLOCK_EXHAUSTED",
      message: "node a has no free address",
    });
    expect(events).toEqual([
      [
        { kind: "Pod", apiVersion: "v1", namespace: "ns", name: "name", uid: "u" },
        { type: "Warning", reason: "BlockExhausted", message: "node a has no free address" },
      ],
    ]);
  });

  it("says which rows were changed, on the object whose rows they are", () => {
    events.length = 0;
    const drift = { owner: "Pod/ns/name", table: "Logical_Switch_Port", uuid: "u1", what: "addresses was changed" };
    reporter.drift("Pod/ns/name", [drift, drift, drift, drift]);
    expect(events[0]?.[0]).toMatchObject({ kind: "Pod", name: "name", uid: "uid-1" });
    expect(events[0]?.[1].reason).toBe("NorthboundDrift");
    expect(events[0]?.[1].message).toContain("Logical_Switch_Port u1: addresses was changed");
    expect(events[0]?.[1].message).toContain("and 1 more");
  });

  it("speaks of what belongs to no object on the controllers' Lease", () => {
    events.length = 0;
    reporter.applyProblem({ owner: "Tenant/default", code: "REJECTED", message: "no", retryInMs: 1 });
    expect(events[0]?.[0]).toMatchObject({ kind: "Lease", namespace: "kube-system", name: "ovenbird-controller" });
    expect(events[0]?.[1].reason).toBe("NorthboundRejected");
    expect(eventReason("ADDRESS_CONFLICT")).toBe("AddressConflict");
  });
});
