import { describe, expect, it } from "vitest";
import { endpointGroups } from "./desired.ts";
import { reconcileSlices } from "./reconcile.ts";
import { type PodRecord, readPod, readService, type ServiceRecord } from "./records.ts";

const service = (spec: object = {}): ServiceRecord =>
  readService({
    metadata: { namespace: "default", name: "song", uid: "s" },
    spec: {
      selector: { app: "song" },
      ipFamilies: ["IPv4", "IPv6"],
      ports: [{ port: 80, targetPort: "http" }],
      ...spec,
    },
  });
const pod = (number: number, change: { spec?: object; status?: object; metadata?: object } = {}): PodRecord =>
  readPod({
    metadata: {
      namespace: "default",
      name: `wren-${number}`,
      uid: `u${number}`,
      labels: { app: "song" },
      ...change.metadata,
    },
    spec: { nodeName: "node1", containers: [{ ports: [{ name: "http", containerPort: 8080 }] }], ...change.spec },
    status: {
      phase: "Running",
      podIPs: [{ ip: `10.0.0.${number}` }, { ip: `fd00::${number}` }],
      conditions: [{ type: "Ready", status: "True" }],
      ...change.status,
    },
  });
const noZones = new Map([["node1", undefined]]);
const unready = { status: { conditions: [] } };
const going = { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } };

describe("the endpoints of a service", () => {
  it("are told for each family, with the port that the pod gives the name", () => {
    expect(endpointGroups(service(), [pod(1)], noZones)).toMatchObject([
      { family: "IPv4", ports: [{ port: 8080 }], endpoints: [{ addresses: ["10.0.0.1"], nodeName: "node1" }] },
      { family: "IPv6", ports: [{ port: 8080 }], endpoints: [{ addresses: ["fd00::1"] }] },
    ]);
  });

  it("are told apart when pods give a name different ports", () => {
    const other = pod(2, { spec: { containers: [{ ports: [{ name: "http", containerPort: 9090 }] }] } });
    const ports = endpointGroups(service({ ipFamilies: ["IPv4"] }), [pod(1), other], noZones).map(
      (group) => group.ports,
    );
    expect(ports).toMatchObject([[{ port: 8080 }], [{ port: 9090 }]]);
  });

  it("say of pods that are not ready or going what they still do", () => {
    const only = (change: object, spec = {}) =>
      endpointGroups(service({ ipFamilies: ["IPv4"], ...spec }), [pod(1, change)], noZones)[0]?.endpoints[0]
        ?.conditions;
    expect(only({})).toEqual({ ready: true, serving: true, terminating: false });
    expect(only(unready)).toEqual({ ready: false, serving: false, terminating: false });
    expect(only(going)).toEqual({ ready: false, serving: true, terminating: true });
    expect(only(unready, { publishNotReadyAddresses: true })).toEqual({
      ready: true,
      serving: false,
      terminating: false,
    });
  });

  it("are none of completed pods", () => {
    const done = pod(1, { status: { phase: "Succeeded" } });
    expect(endpointGroups(service({ ipFamilies: ["IPv4"] }), [done], noZones)).toEqual([
      { family: "IPv4", ports: [], endpoints: [] },
    ]);
  });

  it("bear hints when the service prefers near ones and all of them have a zone", () => {
    const zones = new Map([
      ["node1", "east"],
      ["node2", "west"],
    ]);
    const hints = (pods: PodRecord[], spec: object) =>
      endpointGroups(service({ ipFamilies: ["IPv4"], ...spec }), pods, zones)[0]?.endpoints.map((one) => one.hints);
    const west = pod(2, { spec: { nodeName: "node2", containers: [] } });
    const east = pod(1, { spec: { nodeName: "node1", containers: [] } });
    expect(hints([east, west], { trafficDistribution: "PreferClose" })).toEqual([
      { forZones: [{ name: "east" }] },
      { forZones: [{ name: "west" }] },
    ]);
    expect(hints([east, west], {})).toEqual([undefined, undefined]);
    const nowhere = pod(3, { spec: { nodeName: "node3", containers: [] } });
    expect(hints([east, nowhere], { trafficDistribution: "PreferClose" })).toEqual([undefined, undefined]);
  });
});

describe("the slices of a service", () => {
  const v4 = (pods: readonly PodRecord[]) => endpointGroups(service({ ipFamilies: ["IPv4"] }), pods, noZones);
  const sliceOf = (name: string, group: ReturnType<typeof v4>[number] | undefined) => ({
    ...{ key: `default/${name}`, namespace: "default", name, uid: name, resourceVersion: "1", service: "song" },
    ...{ managedBy: "", family: "IPv4", endpoints: group?.endpoints ?? [], ports: group?.ports ?? [] },
  });
  const many = Array.from({ length: 101 }, (_, index) => pod(index + 1));

  it("hold a hundred endpoints each", () => {
    const { create } = reconcileSlices([], v4(many));
    expect(create.map(({ endpoints }) => endpoints.length)).toEqual([100, 1]);
  });

  it("are not written when they say what they should", () => {
    const first = sliceOf("a", v4(many.slice(0, 3))[0]);
    expect(reconcileSlices([first], v4(many.slice(0, 3)))).toEqual({ create: [], update: [], remove: [] });
  });

  it("change where an endpoint came or went, and nowhere else", () => {
    const [first, second] = [sliceOf("a", v4(many.slice(0, 100))[0]), sliceOf("b", v4(many.slice(100))[0])];
    const changes = reconcileSlices([first, second], v4([...many, pod(102)]));
    expect(changes.update.map(({ slice }) => slice.name)).toEqual(["b"]);
    expect(reconcileSlices([first, second], v4(many.slice(0, 100)))).toMatchObject({
      update: [],
      remove: [{ name: "b" }],
    });
  });

  it("keep one without endpoints for a service that has none", () => {
    const empty = reconcileSlices([], v4([])).create;
    expect(empty).toHaveLength(1);
    expect(reconcileSlices([sliceOf("a", empty[0])], v4([]))).toEqual({ create: [], update: [], remove: [] });
  });
});
