import type { ReflectorEvent } from "@ovenbird/kube";
import { Subject } from "rxjs";
import { describe, expect, it } from "vitest";
import { createPodSource, type PodView, projectPod } from "./pod-source.ts";

const network = (uid: string) =>
  JSON.stringify({
    uid,
    port: "default_web",
    addresses: ["10.244.0.3/24"],
    gateways: ["10.244.0.1"],
    mac: "0a:58:0a:f4:00:03",
    mtuBytes: 1400,
  });

const pod = (uid: string, annotations?: Record<string, string>) =>
  projectPod({ metadata: { namespace: "default", name: "web", uid, ...(annotations ? { annotations } : {}) } });

const annotated = (uid: string, of = uid) => pod(uid, { "ovenbird.io/network": network(of) });

function source() {
  const events = new Subject<ReflectorEvent<PodView>>();
  const pods = createPodSource(events);
  const upsert = (object: PodView) => events.next({ kind: "upsert", key: "default/web", object });
  return { events, pods, upsert };
}

const patience = () => new AbortController().signal;

describe("a wait for a pod's network", () => {
  it("ends at once when it is known", async () => {
    const { pods, upsert } = source();
    upsert(annotated("a"));
    expect((await pods.waitFor("default/web", "a", patience())).network.value.addresses).toEqual(["10.244.0.3/24"]);
  });

  it("ends when the annotation comes, not for another incarnation, nor for one copied from another pod", async () => {
    const { pods, upsert } = source();
    let found: PodView | undefined;
    const waiting = pods.waitFor("default/web", "b", patience()).then((view) => {
      found = view;
    });
    upsert(annotated("a"));
    upsert(pod("b"));
    upsert(annotated("b", "a"));
    await Promise.resolve();
    expect(found).toBeUndefined();
    upsert(annotated("b"));
    await waiting;
    expect(found?.uid).toBe("b");
  });

  it("takes a static pod by the uid that kubelet has for it", async () => {
    const { pods, upsert } = source();
    upsert(pod("mirror", { "kubernetes.io/config.mirror": "hash", "ovenbird.io/network": network("mirror") }));
    expect((await pods.waitFor("default/web", "hash", patience())).uid).toBe("mirror");
  });

  it("ends with the signal's reason, and leaves nothing behind", async () => {
    const { pods, upsert } = source();
    const controller = new AbortController();
    const waiting = pods.waitFor("default/web", "a", controller.signal);
    controller.abort(new Error("no more"));
    await expect(waiting).rejects.toThrow("no more");
    upsert(annotated("a"));
    await expect(pods.waitFor("default/web", "z", AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
  });
});

describe("a pod that the controller refuses a network", () => {
  const refusal = (uid: string) =>
    JSON.stringify({ uid, code: "ADDRESS_TAKEN", message: "10.10.0.5 is held by shop/db-0" });
  const refused = (uid: string, of = uid) => pod(uid, { "ovenbird.io/refused": refusal(of) });

  it("ends the wait at once with the reason, whether it comes before or meanwhile", async () => {
    const { pods, upsert } = source();
    const waiting = pods.waitFor("default/web", "a", patience());
    upsert(refused("a"));
    const reason = { name: "PodRefused", code: "ADDRESS_TAKEN", message: "10.10.0.5 is held by shop/db-0" };
    await expect(waiting).rejects.toMatchObject(reason);
    await expect(pods.waitFor("default/web", "a", patience())).rejects.toMatchObject(reason);
  });

  it("has its network once it is there, and another incarnation's refusal counts for nothing", async () => {
    const { pods, upsert } = source();
    upsert(refused("a"));
    const waiting = pods.waitFor("default/web", "b", patience());
    upsert(refused("b", "a"));
    upsert(pod("b", { "ovenbird.io/refused": refusal("b"), "ovenbird.io/network": network("b") }));
    expect((await waiting).uid).toBe("b");
  });
});

describe("the pods of a node", () => {
  it("are complete once the list is", async () => {
    const { pods, events, upsert } = source();
    const waiting = pods.synced(patience());
    upsert(pod("a"));
    expect(pods.isSynced).toBe(false);
    events.next({ kind: "synced" });
    await waiting;
    expect(pods.isSynced).toBe(true);
    events.next({ kind: "delete", key: "default/web", object: pod("a") });
    expect(pods.get("default/web")).toBeUndefined();
  });

  it("bear an annotation that can't be read with its reason", () => {
    expect(pod("a", { "ovenbird.io/network": "{" }).network).toMatchObject({ kind: "invalid" });
    expect(pod("a", { "ovenbird.io/network": '{"uid":"a"}' }).network).toMatchObject({ kind: "invalid" });
    const forged = network("a").replace("default_web", "management.node-a");
    expect(pod("a", { "ovenbird.io/network": forged }).network).toEqual({
      kind: "invalid",
      reason: "port management.node-a is not the pod's own, default_web",
    });
    expect(() => projectPod({})).toThrow(TypeError);
  });
});
