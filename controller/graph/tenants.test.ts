import { describe, expect, it } from "vitest";
import { cidrOf, contains, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import { createIpam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectEndpointSlice } from "../state/endpoint-slice.ts";
import { projectNamespace } from "../state/namespace.ts";
import { projectNode } from "../state/node.ts";
import { projectPod } from "../state/pod.ts";
import { projectProviderNetwork } from "../state/provider-network.ts";
import { projectService } from "../state/service.ts";
import type { StateEvent } from "../state/state-event.ts";
import { projectSubnet } from "../state/subnet.ts";
import { projectTenant } from "../state/tenant.ts";
import { ownerText } from "../translate/owner.ts";
import { createGraph } from "./graph.ts";

const parsed = parseNetworkConfig({ clusterCidr: "10.244.0.0/16", nodePrefix: "24" });
if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.problems));
const { network } = parsed;

const early = "2026-01-01T00:00:00Z";
const late = "2026-01-02T00:00:00Z";

/** A graph with two nodes and the namespaces `red`, `blue` and `plain`. */
function world() {
  const problems: string[] = [];
  const graph = createGraph({ network, ipam: createIpam(network), report: ({ message }) => problems.push(message) });
  const upsert = (kind: StateEvent["kind"], object: { readonly key: string }): void =>
    graph.apply({ kind, change: "upsert", key: object.key, object } as StateEvent);
  const remove = (kind: StateEvent["kind"], key: string): void =>
    graph.apply({ kind, change: "delete", key } as StateEvent);
  for (const name of ["n1", "n2"]) upsert("node", projectNode({ metadata: { name, uid: name } }));
  for (const name of ["red", "blue", "plain"]) upsert("namespace", projectNamespace({ metadata: { name, uid: name } }));
  return {
    graph,
    problems,
    upsert,
    remove,
    tenant(name: string, spec: object, creationTimestamp = early): void {
      upsert("tenant", projectTenant({ metadata: { name, uid: name, creationTimestamp }, spec }));
    },
    subnet(name: string, spec: object, creationTimestamp = early): void {
      const metadata = { name, uid: name, creationTimestamp };
      upsert("subnet", projectSubnet({ metadata, spec: { mode: "Cluster", ...spec } }));
    },
    pod(key: string, nodeName = "n1", annotations: Readonly<Record<string, string>> = {}): void {
      const [namespace, name] = key.split("/");
      upsert("pod", projectPod({ metadata: { namespace, name, uid: key, annotations }, spec: { nodeName } }));
    },
    /** The owners of what changes, in order; those that go with a minus. */
    flush: () => graph.flush().map(({ owner, bundle }) => `${bundle === undefined ? "-" : ""}${ownerText(owner)}`),
  };
}

/** Both tenants, with one network. */
function twoTenants() {
  const made = world();
  for (const name of ["red", "blue"]) {
    made.tenant(name, { namespaces: { names: [name] } });
    made.subnet(name, { tenant: name, cidrs: ["10.9.0.0/24"] });
  }
  return made;
}

describe("the graph with tenants", () => {
  it("gives pods of two tenants the same address, and each another one for everybody", () => {
    const { graph, pod, flush } = twoTenants();
    pod("red/a");
    pod("blue/a");
    flush();
    const [red, blue] = [graph.podNetwork("red/a"), graph.podNetwork("blue/a")];
    expect(red?.addresses).toEqual(["10.9.0.2/24"]);
    expect(blue?.addresses).toEqual(red?.addresses);
    expect(blue?.infrastructure).not.toEqual(red?.infrastructure);
    expect(graph.model.podAt(red?.infrastructure?.[0] ?? "")).toBe("red/a");
    expect(graph.model.podAt("10.9.0.2")).toBeUndefined();
    expect(graph.model.tenancy.podsAt("10.9.0.2")).toEqual(["blue/a", "red/a"]);
  });

  it("writes a router before its switches, those before their pods, and takes them away the other way round", () => {
    const { pod, remove, flush } = twoTenants();
    pod("red/a");
    const came = flush();
    expect(came.indexOf("Tenant/red")).toBeLessThan(came.indexOf("Subnet/red"));
    expect(came.indexOf("Subnet/red")).toBeLessThan(came.indexOf("Pod/red/a"));
    remove("pod", "red/a");
    remove("subnet", "red");
    const went = flush();
    expect(went.indexOf("-Pod/red/a")).toBeLessThan(went.indexOf("-Subnet/red"));
    expect(went.indexOf("-Subnet/red")).toBeLessThan(went.indexOf("-Tenant/red"));
    expect(went).not.toContain("Pod/blue/a");
  });

  it("writes a switch's new slice before the pod that is in it, and nothing else for a further pod", () => {
    const { pod, flush } = twoTenants();
    flush();
    pod("red/a");
    expect(flush()).toEqual(["Subnet/red", "Pod/red/a"]);
    pod("red/b", "n2");
    expect(flush()).toEqual(["Pod/red/b"]);
  });

  it("makes a node's switch with its first pod, and takes it away with the last", () => {
    const { tenant, subnet, pod, remove, flush } = world();
    tenant("red", { namespaces: { names: ["red"] } });
    subnet("red", { tenant: "red", mode: "PerNode", cidrs: ["10.9.0.0/16"], nodePrefixLengths: [24] });
    expect(flush().filter((owner) => owner.includes("Subnet"))).toEqual([]);
    pod("red/a", "n2");
    expect(flush()).toEqual(["Subnet/red@n2", "Pod/red/a"]);
    remove("pod", "red/a");
    expect(flush()).toEqual(["-Pod/red/a", "-Subnet/red@n2"]);
  });

  it("leaves a pod where it is when its namespace moves, and puts the next one elsewhere", () => {
    const { graph, tenant, pod, flush } = twoTenants();
    pod("red/a");
    flush();
    tenant("red", { namespaces: { names: [] } });
    pod("red/b");
    flush();
    expect(graph.podNetwork("red/a")?.subnet).toBe("red");
    expect(graph.podNetwork("red/b")?.subnet).toBeUndefined();
  });

  it("says of each pod that its namespace has moved away, and no more when it is back", () => {
    const { graph, tenant, pod, flush, problems, upsert } = twoTenants();
    pod("red/a");
    pod("plain/a");
    flush();
    tenant("red", { namespaces: { names: [] } });
    tenant("blue", { namespaces: { names: ["blue"], selector: { matchLabels: { team: "blue" } } } });
    upsert("namespace", projectNamespace({ metadata: { name: "plain", uid: "plain", labels: { team: "blue" } } }));
    expect(flush().filter((owner) => owner.includes("Pod/"))).toEqual([]);
    expect(problems).toEqual([
      "namespace red is in tenant default now, and the pod still in red; recreate the pod",
      "namespace plain is in tenant blue now, and the pod still in default; recreate the pod",
    ]);
    expect(graph.counts.problems).toBe(2);
    tenant("red", { namespaces: { names: ["red"] } });
    upsert("namespace", projectNamespace({ metadata: { name: "plain", uid: "plain" } }));
    flush();
    expect(graph.counts.problems).toBe(0);
  });

  it("counts a tenant's namespaces, and says which another one has", () => {
    const { graph, tenant, remove, flush } = world();
    tenant("red", { namespaces: { names: ["red", "plain"] } });
    tenant("blue", { namespaces: { names: ["blue", "plain"] } }, late);
    flush();
    const of = (name: string) => {
      const { status, problems } = graph.conditions("Tenant", name) ?? {};
      return [status?.namespaces, ...(problems ?? []).map(({ code }) => code)];
    };
    expect([of("red"), of("blue")]).toEqual([[2], [1, "NAMESPACE_CLAIMED"]]);
    remove("namespace", "plain");
    flush();
    expect([of("red"), of("blue")]).toEqual([[1], [1]]);
    remove("tenant", "red");
    tenant("blue", { namespaces: { names: ["blue", "red"] } }, late);
    flush();
    expect(of("blue")).toEqual([2]);
  });

  it("refuses a pod of a tenant without subnet, with the reason, until there is one", () => {
    const { graph, tenant, subnet, pod, flush } = world();
    tenant("red", { namespaces: { names: ["red"] } });
    pod("red/a");
    flush();
    expect(graph.podRefusal("red/a")?.code).toBe("NO_SUBNET");
    expect(graph.takeChangedRefusals()).toEqual(["red/a"]);
    expect(graph.podNetwork("red/a")).toBeUndefined();
    subnet("red", { tenant: "red", cidrs: ["10.9.0.0/24"] });
    flush();
    expect(graph.podRefusal("red/a")).toBeUndefined();
    expect(graph.takeChangedRefusals()).toEqual(["red/a"]);
    expect(graph.podNetwork("red/a")?.subnet).toBe("red");
  });

  it.each(["while it runs", "when it starts"])(
    "puts no pod into another tenant's subnet, nor the cluster's network, because its annotation says so %s",
    (when) => {
      const { graph, upsert, flush } = twoTenants();
      const said = (uid: string, subnet?: string) => ({
        "ovenbird.io/network": JSON.stringify({
          ...{ uid, port: "x", addresses: ["10.9.0.9/24"], gateways: ["10.9.0.1"], mac: "0a:58:0a:09:00:09" },
          ...{ mtuBytes: 1400, ...(subnet === undefined ? {} : { subnet }) },
        }),
      });
      const podOf = (namespace: string, name: string, subnet?: string) => {
        const uid = `${namespace}/${name}`;
        return projectPod({
          metadata: { namespace, name, uid, annotations: said(uid, subnet) },
          spec: { nodeName: "n1" },
        });
      };
      const pods = [podOf("red", "a", "blue"), podOf("red", "b"), podOf("plain", "c", "blue")];
      if (when === "when it starts") graph.restore({ rows: [], routerPorts: [], nodes: [], pods });
      for (const pod of pods) upsert("pod", pod);
      flush();
      expect(graph.podNetwork("red/a")?.subnet).toBe("red");
      expect(graph.podNetwork("red/b")?.subnet).toBe("red");
      expect(graph.podNetwork("plain/c")?.addresses).toEqual(["10.244.0.3/24"]);
    },
  );

  it("gives no address of a family that the cluster doesn't have", () => {
    const { graph, subnet, pod, flush } = twoTenants();
    subnet("red", { tenant: "red", cidrs: ["10.9.0.0/24", "fd09::/64"] });
    pod("red/a");
    flush();
    const [port] = graph.bundleOf("Pod/red/a")?.rows ?? [];
    expect(port?.columns.addresses).toEqual(["0a:58:0a:09:00:02 10.9.0.2 100.81.0.2"]);
    expect(graph.conditions("Subnet", "red")).toMatchObject({ isReady: true, problems: [{ code: "SUBNET_FAMILY" }] });
  });

  it("doesn't put a pod anywhere before its namespace is known", () => {
    const { graph, remove, upsert, pod, flush } = twoTenants();
    remove("namespace", "red");
    pod("red/a");
    flush();
    expect(graph.podNetwork("red/a")).toBeUndefined();
    upsert("namespace", projectNamespace({ metadata: { name: "red", uid: "red" } }));
    flush();
    expect(graph.podNetwork("red/a")?.subnet).toBe("red");
  });

  it("refuses an address that is taken by its holder's name, and gives it when the holder goes", () => {
    const { graph, pod, remove, flush } = twoTenants();
    const wish = { "ovenbird.io/ip": "10.9.0.7" };
    pod("red/a", "n1", wish);
    flush();
    pod("red/b", "n2", wish);
    flush();
    expect(graph.podRefusal("red/b")?.message).toContain("red/a");
    remove("pod", "red/a");
    flush();
    expect(graph.podNetwork("red/b")?.addresses).toEqual(["10.9.0.7/24"]);
  });

  it("has no room for a subnet that shares addresses with an older one of its tenant, and says so", () => {
    const { graph, tenant, subnet, flush } = world();
    tenant("red", { namespaces: { names: ["red"] } });
    subnet("young", { tenant: "red", cidrs: ["10.9.0.0/24"] }, late);
    subnet("old", { tenant: "red", cidrs: ["10.9.0.0/16"] }, early);
    subnet("cluster", { tenant: "red", cidrs: ["10.244.7.0/24"] });
    flush();
    expect(graph.conditions("Subnet", "old")).toMatchObject({ isReady: true, problems: [] });
    expect(graph.conditions("Subnet", "young")?.problems[0]?.message).toContain("subnet old");
    expect(graph.conditions("Subnet", "cluster")?.problems[0]?.code).toBe("SUBNET_OVERLAP");
  });

  it("tells of a pod that runs, too, which of its annotations can't be read", () => {
    const { pod, problems, flush } = world();
    pod("plain/a", "n1", { "kubernetes.io/egress-bandwidth": "1M" });
    flush();
    expect(problems).toEqual([]);
    pod("plain/a", "n1", { "kubernetes.io/egress-bandwidth": "much" });
    flush();
    expect(problems).toEqual([expect.stringContaining("kubernetes.io/egress-bandwidth")]);
  });

  it("says of an underlay that its physical network isn't there, until it is, and forgets what nodes said that are gone", () => {
    const { graph, upsert, remove, subnet, flush } = world();
    const cidrs = ["172.30.100.0/24"];
    const underlay = { providerNetwork: "trunk", vlan: 100 };
    subnet("lan", { mode: "Underlay", cidrs, gateways: ["172.30.100.1"], underlay });
    flush();
    const codes = () => graph.conditions("Subnet", "lan")?.problems.map(({ code }) => code);
    expect(codes()).toEqual(["PROVIDER_NETWORK_NOT_FOUND"]);
    graph.takeChangedConditions();
    const nodes = { n1: { ready: true, message: "" }, n2: { ready: false, message: "no eth1" } };
    const object = { metadata: { name: "trunk", uid: "t" }, spec: { uplinks: ["eth1"] }, status: { nodes } };
    upsert("providerNetwork", projectProviderNetwork(object));
    flush();
    expect(codes()).toEqual([]);
    expect(graph.takeChangedConditions()).toContainEqual({ kind: "Subnet", key: "lan" });
    expect(graph.conditions("ProviderNetwork", "trunk")?.isReady).toBe(false);
    remove("node", "n2");
    flush();
    expect(graph.takeChangedConditions()).toContainEqual({ kind: "ProviderNetwork", key: "trunk" });
    expect(graph.conditions("ProviderNetwork", "trunk")?.isReady).toBe(true);
  });

  it("keeps a tenant that is deleted while pods are in it, and lets nobody in, nor into the cluster's network", () => {
    const { graph, upsert, remove, pod, flush } = twoTenants();
    pod("red/a");
    flush();
    const metadata = { name: "red", uid: "red", creationTimestamp: early, deletionTimestamp: late };
    upsert("tenant", projectTenant({ metadata, spec: { namespaces: { names: ["red"] } } }));
    pod("red/b");
    flush();
    expect(graph.conditions("Tenant", "red")?.isInUse).toBe(true);
    expect(graph.podNetwork("red/a")?.subnet).toBe("red");
    expect(graph.podNetwork("red/b")).toBeUndefined();
    expect(graph.podRefusal("red/b")?.message).toContain("tenant red is deleted");
    remove("pod", "red/a");
    flush();
    expect(graph.conditions("Tenant", "red")?.isInUse).toBe(false);
  });

  it.each([
    ["PerNode", "Cluster"],
    ["Cluster", "PerNode"],
  ])("leads to pods that are in a Subnet when one of another mode takes its place: %s, then %s", (former, next) => {
    const { graph, tenant, subnet, pod, flush } = world();
    tenant("red", { namespaces: { names: ["red"] } });
    subnet("red", { tenant: "red", mode: former, cidrs: ["10.9.0.0/16"] });
    pod("red/a", "n1");
    pod("red/b", "n2");
    flush();
    const before = graph.podNetwork("red/a")?.infrastructure;
    subnet("red", { tenant: "red", mode: next, cidrs: ["10.9.0.0/16"] });
    flush();
    // Who can keep its addresses does.
    expect(graph.podNetwork("red/a")?.infrastructure).toEqual(before);
    for (const [name, node] of [
      ["a", "n1"],
      ["b", "n2"],
    ]) {
      const place = next === "Cluster" ? "red" : `red@${node}`;
      const rows = graph.bundleOf(`Subnet/${place}`)?.rows ?? [];
      const prefixes = rows.flatMap(({ columns }) => parseAddressWithPrefix(String(columns.ip_prefix)) ?? []);
      const address = parseAddress(graph.podNetwork(`red/${name}`)?.infrastructure?.[0]?.split("/")[0] ?? "");
      expect(prefixes.some((prefix) => address && contains(cidrOf(prefix, prefix.prefixLength), address))).toBe(true);
    }
  });

  it("keeps a physical network while a pod of a Subnet on it has an address", () => {
    const { graph, upsert, remove, subnet, pod, flush } = world();
    const object = { metadata: { name: "trunk", uid: "t", deletionTimestamp: "2026-01-01T00:00:00Z" } };
    upsert("providerNetwork", projectProviderNetwork({ ...object, spec: { uplinks: ["eth1"] } }));
    const cidrs = ["172.30.100.0/24"];
    const underlay = { providerNetwork: "trunk", vlan: 100 };
    const namespaces = { names: ["plain"] };
    subnet("lan", { mode: "Underlay", cidrs, gateways: ["172.30.100.1"], underlay, namespaces });
    flush();
    const isInUse = () => graph.conditions("ProviderNetwork", "trunk")?.isInUse;
    expect(isInUse()).toBe(false);
    graph.takeChangedConditions();
    pod("plain/a");
    flush();
    expect(isInUse()).toBe(true);
    remove("pod", "plain/a");
    flush();
    expect(graph.takeChangedConditions()).toContainEqual({ kind: "ProviderNetwork", key: "trunk" });
    expect(isInUse()).toBe(false);
  });

  it("says of routes that lead to nobody in the tenant's subnets that they lead nowhere", () => {
    const { graph, tenant, subnet, flush } = world();
    const routes = [{ destination: "192.0.2.0/24", nextHops: ["10.9.0.7", "100.80.0.1"] }];
    tenant("red", { namespaces: { names: ["red"] }, routes });
    subnet("red", { tenant: "red", cidrs: ["10.9.0.0/24"] });
    flush();
    expect(graph.conditions("Tenant", "red")?.problems).toEqual([
      {
        code: "INVALID_RESOURCE",
        message: "next hop 100.80.0.1 of its routes is in no overlay subnet of the tenant; nothing is sent there",
      },
    ]);
  });

  it("joins tenants that name each other, unless their networks can't be told apart", () => {
    const { graph, tenant, subnet, flush } = twoTenants();
    tenant("red", { namespaces: { names: ["red"] }, peers: ["blue"] });
    flush();
    expect(graph.conditions("Tenant", "red")?.problems[0]?.code).toBe("PEER_ONE_SIDED");
    tenant("blue", { namespaces: { names: ["blue"] }, peers: ["red"] });
    flush();
    expect(graph.conditions("Tenant", "red")?.problems[0]?.code).toBe("PEER_OVERLAP");
    expect(graph.model.tenancy.peersOf("red")).toEqual([]);
    subnet("blue", { tenant: "blue", cidrs: ["10.8.0.0/24"] });
    expect(flush()).toEqual(expect.arrayContaining(["Tenant/red", "Tenant/blue"]));
    expect(graph.model.tenancy.peersOf("red")).toEqual(["blue"]);
  });

  it("joins a tenant with one of two that have the same addresses, the older, as does the tenant default", () => {
    const { graph, tenant, subnet, flush } = world();
    const peers = { red: ["blue", "green", "default"], blue: ["red", "default"], green: ["red", "default"] };
    tenant("red", { peers: peers.red });
    tenant("green", { peers: peers.green }, late);
    tenant("blue", { peers: peers.blue });
    tenant("default", { peers: ["red", "green", "blue"] }, late);
    subnet("red", { tenant: "red", cidrs: ["10.8.0.0/24"] });
    for (const name of ["blue", "green"]) subnet(name, { tenant: name, cidrs: ["10.9.0.0/24"] });
    flush();
    const { peersOf } = graph.model.tenancy;
    expect(peersOf("red")).toEqual(["blue", "default"]);
    expect(peersOf("default")).toEqual(["blue", "red"]);
    expect(peersOf("green")).toEqual([]);
    const problems = graph.conditions("Tenant", "green")?.problems;
    expect(problems?.map(({ code }) => code)).toEqual(["PEER_OVERLAP", "PEER_OVERLAP"]);
    expect(problems?.[0]?.message).toContain("subnet blue of tenant blue, which is a peer of red as well");
  });

  it("shares the services that a Tenant names, endpoint by endpoint", () => {
    const { graph, tenant, upsert, flush } = twoTenants();
    tenant("red", { namespaces: { names: ["red"] }, services: [{ namespace: "plain", name: "web" }] });
    const metadata = { namespace: "plain", name: "web", uid: "web" };
    const spec = { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"], selector: { app: "web" } };
    upsert("service", projectService({ metadata, spec: { ...spec, ports: [{ port: 80, protocol: "TCP" }] } }));
    const slice = (addresses: readonly string[]) =>
      projectEndpointSlice({
        metadata: { namespace: "plain", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
        addressType: "IPv4",
        ports: [{ port: 8080, protocol: "TCP" }],
        endpoints: addresses.map((address) => ({ addresses: [address] })),
      });
    upsert("endpointSlice", slice(["10.244.0.5"]));
    flush();
    const shared = { service: "plain/web", family: 4, protocol: "tcp", port: 8080 };
    expect(graph.model.tenancy.servicesOf("red")).toEqual([{ ...shared, addresses: ["10.244.0.5"] }]);
    expect(graph.model.tenancy.servicesOf("blue")).toEqual([]);
    upsert("endpointSlice", slice(["10.244.0.5", "10.244.1.6"]));
    expect(flush()).toEqual(expect.arrayContaining(["Tenant/red", "Service/plain/web"]));
  });

  it.each(["first", "last"])(
    "shares no endpoint that is another tenant's than the service, slices being written %s",
    (when) => {
      const { graph, tenant, subnet, upsert, pod, remove, flush } = twoTenants();
      tenant("green", { namespaces: { names: ["plain"] }, services: [{ namespace: "blue" }] });
      subnet("green", { tenant: "green", cidrs: ["10.9.0.0/24"] });
      const metadata = { namespace: "blue", name: "web", uid: "web" };
      const spec = { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"], selector: { app: "web" } };
      upsert("service", projectService({ metadata, spec: { ...spec, ports: [{ port: 80, protocol: "TCP" }] } }));
      const write = () =>
        upsert(
          "endpointSlice",
          projectEndpointSlice({
            metadata: { namespace: "blue", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
            addressType: "IPv4",
            ports: [{ port: 8080, protocol: "TCP" }],
            // blue/a's, red/a's, one of the cluster's network, and one outside.
            endpoints: ["100.81.0.2", "100.81.0.66", "10.244.0.5", "192.0.2.1"].map((each) => ({ addresses: [each] })),
          }),
        );
      if (when === "first") write();
      flush();
      pod("blue/a");
      flush();
      pod("red/a");
      flush();
      if (when === "last") write();
      flush();
      expect([...graph.model.addressesOf("blue/a"), ...graph.model.addressesOf("red/a")]).toEqual([
        "100.81.0.2",
        "100.81.0.66",
      ]);
      const shared = () => graph.model.tenancy.servicesOf("green").map(({ addresses }) => addresses);
      expect(shared()).toEqual([["100.81.0.2", "192.0.2.1"]]);
      remove("pod", "blue/a");
      flush();
      expect(shared()).toEqual([["192.0.2.1"]]);
    },
  );

  it("takes pods of subnets for pods where they are endpoints", () => {
    const { graph, upsert, subnet, pod, flush, problems } = twoTenants();
    subnet("wide", { tenant: "default", cidrs: ["10.50.0.0/24"], namespaces: { names: ["plain"] } });
    pod("plain/a");
    pod("red/a");
    flush();
    const addresses = [...graph.model.addressesOf("plain/a"), ...graph.model.addressesOf("red/a")];
    expect(addresses[0]).toBe("10.50.0.2");
    const metadata = { namespace: "plain", name: "web", uid: "web" };
    const spec = { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"], selector: { app: "web" } };
    upsert("service", projectService({ metadata, spec: { ...spec, ports: [{ port: 80, protocol: "TCP" }] } }));
    upsert(
      "endpointSlice",
      projectEndpointSlice({
        metadata: { namespace: "plain", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
        addressType: "IPv4",
        ports: [{ port: 8080, protocol: "TCP" }],
        endpoints: addresses.map((address) => ({ addresses: [address] })),
      }),
    );
    flush();
    expect(problems).toEqual([]);
  });

  it("makes of a cluster without tenants what it made before", () => {
    const { graph, pod, flush } = world();
    pod("plain/a");
    const owners = flush();
    expect(owners.filter((owner) => /Subnet|Tenant\/(?!default)/.test(owner))).toEqual([]);
    expect(graph.podNetwork("plain/a")).not.toHaveProperty("infrastructure");
    expect(graph.bundleOf("Tenant/default")?.rows.some(({ owner }) => owner.includes("subnets"))).toBe(false);
  });
});
