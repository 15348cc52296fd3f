import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRange } from "../pools/address-range.ts";
import { projectEgressIp } from "./egress-ip.ts";
import { projectFloatingIp } from "./floating-ip.ts";
import { projectIpAddress } from "./ip-address.ts";
import { projectIpPool } from "./ip-pool.ts";
import { projectProviderNetwork } from "./provider-network.ts";
import { projectSubnet } from "./subnet.ts";
import { projectTenant } from "./tenant.ts";

const tenant = (spec: unknown, name = "shop") => projectTenant({ metadata: { name, uid: "u" }, spec });
const subnet = (spec: object) =>
  projectSubnet({ metadata: { name: "s", uid: "u" }, spec: { mode: "Cluster", ...spec } });

describe("the record of a Tenant", () => {
  it("may use the API server and the cluster's DNS unless it says otherwise", () => {
    const record = tenant({ namespaces: { names: ["b", "a", "b"] } });
    expect(record).toMatchObject({
      key: "shop",
      problem: undefined,
      namespaces: { names: ["a", "b"], requirements: undefined },
      peers: [],
      stormKbps: 2000,
    });
    expect(record.services.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual([
      "default/kubernetes",
      "kube-system/kube-dns",
    ]);
    expect(tenant({ services: [] }).services).toEqual([]);
    expect(tenant(undefined).problem).toBeUndefined();
  });

  it("keeps what can be read of routes, and tells of the rest", () => {
    const record = tenant({
      routes: [
        { destination: "192.0.2.0/24", nextHops: ["10.0.0.9", "10.0.0.8"] },
        { destination: "192.0.2.1/24", nextHops: ["10.0.0.9"] },
        { destination: "198.51.100.0/24", nextHops: ["fd00::1"] },
      ],
      policyRoutes: [
        { priority: 5, source: "10.0.0.0/8", action: "Reroute", nextHops: ["10.0.0.9"] },
        { priority: 6, destination: "2001:DB8::/32", action: "Drop" },
        { priority: 7, source: "fd00::/8", action: "Reroute", nextHops: ["10.0.0.9"] },
      ],
    });
    expect(record.routes).toEqual([{ destination: "192.0.2.0/24", nextHops: ["10.0.0.9", "10.0.0.8"] }]);
    expect(record.policyRoutes).toEqual([
      { priority: 5, source: "10.0.0.0/8", destination: undefined, action: "reroute", nextHops: ["10.0.0.9"] },
      { priority: 6, source: undefined, destination: "2001:db8::/32", action: "drop", nextHops: [] },
    ]);
    expect(record.problem).toMatch(
      /192\.0\.2\.1\/24 has bits set.*198\.51\.100\.0\/24 are of another family.*mixes families/,
    );
  });

  it("can't claim namespaces for the tenant default", () => {
    expect(tenant({ peers: ["a"] }, "default").problem).toBeUndefined();
    expect(tenant({ namespaces: { names: ["a"] } }, "default").problem).toMatch(/no other one claims/);
  });

  it("can't have a name with dots, which part the names of rows", () => {
    expect(tenant({}, "a.b").problem).toMatch(/a\.b has dots/);
  });

  it("selects nothing by a selector that can't be read", () => {
    const record = tenant({ namespaces: { selector: { matchLabels: { "not a key": "x" } } } });
    expect(record.namespaces.requirements).toBeUndefined();
    expect(record.problem).toMatch(/"not a key" is no label key/);
  });
});

describe("the record of a Subnet", () => {
  it("has the first address for its router and lets pods of StatefulSets keep theirs, but where nodes have blocks", () => {
    expect(subnet({ cidrs: ["fd00:1::/64", "10.1.0.0/16"] })).toMatchObject({
      problem: undefined,
      tenant: "default",
      egress: "Node",
      networks: [
        { family: 4, cidr: "10.1.0.0/16", gateway: "10.1.0.1", nodePrefixLength: undefined },
        { family: 6, cidr: "fd00:1::/64", gateway: "fd00:1::1", nodePrefixLength: undefined },
      ],
      keepsStatefulSets: true,
    });
    expect(subnet({ mode: "PerNode", cidrs: ["10.1.0.0/16", "fd00:1::/56"] })).toMatchObject({
      problem: undefined,
      networks: [{ nodePrefixLength: 24 }, { nodePrefixLength: 64 }],
      keepsStatefulSets: false,
    });
  });

  it("gives nodes blocks in the order of its networks", () => {
    const { networks } = subnet({
      mode: "PerNode",
      cidrs: ["fd00:1::/56", "10.1.0.0/16"],
      nodePrefixLengths: [72, 26],
    });
    expect(networks.map(({ nodePrefixLength }) => nodePrefixLength)).toEqual([26, 72]);
  });

  it("takes single addresses, networks and ranges out", () => {
    const { excluded, problem } = subnet({
      cidrs: ["10.1.0.0/24"],
      excluded: ["10.1.0.9", "10.1.0.16/30", "10.1.0.30-10.1.0.33"],
    });
    expect(excluded.map(formatRange)).toEqual(["10.1.0.9", "10.1.0.16-10.1.0.19", "10.1.0.30-10.1.0.33"]);
    expect(problem).toBeUndefined();
  });

  it.each<readonly [string, object, RegExp]>([
    ["host bits", { cidrs: ["10.1.0.1/16"] }, /the network is 10\.1\.0\.0\/16/],
    ["two networks of a family", { cidrs: ["10.1.0.0/16", "10.2.0.0/16"] }, /second IPv4/],
    ["no network", {}, /cidrs/],
    ["a network without room", { cidrs: ["10.1.0.0/31"] }, /no room/],
    ["multicast", { cidrs: ["224.1.0.0/16"] }, /multicast/],
    ["a gateway outside", { cidrs: ["10.1.0.0/16"], gateways: ["10.2.0.1"] }, /10\.2\.0\.1 is no address of a host/],
    [
      "the network's own address as gateway",
      { cidrs: ["10.1.0.0/16"], gateways: ["10.1.0.0"] },
      /no address of a host/,
    ],
    ["a gateway of another family", { cidrs: ["10.1.0.0/16"], gateways: ["fd00::1"] }, /in none of the networks/],
    ["blocks larger than the network", { mode: "PerNode", cidrs: ["10.1.0.0/26"] }, /24 is not between 26 and 29/],
    ["an underlay without a network", { mode: "Underlay", cidrs: ["10.1.0.0/16"] }, /underlay is wanted/],
    ["an underlay that is none", { cidrs: ["10.1.0.0/16"], underlay: { providerNetwork: "p" } }, /underlay is wanted/],
    [
      "a VLAN that is none",
      { mode: "Underlay", cidrs: ["10.1.0.0/16"], underlay: { providerNetwork: "p", vlan: 4095 } },
      /vlan/,
    ],
    ["no address for egress", { cidrs: ["10.1.0.0/16"], egress: { mode: "Address" } }, /addresses are wanted/],
    [
      "an address for nothing",
      { cidrs: ["10.1.0.0/16"], egress: { mode: "None", addresses: ["192.0.2.1"] } },
      /addresses are wanted/,
    ],
    ["an MTU too small for IPv6", { cidrs: ["fd00:1::/64"], mtu: 1000 }, /1280/],
    ["addresses that stay in blocks", { mode: "PerNode", cidrs: ["10.1.0.0/16"], statefulSets: "Keep" }, /PerNode/],
    [
      "a range that is none",
      { cidrs: ["10.1.0.0/16"], excluded: ["10.1.0.9-10.1.0.3"] },
      /no address, network or range/,
    ],
  ])("refuses %s", (_what, spec, message) => expect(subnet(spec).problem).toMatch(message));

  it("lets nobody out by a mode of egress that it doesn't know", () => {
    expect(subnet({ cidrs: ["10.1.0.0/16"], egress: { mode: "Somehow" } }).egress).toBe("None");
  });
});

describe("the records of addresses", () => {
  it("are of an IPPool its ranges and whom they are for", () => {
    const record = projectIpPool({
      metadata: { name: "p" },
      spec: {
        subnet: "s",
        addresses: ["10.0.0.1-10.0.0.3", "fd00::/120"],
        workloads: [{ namespace: "shop", kind: "Deployment", name: "web" }],
      },
    });
    expect(record.ranges.map(formatRange)).toEqual(["10.0.0.1-10.0.0.3", "fd00::-fd00::ff"]);
    expect(record).toMatchObject({
      problem: undefined,
      workloads: [{ namespace: "shop", kind: "Deployment", name: "web" }],
    });
  });

  it("are of an IPAddress its holder, and since when nobody has it", () => {
    const record = projectIpAddress({
      metadata: { name: "shop.db-0", finalizers: ["x"], deletionTimestamp: "2026-01-01T00:00:00Z" },
      spec: {
        subnet: "s",
        namespace: "shop",
        holder: "db-0",
        addresses: ["FD00::A", "10.0.0.5"],
        mac: "0A:00:00:00:00:01",
      },
      status: { releasedAt: "2026-01-02T00:00:00Z" },
    });
    expect(record).toMatchObject({
      problem: undefined,
      addresses: ["10.0.0.5", "fd00::a"],
      mac: "0a:00:00:00:00:01",
      releasedAt: "2026-01-02T00:00:00Z",
      deleting: true,
      finalizers: ["x"],
    });
    const group = { subnet: "s", namespace: "shop", holder: "db-0", mac: "01:00:00:00:00:01" };
    expect(projectIpAddress({ spec: group }).problem).toMatch(/mac/);
  });
});

describe("the records of ways out", () => {
  it("select nobody by a selector that can't be read", () => {
    const readable = projectEgressIp({ spec: { addresses: ["192.0.2.1"], namespaceSelector: {} } });
    expect(readable).toMatchObject({ problem: undefined, pods: { namespace: undefined, namespaceRequirements: [] } });
    const unreadable = projectEgressIp({ spec: { addresses: ["192.0.2.1"], namespaceSelector: { matchLabels: 1 } } });
    expect(unreadable.pods.namespace).toBe("");
    expect(unreadable.problem).toMatch(/namespaceSelector/);
  });

  it("have at most one address per family", () => {
    const spec = { addresses: ["2001:DB8::1", "192.0.2.1", "192.0.2.2"], pod: "web" };
    const record = projectFloatingIp({ metadata: { namespace: "shop", name: "f" }, spec });
    expect(record).toMatchObject({ key: "shop/f", namespace: "shop", addresses: ["192.0.2.1", "2001:db8::1"] });
    expect(record.problem).toMatch(/second IPv4/);
  });
});

describe("any record", () => {
  it("is made of whatever an object says, and never fails", () => {
    const projections = [
      ...[projectTenant, projectSubnet, projectIpPool, projectIpAddress],
      ...[projectProviderNetwork, projectEgressIp, projectFloatingIp],
    ];
    const fields = [
      ...["namespaces", "peers", "services", "routes", "policyRoutes", "stormControl", "cidrs", "gateways", "excluded"],
      ...["egress", "underlay", "nodePrefixLengths", "addresses", "workloads", "mac", "namespaceSelector", "uplinks"],
    ];
    const spec = fc.dictionary(fc.constantFrom(...fields), fc.jsonValue());
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), spec), fc.jsonValue(), (given, status) => {
        for (const project of projections) project({ metadata: { name: "x" }, spec: given, status });
      }),
      { numRuns: 300 },
    );
  });
});
