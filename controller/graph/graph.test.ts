import { describe, expect, it } from "vitest";
import { createIpam, type Ipam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import type { ReservedRow } from "../ipam/restore.ts";
import { projectNode } from "../state/node.ts";
import { type ObjectProblem, type ObjectProblemCode, objectProblemCodes } from "../state/object-problem.ts";
import { type PodRecord, projectPod } from "../state/pod.ts";
import { ownerText } from "../translate/owner.ts";
import { createGraph, type Graph } from "./graph.ts";

const seenCodes = new Set<ObjectProblemCode>();

interface Bench {
  readonly graph: Graph;
  readonly ipam: Ipam;
  readonly problems: ObjectProblem[];
  readonly pods: Map<string, PodRecord>;
  /** The owners of what a flush returns, a bundle that goes with a minus. */
  flush(): string[];
  node(name: string, options?: { annotations?: Record<string, string>; address?: string }): void;
  removeNode(name: string): void;
  pod(key: string, on?: string, options?: PodOptions): void;
  removePod(key: string): void;
  addresses(key: string): string[] | undefined;
  codes(): string[];
}

interface PodOptions {
  readonly uid?: string;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  readonly annotation?: string;
}

function podRecord(key: string, on: string | undefined, options: PodOptions = {}): PodRecord {
  const [namespace, name] = key.split("/");
  return projectPod({
    metadata: {
      namespace,
      name,
      uid: options.uid ?? `uid of ${key}`,
      annotations: options.annotation === undefined ? {} : { "ovenbird.io/network": options.annotation },
    },
    spec: { nodeName: on, hostNetwork: options.hostNetwork },
    status: { phase: options.phase ?? "Pending" },
  });
}

/** IPv4 blocks of four pods, four nodes. */
const smallNetwork = { clusterCidr: "10.1.0.0/27", nodePrefix: "29" };

function bench(input: unknown = smallNetwork, restored: { rows?: ReservedRow[]; pods?: PodRecord[] } = {}): Bench {
  const config = parseNetworkConfig(input);
  if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
  const problems: ObjectProblem[] = [];
  const ipam = createIpam(config.network);
  const report = (problem: ObjectProblem) => {
    seenCodes.add(problem.code);
    problems.push(problem);
  };
  const graph = createGraph({ network: config.network, ipam, report });
  ipam.restore({ rows: restored.rows ?? [], pods: restored.pods ?? [], nodes: [] });
  const pods = new Map<string, PodRecord>();
  for (const object of restored.pods ?? []) graph.apply({ kind: "pod", change: "upsert", key: object.key, object });
  return {
    graph,
    ipam,
    problems,
    pods,
    flush: () => graph.flush().map(({ owner, bundle }) => `${bundle === undefined ? "-" : ""}${ownerText(owner)}`),
    node(name, { annotations = {}, address = "192.168.0.1" } = {}) {
      const object = projectNode({
        metadata: { name, uid: `uid of ${name}`, annotations },
        status: { addresses: [{ type: "InternalIP", address }] },
      });
      graph.apply({ kind: "node", change: "upsert", key: name, object });
    },
    removeNode: (name) => graph.apply({ kind: "node", change: "delete", key: name }),
    pod(key, on, options) {
      const object = podRecord(key, on, options);
      pods.set(key, object);
      graph.apply({ kind: "pod", change: "upsert", key, object });
    },
    removePod: (key) => graph.apply({ kind: "pod", change: "delete", key }),
    addresses: (key) => graph.podNetwork(key)?.addresses,
    codes: () => problems.map(({ code, object }) => `${code} ${object.kind}/${object.key}`),
  };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, number) => `ns/p${number}`);

describe("an event", () => {
  it("of a pod costs that pod's bundle and no other", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/a", "n1");
    expect(one.flush()).toEqual(["Tenant/default", "Zone/default@", "Node/n1", "Pod/ns/a"]);
    one.pod("ns/b", "n1");
    expect(one.flush()).toEqual(["Pod/ns/b"]);
  });

  it("that changes nothing that we use costs nothing", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/a", "n1");
    one.flush();
    one.node("n1");
    one.pod("ns/a", "n1", { phase: "Running" });
    expect(one.flush()).toEqual([]);
  });

  it("of a node touches its pods only when something of theirs changes", () => {
    const one = bench();
    one.node("n1");
    one.node("n2");
    one.pod("ns/a", "n1");
    one.pod("ns/b", "n2");
    one.flush();
    one.node("n1", { address: "192.168.0.9" });
    expect(one.flush()).toEqual(["Node/n1"]);
    one.node("n1", { annotations: { "ovenbird.io/chassis": '{"systemId":"c1"}' } });
    expect(one.flush()).toEqual(["Node/n1", "Pod/ns/a"]);
  });
});

describe("a pod", () => {
  it("that comes before its node waits for it", () => {
    const one = bench();
    one.pod("ns/a", "n1");
    expect(one.flush()).toEqual(["Tenant/default", "Zone/default@"]);
    one.node("n1");
    expect(one.flush()).toEqual(["Node/n1", "Pod/ns/a"]);
  });

  it("in the host's network, or not yet scheduled, has no port", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/host", "n1", { hostNetwork: true });
    one.pod("ns/unscheduled");
    expect(one.flush()).toEqual(["Tenant/default", "Zone/default@", "Node/n1"]);
    expect(one.graph.podNetwork("ns/host")).toBeUndefined();
  });

  it("that finishes gives its port and address back though the object stays", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/a", "n1");
    one.flush();
    one.pod("ns/a", "n1", { phase: "Succeeded" });
    expect(one.flush()).toEqual(["-Pod/ns/a"]);
    expect([...one.ipam.podReservations()]).toEqual([]);
  });

  it("recreated under the same name gets another address, even when both events come at once", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/a", "n1");
    one.flush();
    expect(one.addresses("ns/a")).toEqual(["10.1.0.3/29"]);
    one.removePod("ns/a");
    one.pod("ns/a", "n1", { uid: "another" });
    expect(one.flush()).toEqual(["Pod/ns/a"]);
    expect(one.addresses("ns/a")).toEqual(["10.1.0.4/29"]);
    expect(one.graph.podNetwork("ns/a")?.uid).toBe("another");
  });

  it("in a full block is told so, and gets an address by itself once one is free", () => {
    const one = bench();
    one.node("n1");
    for (const name of names(6)) one.pod(name, "n1");
    one.flush();
    expect(one.codes()).toEqual(["BLOCK_EXHAUSTED Pod/ns/p4", "BLOCK_EXHAUSTED Pod/ns/p5"]);
    expect(one.problems[0]?.message).toBe("node n1 has no free address in 10.1.0.0/29");
    one.removePod("ns/p1");
    expect(one.flush()).toEqual(["-Pod/ns/p1", "Pod/ns/p4"]);
    expect(one.addresses("ns/p4")).toEqual(["10.1.0.4/29"]);
    // The first in line goes away in the moment in which an address becomes free: the next one gets it.
    one.pod("ns/p6", "n1");
    one.flush();
    one.removePod("ns/p0");
    one.removePod("ns/p5");
    expect(one.flush()).toEqual(["-Pod/ns/p0", "Pod/ns/p6"]);
    expect(one.graph.counts.problems).toBe(0);
  });

  it("in a full block doesn't hold up the pods of other nodes", () => {
    const one = bench();
    one.node("n1");
    one.node("n2");
    for (const name of names(5)) one.pod(name, "n1");
    one.pod("ns/other", "n2");
    expect(one.flush()).toContain("Pod/ns/other");
  });

  it("gets the address that has been free the longest", () => {
    const one = bench();
    one.node("n1");
    for (const name of names(4)) one.pod(name, "n1");
    one.flush();
    for (const name of ["ns/p2", "ns/p0"]) {
      one.removePod(name);
      one.flush();
    }
    one.pod("ns/new", "n1");
    one.flush();
    expect(one.addresses("ns/new")).toEqual(["10.1.0.5/29"]);
  });

  it("with a malformed annotation is told so and keeps its port", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/a", "n1", { annotation: "{not json" });
    expect(one.flush()).toContain("Pod/ns/a");
    expect(one.codes()).toEqual(["INVALID_NETWORK_ANNOTATION Pod/ns/a"]);
  });
});

describe("a node", () => {
  it("that goes takes its ports with it; its pods keep their addresses until they go too", () => {
    const one = bench();
    one.node("n1");
    one.pod("ns/a", "n1");
    one.flush();
    one.removeNode("n1");
    expect(one.flush()).toEqual(["-Pod/ns/a", "-Node/n1"]);
    one.node("n2");
    one.flush();
    expect(one.graph.nodeNetwork("n2")?.subnets).toEqual(["10.1.0.8/29"]);
    one.node("n1");
    expect(one.flush()).toEqual(["Node/n1", "Pod/ns/a"]);
    expect(one.addresses("ns/a")).toEqual(["10.1.0.3/29"]);
    one.removeNode("n1");
    one.flush();
    one.removePod("ns/a");
    one.flush();
    expect([...one.ipam.nodeBlocks()].map(([name]) => name)).toEqual(["n2"]);
  });

  it("that finds no block is told so, and gets one once a node goes", () => {
    const one = bench();
    for (const name of ["n1", "n2", "n3", "n4", "n5"]) one.node(name);
    one.pod("ns/a", "n5");
    one.flush();
    expect(one.codes()).toEqual(["NODE_BLOCKS_EXHAUSTED Node/n5"]);
    one.removeNode("n2");
    expect(one.flush()).toEqual(["-Node/n2", "Node/n5", "Pod/ns/a"]);
    expect(one.graph.nodeNetwork("n5")?.subnets).toEqual(["10.1.0.8/29"]);
  });

  it("with a malformed chassis annotation has its switch, no gateway, and a word on why", () => {
    const one = bench();
    one.node("n1", { annotations: { "ovenbird.io/chassis": '{"systemId":""}' } });
    one.node("n2");
    expect(one.flush()).toEqual(["Tenant/default", "Zone/default@", "Node/n1", "Node/n2"]);
    expect(one.codes()).toEqual(["INVALID_CHASSIS_ANNOTATION Node/n1"]);
    expect(one.problems[0]?.message).toMatch(/systemId/);
  });

  it("whose address lies in the cluster's networks is told so, and the address is not routed", () => {
    const one = bench();
    one.node("n1", { address: "10.1.0.20" });
    one.flush();
    expect(one.codes()).toEqual(["NODE_ADDRESS_IN_CLUSTER_NETWORK Node/n1"]);
    const routes = one.graph.bundleOf("Node/n1")?.rows.filter(({ table }) => table === "Logical_Router_Static_Route");
    expect(routes).toEqual([]);
  });

  it("is told of a problem once, and again after it was gone", () => {
    const one = bench();
    for (const address of ["10.1.0.20", "10.1.0.20", "192.168.0.1", "10.1.0.20"]) {
      one.node("n1", { address });
      one.flush();
    }
    expect(one.problems).toHaveLength(2);
  });
});

describe("after a restart", () => {
  const announced = (key: string, uid: string, address: string): string =>
    JSON.stringify({
      uid,
      port: key.replace("/", "_"),
      addresses: [address],
      gateways: ["10.1.0.1"],
      mac: "0a:58:0a:01:00:05",
      mtuBytes: 1400,
    });
  const row = (key: string, address: string, uid = `uid of ${key}`): ReservedRow => ({
    owner: `Pod/${key}`,
    addresses: [`0a:58:0a:01:00:05 ${address}`],
    uid,
  });
  const nodeRow = (name: string, address: string): ReservedRow => ({
    owner: `Node/${name}#management`,
    addresses: [`0a:58:00:00:00:00 ${address}`],
  });

  it("pods and nodes have what their rows say, and a new one gets what is free", () => {
    const pods = [podRecord("ns/a", "n2", {}), podRecord("ns/b", "n2", {})];
    const one = bench(smallNetwork, { rows: [nodeRow("n2", "10.1.0.18"), row("ns/b", "10.1.0.19")], pods });
    one.node("n1");
    one.node("n2");
    one.flush();
    expect(one.graph.nodeNetwork("n2")?.subnets).toEqual(["10.1.0.16/29"]);
    expect(one.addresses("ns/b")).toEqual(["10.1.0.19/29"]);
    expect(one.addresses("ns/a")).toEqual(["10.1.0.20/29"]);
    expect(one.problems).toEqual([]);
  });

  it("with an empty database pods have what was announced to them", () => {
    const annotation = announced("ns/a", "uid of ns/a", "10.1.0.13/29");
    const one = bench(smallNetwork, { pods: [podRecord("ns/a", "n1", { annotation })] });
    one.node("n1");
    one.flush();
    expect(one.addresses("ns/a")).toEqual(["10.1.0.13/29"]);
    expect(one.graph.nodeNetwork("n1")?.index).toBe(1);
  });

  it("an annotation that a template copied is void", () => {
    const annotation = announced("ns/a", "uid of another", "10.1.0.5/29");
    const one = bench(smallNetwork, { pods: [podRecord("ns/a", "n1", { annotation })] });
    one.node("n1");
    one.flush();
    expect(one.addresses("ns/a")).toEqual(["10.1.0.3/29"]);
  });

  it("a row for an earlier pod of that name is void", () => {
    const rows = [nodeRow("n1", "10.1.0.2"), row("ns/a", "10.1.0.3", "uid of an earlier one")];
    const one = bench(smallNetwork, { rows, pods: [podRecord("ns/a", "n1")] });
    one.node("n1");
    one.flush();
    expect(one.addresses("ns/a")).toEqual(["10.1.0.4/29"]);
  });

  it("of two pods that claim an address the one with the row has it; the other is told, and gets it when it is free", () => {
    const pods = [
      podRecord("ns/a", "n1", { annotation: announced("ns/a", "uid of ns/a", "10.1.0.5/29") }),
      podRecord("ns/b", "n1", { annotation: announced("ns/b", "uid of ns/b", "10.1.0.5/29") }),
    ];
    const one = bench(smallNetwork, { rows: [nodeRow("n1", "10.1.0.2"), row("ns/b", "10.1.0.5")], pods });
    one.node("n1");
    one.flush();
    expect(one.addresses("ns/b")).toEqual(["10.1.0.5/29"]);
    expect(one.graph.bundleOf("Pod/ns/a")).toBeUndefined();
    expect(one.codes()).toEqual(["ADDRESS_CONFLICT Pod/ns/a"]);
    expect(one.problems[0]?.message).toMatch(/10\.1\.0\.5 belongs to pod ns\/b/);
    one.removePod("ns/b");
    expect(one.flush()).toEqual(["-Pod/ns/b", "Pod/ns/a"]);
    expect(one.addresses("ns/a")).toEqual(["10.1.0.5/29"]);
  });

  it("a pod whose announced address isn't in its node's block has no port, and is told so", () => {
    const annotation = announced("ns/a", "uid of ns/a", "10.1.0.13/29");
    const foreign = announced("ns/b", "uid of ns/b", "172.16.0.9/24");
    const pods = [podRecord("ns/a", "n1", { annotation }), podRecord("ns/b", "n1", { annotation: foreign })];
    const one = bench(smallNetwork, { rows: [nodeRow("n1", "10.1.0.2")], pods });
    one.node("n1");
    expect(one.flush()).toEqual(["Tenant/default", "Zone/default@", "Node/n1"]);
    expect(one.codes()).toEqual(["ADDRESS_OUTSIDE_BLOCK Pod/ns/a", "ADDRESS_OUTSIDE_BLOCK Pod/ns/b"]);
    one.pod("ns/a", "n1", { uid: "recreated" });
    expect(one.flush()).toEqual(["Pod/ns/a"]);
  });

  it("of two nodes that claim a block the one with the row has it; the other is told and gets another", () => {
    const annotation = announced("ns/a", "uid of ns/a", "10.1.0.5/29");
    const pods = [podRecord("ns/a", "n2", { annotation })];
    const one = bench(smallNetwork, { rows: [nodeRow("n1", "10.1.0.2")], pods });
    one.node("n1");
    one.node("n2");
    one.flush();
    expect(one.graph.nodeNetwork("n1")?.index).toBe(0);
    expect(one.graph.nodeNetwork("n2")?.index).toBe(1);
    expect(one.codes()).toEqual(["NODE_BLOCK_CONFLICT Node/n2", "ADDRESS_OUTSIDE_BLOCK Pod/ns/a"]);
  });

  it("what is gone leaves first, and its addresses are used again last", () => {
    const rows = [nodeRow("n1", "10.1.0.2"), nodeRow("gone", "10.1.0.10"), row("ns/gone", "10.1.0.3")];
    const one = bench(smallNetwork, { rows });
    one.node("n1");
    one.pod("ns/a", "n1");
    expect(one.flush()).toEqual([
      "-Pod/ns/gone",
      "-Node/gone",
      "Tenant/default",
      "Zone/default@",
      "Node/n1",
      "Pod/ns/a",
    ]);
    expect(one.addresses("ns/a")).toEqual(["10.1.0.4/29"]);
    expect([...one.ipam.nodeBlocks()]).toEqual([["n1", 0]]);
  });

  it("a pod of a single-stack cluster keeps its one address when the cluster becomes dual stack", () => {
    const pods = [podRecord("ns/a", "n1")];
    const rows = [nodeRow("n1", "10.1.0.2"), row("ns/a", "10.1.0.3")];
    const one = bench({ clusterCidr: "10.1.0.0/27,fd01::/48", nodePrefix: "29,64" }, { rows, pods });
    one.node("n1");
    one.pod("ns/b", "n1");
    one.flush();
    expect(one.addresses("ns/a")).toEqual(["10.1.0.3/29"]);
    expect(one.addresses("ns/b")).toEqual(["10.1.0.4/29", "fd01::3/64"]);
  });
});

it("every code of a problem has been seen here", () => {
  expect([...seenCodes].sort()).toEqual(Object.keys(objectProblemCodes).sort());
});
