import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import type { SubnetReservation } from "../ipam/subnet-reservation.ts";
import type { Bundle, DesiredRow } from "./desired.ts";
import { hubSet, tenantSet } from "./hub-sets.ts";
import { nodeBundle, nodeNetworkOf } from "./node.ts";
import type { NodeTopology } from "./node-topology.ts";
import { PodBundle, podPlacement } from "./pod-port.ts";
import { bands } from "./policy-layout.ts";
import { SubnetPodBundle, subnetPlacement, subnetPodNetworkOf } from "./subnet-pod-port.ts";
import { subnetSwitchBundle } from "./subnet-switch.ts";
import type { HubTenancy, SubnetSwitch, TenantTopology } from "./tenancy.ts";
import { tenantBundle } from "./tenant-router.ts";
import { tenantTopologyBundle } from "./tenant-topology.ts";

const config = parseNetworkConfig({});
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

const hub: HubTenancy = {
  infrastructure: true,
  overlays: [{ family: 4, cidr: "10.30.0.0/24", subnet: "extra", egress: "Node", mode: "Cluster" }],
  routed: [{ family: 4, cidr: "10.40.0.0/24" }],
};

const red: TenantTopology = {
  name: "red",
  number: 0,
  networks: [{ family: 4, cidr: "10.10.0.0/16", subnet: "flat" }],
  peers: [],
  services: [],
  routes: [],
  policyRoutes: [],
  stormKbps: 2000,
};

const flat: SubnetSwitch = {
  subnet: "flat",
  tenant: "red",
  mode: "Cluster",
  node: undefined,
  tenantNumber: 0,
  networks: [{ family: 4, cidr: "10.10.0.0/16", prefixLength: 16, gateway: "10.10.0.1" }],
  slices: [1024],
  mtuBytes: 1400,
  egress: "Node",
  physicalNetwork: undefined,
  vlan: undefined,
  dhcp: false,
  stormKbps: 2000,
};

const plant: SubnetSwitch = {
  ...flat,
  subnet: "plant",
  mode: "Underlay",
  node: "n1",
  physicalNetwork: "campus.c1",
  vlan: 100,
  networks: [{ family: 4, cidr: "172.30.100.0/24", prefixLength: 24, gateway: "172.30.100.1" }],
};

const node: NodeTopology = {
  name: "n1",
  block: 0,
  zone: "",
  addresses: ["192.168.50.11"],
  chassis: {
    systemId: "c1",
    gateway: {
      mac: "02:00:00:00:00:01",
      addresses: ["192.168.50.11/24", "fc00:50::11/64"],
      nextHops: ["192.168.50.1"],
      physicalNetwork: "physnet",
    },
  },
};

const tenantOf = (topology: TenantTopology) => tenantTopologyBundle(network, bands, topology, hub);
const switchOf = (on: SubnetSwitch) => subnetSwitchBundle(network, bands, on);
const ofTable = ({ rows }: Bundle, table: string): readonly DesiredRow[] => rows.filter((row) => row.table === table);
const members = ({ memberships }: Bundle, uuid: string): readonly string[] =>
  memberships.filter(({ row }) => row === uuid).map(({ member }) => member);
const matches = (bundle: Bundle): readonly string[] =>
  ofTable(bundle, "Logical_Router_Policy").map(
    ({ columns }) => `${columns.priority} ${columns.match} ${columns.action}`,
  );

describe("a cluster without subnets", () => {
  it("has the rows that it had", () => {
    const tables = new Set(tenantBundle(network).rows.map(({ owner }) => owner));
    expect([...tables].filter((owner) => /hub|subnets/.test(owner))).toEqual([]);
    expect(nodeNetworkOf(network, node).routes).not.toContain("100.80.0.0/12");
  });
});

describe("the router that joins tenants", () => {
  it("names no two rows alike", () => {
    const bundles = [
      tenantBundle(network, bands, hub),
      nodeBundle(network, node, bands, hub),
      tenantOf({ ...red, peers: [{ name: "default", number: undefined, networks: [], slices: [] }] }),
      switchOf(flat),
      switchOf(plant),
    ];
    const uuids = bundles.flatMap(({ rows }) => rows.map(({ uuid }) => uuid));
    expect(new Set(uuids).size).toBe(uuids.length);
  });

  it("drops what tenants say to each other below what it lets through", () => {
    const policies = matches(tenantBundle(network, bands, hub));
    expect(policies).toContain("1220 ip4.dst == $default.tenants.ipv4 drop");
    expect(policies).toContain("1300 ip4.src == $default.own.ipv4 && ip4.dst == $default.own.ipv4 allow");
    expect(policies.join("\n")).not.toContain("!=");
  });

  it("has a way out by each node's gateway for what is on that node, and translates what is no network's own", () => {
    const bundle = nodeBundle(network, node, bands, hub);
    expect(matches(bundle)).toContain(
      '250 is_chassis_resident("management.n1") && ip4.src == $default.egress.ipv4 reroute',
    );
    const translated = ofTable(bundle, "NAT").map(({ columns }) => columns.logical_ip);
    expect(translated).toEqual(expect.arrayContaining(["100.80.0.0/12", "fd97::/64", "10.30.0.0/24"]));
    expect(translated).not.toContain("10.40.0.0/24");
    expect(nodeNetworkOf(network, node, hub).routes).toEqual(
      expect.arrayContaining(["100.80.0.0/12", "fd97::/64", "10.30.0.0/24", "10.40.0.0/24"]),
    );
  });
});

describe("a tenant", () => {
  it("is linked with the router of default by the addresses of its number", () => {
    const ports = ofTable(tenantOf({ ...red, number: 3 }), "Logical_Router_Port").map(({ columns }) => columns);
    expect(ports).toEqual([
      expect.objectContaining({
        name: "default-to-tenant.red",
        peer: "tenant.red-to-default",
        networks: ["100.80.0.13/30", "fd97::d/126"],
      }),
      expect.objectContaining({ name: "tenant.red-to-default", networks: ["100.80.0.14/30", "fd97::e/126"] }),
    ]);
  });

  it("sends out from its own sources alone, whatever its own policy routes allow", () => {
    const policies = matches(
      tenantOf({
        ...red,
        policyRoutes: [
          { priority: 5, source: "10.10.0.0/24", destination: undefined, action: "allow", nextHops: [] },
          { priority: 4, source: undefined, destination: "0.0.0.0/0", action: "reroute", nextHops: ["10.10.0.9"] },
        ],
      }),
    );
    const up = 'outport == "tenant.red-to-default"';
    expect(policies).toEqual(
      expect.arrayContaining([
        `1001 ${up} drop`,
        `2050 ip4.src == 10.10.0.0/24 allow`,
        `2051 (ip4.src == 10.10.0.0/24) && ${up} drop`,
        `2052 (ip4.src == 10.10.0.0/24) && ${up} && ip4.src == $${tenantSet("red", "sources", 4).name} allow`,
        `2040 ip4.dst == 0.0.0.0/0 reroute`,
      ]),
    );
  });

  it("leads nothing past its checks: next hops are in its own subnets", () => {
    const reroute = { source: undefined, destination: "10.244.0.0/16", action: "reroute" } as const;
    const bundle = tenantOf({
      ...red,
      routes: [{ destination: "10.60.0.0/24", nextHops: ["169.254.64.7", "10.10.0.8"] }],
      policyRoutes: [
        { ...reroute, priority: 4, nextHops: ["100.80.0.1"] },
        { ...reroute, priority: 3, nextHops: ["100.80.0.1", "10.10.0.9"] },
      ],
    });
    const policies = ofTable(bundle, "Logical_Router_Policy").map(({ columns }) => columns);
    expect(policies.filter(({ match }) => match === "ip4.dst == 10.244.0.0/16")).toEqual([
      expect.objectContaining({ priority: 2040, action: "drop", nexthops: [] }),
      expect.objectContaining({ priority: 2030, action: "reroute", nexthops: ["10.10.0.9"] }),
    ]);
    const routes = ofTable(bundle, "Logical_Router_Static_Route").map(({ columns }) => columns);
    expect(routes.filter(({ ip_prefix }) => ip_prefix === "10.60.0.0/24").map(({ nexthop }) => nexthop)).toEqual([
      "10.10.0.8",
    ]);
  });

  it("keeps its own default route, and the cluster's networks on the way to the hub", () => {
    const routes = ofTable(
      tenantOf({ ...red, routes: [{ destination: "0.0.0.0/0", nextHops: ["10.10.0.9"] }] }),
      "Logical_Router_Static_Route",
    );
    const byDestination = routes.map(({ columns }) => `${columns.ip_prefix} ${columns.nexthop}`);
    expect(byDestination).toContain("0.0.0.0/0 10.10.0.9");
    expect(byDestination).not.toContain("0.0.0.0/0 100.80.0.1");
    expect(byDestination).toContain("100.80.0.0/12 100.80.0.1");
    expect(byDestination).toContain("10.244.0.0/16 100.80.0.1");
  });

  it("reaches what others share by address and port, and is asked nothing by it", () => {
    const bundle = tenantOf({
      ...red,
      services: [
        { service: "kube-system/kube-dns", family: 4, protocol: "udp", port: 53, addresses: ["10.244.0.7"] },
        { service: "default/kubernetes", family: 4, protocol: "tcp", port: 6443, addresses: ["192.0.2.1"] },
      ],
    });
    const policies = matches(bundle);
    expect(policies.filter((text) => text.startsWith("1230"))).toEqual([
      expect.stringMatching(
        /^1230 inport == "default-to-tenant.red" && ip4.dst == \$shared_\w+ && udp.dst == 53 allow$/,
      ),
      expect.stringMatching(
        /^1230 outport == "default-to-tenant.red" && ip4.src == \$shared_\w+ && udp.src == 53 allow$/,
      ),
    ]);
    // What is outside of the cluster goes there as all does.
    expect(policies.filter((text) => /tcp.dst == 6443 reroute/.test(text))).toHaveLength(1);
    const acls = ofTable(bundle, "ACL").map(({ columns }) => `${columns.direction} ${columns.action}`);
    expect(acls).toEqual(["from-lport allow-related", "to-lport drop"]);
  });

  it("meets a peer over a link of their own, and takes nothing further", () => {
    const peer = { name: "green", number: 7, networks: [{ family: 4, cidr: "10.60.0.0/24" }], slices: [2000] } as const;
    const bundle = tenantOf({ ...red, number: 3, peers: [peer] });
    const end = ofTable(bundle, "Logical_Router_Port").find(
      ({ columns }) => columns.name === "tenant.red-to-tenant.green",
    );
    expect(end?.columns).toMatchObject({
      peer: "tenant.green-to-tenant.red",
      networks: ["169.254.64.7/32", "fd69::1:7/128"],
    });
    const routes = ofTable(bundle, "Logical_Router_Static_Route").filter(
      ({ columns }) => columns.output_port === end?.columns.name,
    );
    expect(routes.map(({ columns }) => `${columns.ip_prefix} ${columns.nexthop}`)).toEqual([
      "10.60.0.0/24 169.254.64.3",
      "100.81.244.0/26 169.254.64.3",
      "fd97::1:f400/122 fd69::1:3",
    ]);
    expect(matches(bundle)).toContain(
      '14000 inport == "tenant.red-to-tenant.green" && outport == {"tenant.red-to-default", "tenant.red-to-tenant.green"} drop',
    );
  });
});

describe("a subnet's switch", () => {
  it("has the gateway and the router's address in each slice, and the way there from the hub", () => {
    const bundle = switchOf({ ...flat, slices: [1024, 1030] });
    expect(ofTable(bundle, "Logical_Router_Port")[0]?.columns.networks).toEqual(
      ["10.10.0.1/16", "100.81.0.1/26", "100.81.1.129/26", "fd97::1:1/122", "fd97::1:181/122"].sort(),
    );
    const routes = ofTable(bundle, "Logical_Router_Static_Route").map(({ columns }) => columns.ip_prefix);
    expect(routes).toEqual(["100.81.0.0/26", "fd97::1:0/122", "100.81.1.128/26", "fd97::1:180/122"]);
  });

  it("keeps the router's hardware address when slices come and go", () => {
    const mac = (on: SubnetSwitch) => ofTable(switchOf(on), "Logical_Router_Port")[0]?.columns.mac;
    expect(mac({ ...flat, slices: [] })).toBe(mac({ ...flat, slices: [1024] }));
    expect(mac(flat)).not.toBe(mac({ ...flat, subnet: "other" }));
  });

  it.each([
    ["Node", { egress: ["100.81.0.0/26"], sources: [], closed: [] }],
    ["Routed", { egress: ["10.10.0.0/16", "100.81.0.0/26"], sources: ["10.10.0.0/16"], closed: [] }],
    ["Address", { egress: [], sources: [], closed: [] }],
    ["None", { egress: ["100.81.0.0/26"], sources: [], closed: ["100.81.0.0/26"] }],
  ] as const)("leaves the cluster as %s says, by who is in which set", (egress, sets) => {
    const bundle = switchOf({ ...flat, egress });
    expect(members(bundle, hubSet("egress", 4).uuid)).toEqual(sets.egress);
    expect(members(bundle, tenantSet("red", "sources", 4).uuid)).toEqual(sets.sources);
    expect(members(bundle, tenantSet("red", "closed", 4).uuid)).toEqual(sets.closed);
  });

  it("is joined with a node's physical network in an underlay, and has no gateway there", () => {
    const bundle = switchOf(plant);
    expect(
      ofTable(bundle, "Logical_Switch_Port").find(({ columns }) => columns.type === "localnet")?.columns,
    ).toMatchObject({
      name: "subnet.plant@n1-localnet",
      tag: 100,
      options: { network_name: "campus.c1" },
    });
    expect(ofTable(bundle, "Logical_Router_Port")[0]?.columns.networks).toEqual(["100.81.0.1/26", "fd97::1:1/122"]);
    expect(ofTable(switchOf({ ...plant, slices: [] }), "Logical_Router_Port")).toEqual([]);
  });

  it("lets no host of the physical network speak to the router, on which the cluster's networks meet", () => {
    const bundle = switchOf(plant);
    const mac = ofTable(bundle, "Logical_Router_Port")[0]?.columns.mac;
    expect(ofTable(bundle, "ACL").map(({ columns }) => columns)).toEqual([
      {
        direction: "from-lport",
        priority: 32_750,
        match: `inport == "subnet.plant@n1-localnet" && eth.dst == ${mac}`,
        action: "drop",
      },
    ]);
    expect(ofTable(switchOf(flat), "ACL")).toEqual([]);
  });

  it("limits broadcasts, and leaves the burst to OVN", () => {
    expect(ofTable(switchOf(flat), "QoS")[0]?.columns).toMatchObject({ match: "eth.mcast", bandwidth: { rate: 2000 } });
  });
});

const reservation: SubnetReservation = {
  uid: "u",
  node: "n1",
  subnet: "flat",
  addresses: ["10.10.0.11"],
  mac: "0a:00:00:00:00:11",
  infrastructure: 1024 * 64 + 2,
  keptBy: undefined,
};
const pod = (on: SubnetSwitch, more: Partial<SubnetReservation> = {}, key = "red/a") =>
  new SubnetPodBundle(key, subnetPlacement(network, on, "n1", "c1"), { ...reservation, ...more });

describe("a pod of a subnet", () => {
  it("may send from its own and its infrastructure addresses, its own first", () => {
    expect(pod(flat).rows[0]?.columns.port_security).toEqual(["0a:00:00:00:00:11 10.10.0.11 100.81.0.2 fd97::1:2"]);
    expect(pod(flat).addresses).toEqual(["100.81.0.2", "fd97::1:2"]);
    expect(pod(flat).ownAddresses).toEqual(["10.10.0.11"]);
  });

  it("is in sets by the addresses that these are of", () => {
    const place = { table: "Address_Set", row: "set", family: 4 } as const;
    const memberOf = (own: boolean) => {
      const places = [own ? ({ ...place, own: true } as const) : place];
      return pod(flat)
        .at(places)
        .memberships.find(({ row }) => row === "set")?.member;
    };
    expect([memberOf(false), memberOf(true)]).toEqual(["100.81.0.2", "10.10.0.11"]);
  });

  const routesOf = (on: SubnetSwitch, more: Partial<SubnetReservation> = {}) =>
    subnetPodNetworkOf(network, pod(on, more)).routes?.map(
      ({ destination, gateway, source }) => `${destination} ${gateway} ${source}`,
    );

  it("speaks from its infrastructure address to the cluster, and out where that is translated", () => {
    expect(routesOf(flat)).toEqual(
      expect.arrayContaining([
        "0.0.0.0/0 10.10.0.1 100.81.0.2",
        "10.96.0.0/16 10.10.0.1 100.81.0.2",
        "100.80.0.0/12 10.10.0.1 100.81.0.2",
        "10.244.0.0/16 10.10.0.1 100.81.0.2",
        // It has no network of this family: by the router's address in the slice.
        "::/0 fd97::1:1 fd97::1:2",
      ]),
    );
    expect(routesOf({ ...flat, egress: "Routed" })).toContain("0.0.0.0/0 10.10.0.1 10.10.0.11");
  });

  it("leaves an underlay by the physical router, and finds the cluster by ours", () => {
    const routes = routesOf(plant, { addresses: ["172.30.100.20"] });
    expect(routes).toContain("0.0.0.0/0 172.30.100.1 172.30.100.20");
    expect(routes).toContain("10.96.0.0/16 100.81.0.1 100.81.0.2");
    expect(routes?.some((route) => route.startsWith("::/0"))).toBe(false);
  });

  it("of the tenant default, in an overlay, needs no other addresses", () => {
    const plain = pod({ ...flat, tenant: "default", tenantNumber: undefined }, { infrastructure: undefined });
    expect(plain.addresses).toEqual(["10.10.0.11"]);
    expect(subnetPodNetworkOf(network, plain)).toEqual({
      ...{ uid: "u", port: "red_a", mac: "0a:00:00:00:00:11", mtuBytes: 1400, subnet: "flat" },
      ...{ addresses: ["10.10.0.11/16"], gateways: ["10.10.0.1"] },
    });
  });
});

describe("what a pod asks for of bandwidth", () => {
  it("is on its switch, by its port, in the tenant default too", () => {
    const held = { uid: "u", block: 0, ipv4Offset: 3, ipv6Offset: 3 };
    const qos = { ingressKbps: 10_000, egressKbps: 20_000, dscp: 46 };
    const bundle = new PodBundle("ns/p", podPlacement(network, node), held, [], undefined, qos);
    expect(
      ofTable(bundle, "QoS").map(({ columns }) => [
        columns.direction,
        columns.match,
        columns.bandwidth ?? columns.action,
      ]),
    ).toEqual([
      ["to-lport", 'outport == "ns_p"', { rate: 10_000 }],
      ["from-lport", 'inport == "ns_p"', { rate: 20_000 }],
      ["from-lport", 'inport == "ns_p" && ip', { dscp: 46 }],
    ]);
    expect(bundle.memberships.filter(({ column }) => column === "qos_rules")).toHaveLength(3);
    expect(new PodBundle("ns/p", podPlacement(network, node), held).rows).toHaveLength(1);
  });
});

describe("the tenant default's own routes", () => {
  it("stand on the router that joins all, below what tenants and nodes need", () => {
    const own = {
      routes: [{ destination: "0.0.0.0/0", nextHops: ["10.30.0.9"] }],
      policyRoutes: [
        { priority: 900, source: "10.30.0.0/24", destination: undefined, action: "drop", nextHops: [] },
        { priority: 7, source: undefined, destination: "192.0.2.0/24", action: "reroute", nextHops: ["10.30.0.9"] },
        { priority: 1, source: undefined, destination: undefined, action: "allow", nextHops: [] },
      ],
    } as const;
    const bundle = tenantBundle(network, bands, { ...hub, own });
    const routes = ofTable(bundle, "Logical_Router_Static_Route").map(
      ({ columns }) => `${columns.ip_prefix} ${columns.nexthop}`,
    );
    expect(routes).toEqual(["::/0 fd98::", "0.0.0.0/0 10.30.0.9"]);
    expect(matches(bundle)).toEqual(
      expect.arrayContaining([
        "412 ip4.src == $default.own.ipv4 && ip4.src == 10.30.0.0/24 drop",
        "411 ip4.src == $default.own.ipv4 && ip4.dst == 192.0.2.0/24 reroute",
        "410 ip4.src == $default.own.ipv4 allow",
        "410 ip6.src == $default.own.ipv6 allow",
      ]),
    );
  });
});
