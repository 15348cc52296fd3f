import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createInterner } from "./interner.ts";
import { namespaceLabels, projectNamespace } from "./namespace.ts";
import { projectNode } from "./node.ts";
import { projectPod } from "./pod.ts";

describe("the record of a pod", () => {
  it("holds what we use and nothing else", () => {
    const raw = {
      apiVersion: "v1",
      metadata: {
        namespace: "ns",
        name: "web",
        uid: "u",
        deletionTimestamp: "2026-01-01T00:00:00Z",
        labels: { tier: "b", app: "a" },
        annotations: { "ovenbird.io/network": "{}", other: "x".repeat(1000) },
        managedFields: [{}],
      },
      spec: { nodeName: "n1", hostNetwork: false, containers: [{ name: "c" }] },
      status: { phase: "Failed", podIP: "10.0.0.1" },
    };
    const pod = projectPod(raw);
    expect(pod).toEqual({
      key: "ns/web",
      uid: "u",
      namespace: "ns",
      nodeName: "n1",
      hostNetwork: false,
      finished: true,
      deleting: true,
      labels: { app: "a", tier: "b" },
      selectionLabels: { app: "a", tier: "b" },
      networkAnnotation: "{}",
    });
    expect(Object.isFrozen(pod)).toBe(true);
  });

  it("shares one object for equal labels, whatever their order", () => {
    const labelled = (labels: unknown) => projectPod({ metadata: { labels } }).labels;
    expect(labelled({ a: "1", b: "2" })).toBe(labelled({ b: "2", a: "1" }));
    expect(labelled({ a: "1" })).not.toBe(labelled({ a: "2" }));
    expect(labelled(undefined)).toBe(labelled({}));
  });
});

describe("what selects a pod", () => {
  const selectionLabels = (spec: unknown) => projectPod({ metadata: { labels: { app: "a" } }, spec }).selectionLabels;
  const ports = (...list: object[]) => ({ containers: [{ ports: list }] });

  it("are its labels where it names no port", () => {
    const pod = projectPod({ metadata: { labels: { app: "a" } }, spec: ports({ containerPort: 80 }) });
    expect(pod.selectionLabels).toBe(pod.labels);
  });

  it("are its labels and the ports that it names, by protocol", () => {
    const spec = ports(
      { name: "http", containerPort: 8080 },
      { name: "dns", containerPort: 53, protocol: "UDP" },
      { name: "dns", containerPort: 5353, protocol: "TCP" },
      { containerPort: 1 },
    );
    expect(selectionLabels(spec)).toEqual({ app: "a", "#tcp/http": "8080", "#udp/dns": "53", "#tcp/dns": "5353" });
    expect(selectionLabels(spec)).toBe(selectionLabels(spec));
  });

  it("are ports of its lasting containers, the first of a name", () => {
    const named = (containerPort: number) => [{ name: "http", containerPort }];
    const spec = {
      initContainers: [
        { ports: named(1) },
        { restartPolicy: "Always", ports: [{ name: "proxy", containerPort: 15 }, ...named(2)] },
      ],
      containers: [{ ports: named(3) }, { ports: named(4) }],
    };
    expect(selectionLabels(spec)).toEqual({ app: "a", "#tcp/http": "3", "#tcp/proxy": "15" });
  });

  it.each([
    { name: "http", containerPort: 0 },
    { name: "http", containerPort: 80, protocol: "ICMP" },
    { name: "a=1,b", containerPort: 80 },
    { name: 5, containerPort: 80 },
  ])("is not the port %j", (port) => {
    expect(selectionLabels(ports(port))).toEqual({ app: "a" });
  });
});

describe("the record of a namespace", () => {
  it("has its name among the labels, whatever it says itself", () => {
    const namespace = projectNamespace({
      metadata: { name: "shop", uid: "u", labels: { team: "x", "kubernetes.io/metadata.name": "other" } },
    });
    expect(namespace).toEqual({
      key: "shop",
      uid: "u",
      labels: { "kubernetes.io/metadata.name": "shop", team: "x" },
      logPolicy: undefined,
      logPolicyProblem: undefined,
    });
    expect(namespaceLabels("new")).toEqual({ "kubernetes.io/metadata.name": "new" });
  });

  it.each([
    ["deny", "deny"],
    ["allow", "allow"],
    ["all", "all"],
    ["some", undefined],
    ["", undefined],
  ])("that says %j has logged: %j", (text, logPolicy) => {
    const annotations = { "ovenbird.io/log-policy": text };
    expect(projectNamespace({ metadata: { name: "shop", annotations } })).toMatchObject({
      logPolicy,
      logPolicyProblem: text === "some" ? "some" : undefined,
    });
  });
});

describe("the record of a node", () => {
  it("holds its internal addresses, its chassis and its own annotation", () => {
    const chassis = { systemId: "c1" };
    const node = projectNode({
      metadata: {
        name: "n1",
        uid: "u",
        annotations: { "ovenbird.io/chassis": JSON.stringify(chassis), "ovenbird.io/node-network": "{}" },
      },
      status: {
        addresses: [
          { type: "Hostname", address: "n1" },
          { type: "InternalIP", address: "192.168.0.1" },
          { type: "InternalIP", address: "fc00::1" },
          { type: "InternalIP", address: "nonsense" },
          { type: "ExternalIP", address: "203.0.113.1" },
        ],
      },
    });
    expect(node).toEqual({
      key: "n1",
      uid: "u",
      labels: {},
      internalAddresses: ["192.168.0.1", "fc00::1"],
      zone: "",
      chassis,
      chassisProblem: undefined,
      networkAnnotation: "{}",
    });
  });

  it("says why a chassis annotation can't be read", () => {
    const withChassis = (text: string) => projectNode({ metadata: { annotations: { "ovenbird.io/chassis": text } } });
    expect(withChassis("{").chassisProblem).toMatch(/JSON/);
    const wrongMac = { systemId: "c", gateway: { mac: "x", addresses: [], nextHops: [], physicalNetwork: "p" } };
    expect(withChassis(JSON.stringify(wrongMac))).toMatchObject({ chassis: undefined });
    expect(withChassis(JSON.stringify(wrongMac)).chassisProblem).toMatch(/MAC/);
  });
});

it("no object, however odd, makes a projection throw", () => {
  const odd = fc.oneof(
    fc.anything(),
    fc.record({ metadata: fc.anything(), spec: fc.anything(), status: fc.anything() }),
    fc.record({
      metadata: fc.record({
        name: fc.anything(),
        uid: fc.anything(),
        labels: fc.anything(),
        annotations: fc.anything(),
      }),
      status: fc.record({ addresses: fc.oneof(fc.anything(), fc.array(fc.anything())) }),
    }),
  );
  fc.assert(
    fc.property(odd, (raw) => {
      expect(typeof projectPod(raw).key).toBe("string");
      expect(typeof projectNode(raw).key).toBe("string");
      expect(typeof projectNamespace(raw).key).toBe("string");
    }),
    { numRuns: 500 },
  );
});

it("an interner forgets what nobody asks for, and keeps what is in use", () => {
  const interner = createInterner<{ readonly text: string }>(2);
  const intern = (text: string) => interner.intern(text, () => ({ text }));
  const kept = intern("kept");
  const lost = intern("lost");
  for (const text of ["a", "b", "c", "d"]) {
    intern(text);
    expect(intern("kept")).toBe(kept);
  }
  expect(intern("lost")).not.toBe(lost);
});
