import { readFileSync } from "node:fs";
import { join } from "node:path";
import { requestAnnotationKeys } from "@ovenbird/kube";
import { describe, expect, it } from "vitest";
import { annotationAliases } from "./annotation-aliases.ts";
import { projectNamespace } from "./namespace.ts";
import { projectPod } from "./pod.ts";
import { parseKbps, parseSeconds } from "./read-pod-request.ts";

const owner = (kind: string, name: string) => [{ apiVersion: "apps/v1", kind, name, uid: "o", controller: true }];
const pod = (annotations: object, metadata: object = {}) =>
  projectPod({ metadata: { namespace: "ns", name: "web", annotations, ...metadata } });

describe("what a pod asks for", () => {
  it("is nothing where no annotation of it asks", () => {
    expect(pod({ "kubernetes.io/config.source": "api" }).request).toBeUndefined();
  });

  it("is in one form whatever the form of the annotations", () => {
    const { request } = pod({
      "ovenbird.io/subnet": "blue",
      "ovenbird.io/ip": "10.0.0.9, FD00::0A,10.0.0.10",
      "ovenbird.io/mac": "0A:00:00:00:00:09",
      "ovenbird.io/ip-pool": "a,b",
      "ovenbird.io/sticky": "cart",
      "ovenbird.io/sticky-ttl": "1h30m",
      "ovenbird.io/priority": "5",
      "kubernetes.io/ingress-bandwidth": "10M",
      "kubernetes.io/egress-bandwidth": "1500k",
    });
    expect(request).toEqual({
      subnet: "blue",
      addresses: ["10.0.0.9", "fd00::a", "10.0.0.10"],
      mac: "0a:00:00:00:00:09",
      pools: ["a", "b"],
      sticky: "cart",
      stickySeconds: 5400,
      qos: { ingressKbps: 10_000, egressKbps: 1500, dscp: 40 },
      problems: [],
    });
    expect(pod({ "ovenbird.io/priority": "5", "ovenbird.io/dscp": "46" }).request?.qos?.dscp).toBe(46);
  });

  it("is one object for pods that ask for the same", () => {
    expect(pod({ "ovenbird.io/subnet": "blue" }).request).toBe(pod({ "ovenbird.io/subnet": "blue" }).request);
  });

  it.each([
    ["ovenbird.io/subnet", "Blue!"],
    ["ovenbird.io/ip", "10.0.0.300"],
    ["ovenbird.io/ip", "10.0.0.3/24"],
    ["ovenbird.io/mac", "01:00:00:00:00:01"],
    ["ovenbird.io/ip-pool", "a,,b"],
    ["ovenbird.io/sticky", "a.b"],
    ["ovenbird.io/sticky-ttl", "soon"],
    ["ovenbird.io/dscp", "64"],
    ["ovenbird.io/priority", "8"],
    ["kubernetes.io/egress-bandwidth", "10"],
    ["cni.projectcalico.org/ipAddrs", '["10.0.0.1"'],
  ])("is refused where %s is %j, in words that name the annotation", (key, value) => {
    const problems = pod({ [key]: value }).request?.problems ?? [];
    expect(problems.map(({ code }) => code)).toEqual(["INVALID_POD_REQUEST"]);
    expect(problems[0]?.message).toContain(key);
  });

  it.each<readonly [Record<string, string>, object]>([
    [{ "ovn.kubernetes.io/logical_switch": "blue" }, { subnet: "blue" }],
    [{ "ovn.kubernetes.io/ip_address": "10.0.0.1,fd00::1" }, { addresses: ["10.0.0.1", "fd00::1"] }],
    [
      { "ovn.kubernetes.io/ip_pool": "10.0.0.1,fd00::1;10.0.0.2,fd00::2" },
      { addresses: ["10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2"] },
    ],
    [{ "ovn.kubernetes.io/ip_pool": "pool-a" }, { pools: ["pool-a"] }],
    [{ "ovn.kubernetes.io/mac_address": "00:00:00:53:6B:B6" }, { mac: "00:00:00:53:6b:b6" }],
    [{ "ovn.kubernetes.io/ingress_rate": "3" }, { qos: { ingressKbps: 3000, egressKbps: undefined, dscp: undefined } }],
    [{ "cni.projectcalico.org/ipAddrs": '["10.0.0.1", "fd00::1"]' }, { addresses: ["10.0.0.1", "fd00::1"] }],
    [{ "cni.projectcalico.org/ipv4pools": '["a"]', "cni.projectcalico.org/ipv6pools": '["b"]' }, { pools: ["a", "b"] }],
    [{ "networking.alibaba.com/specified-subnet": "blue" }, { subnet: "blue" }],
    [{ "networking.alibaba.com/ip-pool": "10.0.0.1,10.0.0.2" }, { addresses: ["10.0.0.1", "10.0.0.2"] }],
  ])("is understood in others' words: %j", (annotations, request) => {
    expect(pod(annotations).request).toMatchObject({ problems: [], ...request });
  });

  it("is kept by name with HybridNet's ip-retain, where the workload gives names anew", () => {
    const annotations = { "networking.alibaba.com/ip-retain": "true" };
    const ofSet = pod(annotations, { name: "db-0", ownerReferences: owner("StatefulSet", "db") });
    expect(ofSet.request?.sticky).toBe("db-0");
    expect(pod(annotations).request).toBeUndefined();
  });

  it("goes by Ovenbird's words where there are others too", () => {
    expect(pod({ "ovn.kubernetes.io/logical_switch": "red", "ovenbird.io/subnet": "blue" }).request?.subnet).toBe(
      "blue",
    );
  });

  it("is a namespace's subnet for its pods", () => {
    const subnetOf = (annotations: object) => projectNamespace({ metadata: { name: "ns", annotations } }).subnet;
    expect(subnetOf({ "ovenbird.io/subnet": "blue" })).toBe("blue");
    expect(subnetOf({ "ovn.kubernetes.io/logical_switch": "red" })).toBe("red");
    expect(subnetOf({})).toBeUndefined();
  });
});

describe("what made a pod", () => {
  const workload = (name: string, ownerReferences: unknown, labels: object = {}) => {
    const record = projectPod({ metadata: { namespace: "ns", name, ownerReferences, labels } });
    return [record.workload, record.ordinal];
  };

  it("is a StatefulSet, and the pod's number in it", () => {
    expect(workload("db-12", owner("StatefulSet", "db"))).toEqual(["StatefulSet/db", 12]);
  });

  it("is a Deployment where the ReplicaSet bears the template's hash", () => {
    const labels = { "pod-template-hash": "5d4f" };
    expect(workload("web-5d4f-x1", owner("ReplicaSet", "web-5d4f"), labels)).toEqual(["Deployment/web", undefined]);
    expect(workload("web-x1", owner("ReplicaSet", "web"), {})).toEqual(["ReplicaSet/web", undefined]);
  });

  it("is nothing without an owner that controls it", () => {
    expect(workload("web", [{ kind: "Node", name: "n", controller: false }])).toEqual([undefined, undefined]);
    expect(workload("web", "nobody")).toEqual([undefined, undefined]);
  });
});

describe("rates and times", () => {
  it.each([
    ["1k", 1],
    ["10M", 10_000],
    ["1G", 1_000_000],
    ["1Mi", 1048],
    ["1e6", 1000],
    ["2.5M", 2500],
    ["999", undefined],
    ["2P", undefined],
    ["-1M", undefined],
    ["10MB", undefined],
    ["", undefined],
  ])("%j are %j kbit/s", (text, kbps) => expect(parseKbps(text)).toBe(kbps));

  it.each([
    ["0", 0],
    ["300", 300],
    ["90s", 90],
    ["1d2h3m4s", 93_784],
    ["1h", 3600],
    ["", undefined],
    ["h", undefined],
    ["99999999999", undefined],
  ])("%j are %j seconds", (text, seconds) => expect(parseSeconds(text)).toBe(seconds));
});

describe("docs/annotations.md", () => {
  const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "annotations.md"), "utf8");
  const firstCells = (heading: string) =>
    [...(document.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "").matchAll(/^\| `([^`|]+)`/gm)].map(
      ([, cell]) => cell,
    );

  it("has every annotation by which a pod asks for its network, and no other", () => {
    expect(firstCells("Ovenbird's own").sort()).toEqual(Object.values(requestAnnotationKeys).sort());
  });

  it("has every annotation of others that pods are understood by, and no other", () => {
    expect(firstCells("Those of others").sort()).toEqual([...new Set(annotationAliases.map(({ key }) => key))].sort());
  });
});
