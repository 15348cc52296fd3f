import { KubeError, type ReflectorEvent } from "@ovenbird/kube";
import { Subject } from "rxjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { projectAdminNetworkPolicy } from "../state/admin-network-policy.ts";
import { projectNetworkPolicy } from "../state/network-policy.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import { type PolicyRecord, policyId } from "../state/policy.ts";
import { createPolicyStatus, type PolicyStatus } from "./policy-status.ts";

interface Patch {
  readonly resource: string;
  readonly name: string;
  readonly body: { readonly metadata: object; readonly status: { readonly conditions: readonly object[] } };
}

let events: Subject<ReflectorEvent<PolicyRecord>>;
let patches: Patch[];
let problems: ObjectProblem[];
let refusal: Error | undefined;
let status: PolicyStatus;

const start = (now = "2026-01-02T03:04:05.678Z") => {
  events = new Subject();
  patches = [];
  problems = [];
  status = createPolicyStatus({
    client: {
      patch: (async (resource: { plural: string }, { name }: { name: string }, body: Patch["body"]) => {
        if (refusal !== undefined) throw refusal;
        patches.push({ resource: resource.plural, name, body });
      }) as never,
    },
    policies: events,
    onProblem: (problem) => problems.push(problem),
    now: () => new Date(now),
    pace: { firstPauseMs: 10 },
  });
};
const upsert = (object: PolicyRecord) => events.next({ kind: "upsert", key: policyId(object), object });

const everybody = { namespaces: {} };
/** An AdminNetworkPolicy with so many rules that can't be read. */
const admin = (unreadable: number, conditions: readonly object[] = [], generation = 1) =>
  projectAdminNetworkPolicy({
    metadata: { name: "guard", uid: "u", generation },
    spec: {
      priority: 1,
      subject: everybody,
      ingress: Array.from({ length: unreadable }, () => ({ action: "Deny", from: [{}] })),
    },
    status: { conditions },
  });
const written = () => patches.at(-1)?.body.status.conditions ?? [];

beforeEach(() => {
  refusal = undefined;
  start();
});
afterEach(() => status.close());

describe("the status of policies", () => {
  it("says of one that is understood that it is accepted, and nothing more once that stands there", async () => {
    upsert(admin(0));
    await status.idle();
    expect(patches).toEqual([
      {
        resource: "adminnetworkpolicies",
        name: "guard",
        body: {
          metadata: { uid: "u" },
          status: {
            conditions: [
              {
                type: "Accepted",
                status: "True",
                reason: "Accepted",
                message: "All of it is understood",
                observedGeneration: 1,
                lastTransitionTime: "2026-01-02T03:04:05Z",
              },
            ],
          },
        },
      },
    ]);
    upsert(admin(0, written()));
    await status.idle();
    expect(patches).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it("says what can't be carried out in one Event for each reason, and in the condition", async () => {
    upsert(admin(2));
    await status.idle();
    const message = "ingress[0]: a peer has to have one field; ingress[1]: a peer has to have one field";
    expect(problems).toEqual([
      { object: { kind: "AdminNetworkPolicy", key: "guard", uid: "u" }, code: "POLICY_PEER_UNREADABLE", message },
    ]);
    expect(written()).toMatchObject([{ status: "False", reason: "PolicyPeerUnreadable", message }]);
  });

  it("writes and says nothing anew after a restart", async () => {
    upsert(admin(1));
    await status.idle();
    const conditions = written();
    await status.close();
    start();
    upsert(admin(1, conditions));
    await status.idle();
    expect({ patches, problems }).toEqual({ patches: [], problems: [] });
  });

  it("keeps since when it is so as long as it is so, and others' conditions", async () => {
    upsert(admin(0));
    await status.idle();
    const other = { type: "Audited", status: "True" };
    const conditions = [other, ...written()];
    await status.close();
    start("2027-01-01T00:00:00Z");
    upsert(admin(0, conditions, 2));
    await status.idle();
    expect(written()).toMatchObject([
      other,
      { observedGeneration: 2, lastTransitionTime: "2026-01-02T03:04:05Z", status: "True" },
    ]);
    upsert(admin(1, conditions, 3));
    await status.idle();
    expect(written()).toMatchObject([other, { status: "False", lastTransitionTime: "2027-01-01T00:00:00Z" }]);
  });

  it("writes again what somebody takes away, after a pause", async () => {
    upsert(admin(0));
    await status.idle();
    upsert(admin(0));
    upsert(admin(0));
    expect(patches).toHaveLength(1);
    await status.idle();
    expect(patches).toHaveLength(2);
  });

  it("tries again when the write fails, but not for an object that is gone", async () => {
    refusal = new KubeError("NOT_FOUND", "gone");
    upsert(admin(0));
    await status.idle();
    refusal = new KubeError("UNAVAILABLE", "later");
    events.next({ kind: "delete", key: "AdminNetworkPolicy/guard", object: admin(0) });
    upsert(admin(0, [], 2));
    await new Promise((resolve) => setImmediate(resolve));
    expect(status.pending).toBe(1);
    refusal = undefined;
    await status.idle();
    expect(patches).toHaveLength(1);
  });

  it("tells the problems of a NetworkPolicy once, and has no condition for it", async () => {
    const policy = (port: number, labels = {}) =>
      projectNetworkPolicy({
        metadata: { namespace: "shop", name: "web", uid: "u", labels },
        spec: { podSelector: {}, ingress: [{ ports: [{ port }] }] },
      });
    upsert(policy(0));
    upsert(policy(0, { changed: "elsewhere" }));
    expect(problems).toMatchObject([{ object: { kind: "NetworkPolicy", key: "shop/web" } }]);
    upsert(policy(80));
    upsert(policy(0));
    await status.idle();
    expect(problems).toHaveLength(2);
    expect(patches).toEqual([]);
  });
});
