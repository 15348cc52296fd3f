import { nodeChassisAnnotationKey } from "@ovenbird/kube";
import { describe, expect, it } from "vitest";
import { createIpam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectEgressIp } from "../state/egress-ip.ts";
import { projectEndpointSlice } from "../state/endpoint-slice.ts";
import { projectFloatingIp } from "../state/floating-ip.ts";
import { projectNamespace } from "../state/namespace.ts";
import { projectNode } from "../state/node.ts";
import { projectPod } from "../state/pod.ts";
import { projectService } from "../state/service.ts";
import type { BundleChange } from "../translate/desired.ts";
import { ownerText } from "../translate/owner.ts";
import { createGraph, type Graph } from "./graph.ts";
import { outletSlots } from "./outlets.ts";

const parsed = parseNetworkConfig({});
if (parsed.kind !== "valid") throw new Error("the defaults are not valid");
const { network } = parsed;

function town(): Graph {
  const graph = createGraph({ network, ipam: createIpam(network), report: () => {} });
  graph.apply({
    ...{ kind: "namespace", change: "upsert", key: "shop" },
    object: projectNamespace({ metadata: { name: "shop", uid: "n", labels: { is: "shop" } } }),
  });
  for (const [index, name] of ["ash", "birch"].entries()) {
    const gateway = {
      mac: `02:00:00:00:00:0${index}`,
      addresses: [`172.18.0.1${index}/16`],
      nextHops: ["172.18.0.1"],
      physicalNetwork: "physnet",
    };
    const annotations = { [nodeChassisAnnotationKey]: JSON.stringify({ systemId: `id-${name}`, gateway }) };
    const object = projectNode({ metadata: { name, uid: name, annotations }, status: {} });
    graph.apply({ kind: "node", change: "upsert", key: name, object });
  }
  pod(graph, "front");
  pod(graph, "back");
  return graph;
}

function pod(graph: Graph, name: string, uid = name): void {
  const object = projectPod({
    metadata: { namespace: "shop", name, uid, labels: { app: name } },
    spec: { nodeName: "ash" },
  });
  graph.apply({ kind: "pod", change: "upsert", key: `shop/${name}`, object });
}

function egressIp(graph: Graph, name: string, addresses: readonly string[], createdAt = "2026-01-01T00:00:00Z"): void {
  const spec = { addresses, namespaceSelector: { matchLabels: { is: "shop" } } };
  const object = projectEgressIp({ metadata: { name, uid: name, creationTimestamp: createdAt }, spec });
  graph.apply({ kind: "egressIp", change: "upsert", key: name, object });
}

function floatingIp(graph: Graph, name: string, addresses: readonly string[], of: string): void {
  const metadata = { namespace: "shop", name, uid: name, creationTimestamp: "2026-01-01T00:00:00Z" };
  const object = projectFloatingIp({ metadata, spec: { addresses, pod: of } });
  graph.apply({ kind: "floatingIp", change: "upsert", key: `shop/${name}`, object });
}

const ownersOf = (changes: readonly BundleChange[]) => changes.map(({ owner }) => ownerText(owner));
const natOf = (graph: Graph, owner: string) =>
  graph.bundleOf(owner)?.rows.flatMap(({ table, columns }) => (table === "NAT" ? [columns.logical_ip] : []));

describe("EgressIPs", () => {
  it("have rows once a node is on their network, and lose them with their object", () => {
    const graph = town();
    egressIp(graph, "till", ["172.18.0.200"]);
    expect(ownersOf(graph.flush())).toEqual(expect.arrayContaining(["Outlet/default", "EgressIP/till"]));
    expect(graph.conditions("EgressIP", "till")?.problems).toEqual([]);
    graph.apply({ kind: "egressIp", change: "delete", key: "till" });
    const gone = graph.flush().filter(({ bundle }) => bundle === undefined);
    expect(ownersOf(gone).slice(0, 2)).toEqual(["EgressIP/till", "Outlet/default"]);
    expect(graph.bundleOf("EgressIP/till")).toBeUndefined();
  });

  it("cost nothing of their own when a pod comes", () => {
    const graph = town();
    egressIp(graph, "till", ["172.18.0.200"]);
    graph.flush();
    pod(graph, "side");
    expect(ownersOf(graph.flush())).toEqual(["Pod/shop/side"]);
  });

  it("leave to the gateway what answers clients whom a Service shows to its endpoints", () => {
    const graph = town();
    const spec = {
      ...{ type: "NodePort", clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"], externalTrafficPolicy: "Local" },
      ports: [{ port: 80, targetPort: 8080, nodePort: 30080, protocol: "TCP" }],
      selector: { app: "front" },
    };
    const service = projectService({ metadata: { namespace: "shop", name: "front", uid: "s" }, spec });
    graph.apply({ kind: "service", change: "upsert", key: "shop/front", object: service });
    const slice = projectEndpointSlice({
      metadata: { namespace: "shop", name: "front-1", labels: { "kubernetes.io/service-name": "front" } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.244.0.3"], nodeName: "ash", conditions: { ready: true } }],
      ports: [{ port: 8080, protocol: "TCP" }],
    });
    graph.apply({ kind: "endpointSlice", change: "upsert", key: "shop/front-1", object: slice });
    graph.flush();
    const priorities = () =>
      graph
        .bundleOf("Service/shop/front")
        ?.rows.flatMap(({ table, columns }) => (table === "Logical_Router_Policy" ? [columns.priority] : []));
    expect(priorities()).toEqual([1450]);
    egressIp(graph, "till", ["172.18.0.200"]);
    graph.flush();
    expect(priorities()).toEqual([1450, 315]);
    graph.apply({ kind: "egressIp", change: "delete", key: "till" });
    graph.flush();
    expect(priorities()).toEqual([1450]);
  });

  it("leave an address to the older one, a node's to the node, and the way out to the nodes' router", () => {
    const graph = town();
    egressIp(graph, "young", ["172.18.0.200"], "2026-02-01T00:00:00Z");
    egressIp(graph, "old", ["172.18.0.200"]);
    egressIp(graph, "node", ["172.18.0.10"]);
    egressIp(graph, "router", ["172.18.0.1"]);
    graph.flush();
    const codes = (name: string) => graph.conditions("EgressIP", name)?.problems.map(({ code }) => code);
    expect([codes("old"), codes("young"), codes("node"), codes("router")]).toEqual([
      [],
      ["OUTLET_ADDRESS_TAKEN"],
      ["OUTLET_ADDRESS_TAKEN"],
      ["OUTLET_ADDRESS_TAKEN"],
    ]);
    graph.apply({ kind: "egressIp", change: "delete", key: "old" });
    graph.flush();
    expect(codes("young")).toEqual([]);
  });

  it("say where they can't be", () => {
    const graph = town();
    egressIp(graph, "far", ["192.0.2.1"]);
    graph.flush();
    expect(graph.conditions("EgressIP", "far")?.problems[0]?.code).toBe("OUTLET_NO_NETWORK");
    expect(graph.bundleOf("EgressIP/far")).toBeUndefined();
  });

  it("tell on which node OVN has them, and are ready when one has", () => {
    const graph = town();
    egressIp(graph, "till", ["172.18.0.200"]);
    graph.flush();
    graph.takeChangedConditions();
    const condition = () => graph.conditions("EgressIP", "till");
    expect(condition()).toMatchObject({
      isReady: false,
      problems: [],
      pending: expect.stringContaining("None of its"),
    });
    graph.applyOutlet("egress.till-to-external", "id-birch");
    expect(graph.takeChangedConditions()).toEqual([{ kind: "EgressIP", key: "till" }]);
    expect(condition()).toMatchObject({ isReady: true, status: { node: "birch", pods: 2 } });
    graph.applyOutlet("egress.till-to-external", undefined);
    expect(condition()).toMatchObject({ isReady: false, status: { node: undefined } });
    graph.applyOutlet("egress.till-to-external", "id-birch");
    expect(graph.takeChangedConditions()).toEqual([{ kind: "EgressIP", key: "till" }]);
    expect(condition()?.isReady).toBe(true);
    // Of a pod that comes they tell when it is one of theirs.
    for (const namespace of ["other", "shop"]) {
      const metadata = { namespace, name: "new", uid: `${namespace}/new` };
      const object = projectPod({ metadata, spec: { nodeName: "ash" } });
      graph.apply({ kind: "pod", change: "upsert", key: object.key, object });
      graph.flush();
      expect(graph.takeChangedConditions()).toEqual(namespace === "shop" ? [{ kind: "EgressIP", key: "till" }] : []);
    }
  });
});

describe("FloatingIPs", () => {
  it("wait for their pod, follow it, and leave it before another has its address", () => {
    const graph = town();
    floatingIp(graph, "door", ["172.18.0.210"], "late");
    graph.flush();
    expect(graph.conditions("FloatingIP", "shop/door")?.problems[0]?.code).toBe("FLOATING_POD_MISSING");
    pod(graph, "late");
    expect(ownersOf(graph.flush())).toEqual(["Pod/shop/late", "FloatingIP/shop/door"]);
    expect(natOf(graph, "FloatingIP/shop/door")).toEqual(["10.244.0.5"]);
    floatingIp(graph, "door", ["172.18.0.210"], "front");
    expect(ownersOf(graph.flush())).toEqual(["FloatingIP/shop/door"]);
    expect(natOf(graph, "FloatingIP/shop/door")).toEqual(["10.244.0.3"]);
    graph.apply({ kind: "pod", change: "delete", key: "shop/front" });
    expect(graph.flush().map(({ owner, bundle }) => [ownerText(owner), bundle])).toEqual([
      ["Pod/shop/front", undefined],
      ["FloatingIP/shop/door", undefined],
    ]);
  });

  it("end in the same rows in whatever order objects come", () => {
    const one = town();
    floatingIp(one, "door", ["172.18.0.210"], "front");
    egressIp(one, "till", ["172.18.0.200"]);
    one.flush();
    const other = town();
    egressIp(other, "till", ["172.18.0.200"]);
    other.flush();
    floatingIp(other, "door", ["172.18.0.210"], "back");
    other.flush();
    floatingIp(other, "door", ["172.18.0.210"], "front");
    other.flush();
    for (const owner of ["Outlet/default", "Outlet/floating", "EgressIP/till", "FloatingIP/shop/door"]) {
      expect(other.bundleOf(owner)?.rows, owner).toEqual(one.bundleOf(owner)?.rows);
      expect(one.bundleOf(owner)?.rows.length, owner).toBeGreaterThan(0);
    }
  });
});

describe("numbers of links", () => {
  it("are each one's own, and the older one's stay when younger ones come", () => {
    const ids = Array.from({ length: 500 }, (_, index) => `EgressIP/${index}`);
    const slots = outletSlots(ids);
    expect(new Set(slots.values()).size).toBe(500);
    expect([...outletSlots(ids.slice(0, 100))]).toEqual([...slots].slice(0, 100));
  });
});
