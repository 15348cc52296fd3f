import { describe, expect, it } from "vitest";
import { type NetworkConfig, parseNetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow } from "./desired.ts";
import { zoneBundle } from "./load-balancer-groups.ts";
import { macOfIpv4, macOfIpv6Place } from "./mac.ts";
import { nodeBundle, nodeNetworkOf } from "./node.ts";
import { nodeSwitchUuid } from "./node-switch.ts";
import type { NodeTopology } from "./node-topology.ts";
import { ownerText, parseOwner, rowUuid } from "./owner.ts";
import { PodBundle, podNetworkOf, podPlacement } from "./pod-port.ts";
import { joinSwitchUuid, tenantBundle, tenantRouterUuid } from "./tenant-router.ts";

function networkOf(input: unknown): NetworkConfig {
  const result = parseNetworkConfig(input);
  if (result.kind === "invalid") throw new Error(JSON.stringify(result.problems));
  return result.network;
}

const dualStack = networkOf({});
const ipv4Only = networkOf({ clusterCidr: "10.244.0.0/16" });
const ipv6Only = networkOf({ clusterCidr: "fd00:10:244::/48" });

const bare: NodeTopology = { name: "n7", block: 5, zone: "b", addresses: ["192.168.0.7"], chassis: undefined };
const chassis = {
  systemId: "c7",
  gateway: {
    mac: "02:00:00:00:00:07",
    addresses: ["192.168.0.7/24", "fc00::7/64"],
    nextHops: ["fe80::1", "192.168.0.1"],
    physicalNetwork: "physnet",
  },
};
const withGateway: NodeTopology = { ...bare, addresses: ["192.168.0.7", "fc00::7"], chassis };

/** `table owner: columns`, the way that an expectation is easiest to read. */
function rowsOf({ rows }: Bundle, table: string): Record<string, DesiredRow["columns"]> {
  return Object.fromEntries(rows.filter((row) => row.table === table).map(({ owner, columns }) => [owner, columns]));
}

describe("the tenant", () => {
  it("is a router and a join switch with a link between them", () => {
    const bundle = tenantBundle(dualStack);
    expect(rowsOf(bundle, "Logical_Router_Port")).toEqual({
      "Tenant/default#join": {
        name: "default-to-join",
        mac: "0a:58:64:40:00:01",
        networks: ["100.64.0.1/16", "fd98::1/64"],
      },
    });
    const topology = bundle.memberships.filter(({ column }) => column !== "acls");
    expect(topology.map(({ row, column }) => [row, column])).toEqual([
      [tenantRouterUuid, "policies"],
      [tenantRouterUuid, "policies"],
      [tenantRouterUuid, "ports"],
      [joinSwitchUuid, "ports"],
    ]);
  });

  it("has a load balancer group for all gateways, and one for the switches of each zone", () => {
    const rows = [tenantBundle(dualStack), zoneBundle(""), zoneBundle("b")]
      .flatMap((bundle) => bundle.rows)
      .filter(({ table }) => table === "Load_Balancer_Group");
    expect(rows.map(({ owner, columns }) => [owner, columns.name])).toEqual([
      ["Tenant/default#gateways", "default.gateways"],
      ["Zone/default@#switches", "default.switches@"],
      ["Zone/default@b#switches", "default.switches@b"],
    ]);
  });

  it("drops what is for a service and was not balanced, and has sets of all nodes' addresses", () => {
    const bundle = tenantBundle(dualStack);
    expect(Object.values(rowsOf(bundle, "Logical_Router_Policy"))).toEqual([
      { priority: 1500, match: "ip4.dst == 10.96.0.0/16", action: "drop" },
      { priority: 1500, match: "ip6.dst == fd00:10:96::/112", action: "drop" },
    ]);
    expect(Object.values(rowsOf(bundle, "Address_Set")).map(({ name }) => name)).toEqual([
      "default.nodes.ipv4",
      "default.nodes.ipv6",
    ]);
  });
});

describe("a node", () => {
  it("without a chassis has its switch and its management port", () => {
    const bundle = nodeBundle(dualStack, bare);
    expect(rowsOf(bundle, "Logical_Switch")).toEqual({ "Node/n7#switch": { name: "n7" } });
    expect(rowsOf(bundle, "Logical_Switch_Port")).toEqual({
      "Node/n7#router": {
        name: "switch.n7-to-default",
        type: "router",
        addresses: ["router"],
        options: { "router-port": "default-to-switch.n7" },
      },
      "Node/n7#management": {
        name: "management.n7",
        addresses: ["0a:58:0a:f4:05:02 10.244.5.2 fd00:10:244:5::2"],
        options: {},
      },
    });
    expect(rowsOf(bundle, "Logical_Router_Static_Route")).toEqual({
      "Node/n7#address.192.168.0.7": {
        ip_prefix: "192.168.0.7/32",
        nexthop: "10.244.5.2",
        policy: "dst-ip",
        output_port: "default-to-switch.n7",
      },
    });
    expect(rowsOf(bundle, "Logical_Router")).toEqual({});
  });

  it("lets nothing be committed that is still for an address of a service after load balancing", () => {
    const bundle = nodeBundle(dualStack, bare);
    const guard = { direction: "from-lport", priority: 32700, action: "drop", options: { "apply-after-lb": "true" } };
    expect(rowsOf(bundle, "ACL")).toMatchObject({
      "Node/n7#services.ipv4": { ...guard, match: "ip4.dst == 10.96.0.0/16" },
      "Node/n7#services.ipv6": { ...guard, match: "ip6.dst == fd00:10:96::/112" },
    });
    const members = bundle.memberships.filter(({ column }) => column === "acls");
    expect(members.map(({ row }) => row)).toEqual(Array.from({ length: 5 }, () => nodeSwitchUuid("n7")));
  });

  it("lets itself in to its own pods, from each of its addresses", () => {
    expect(rowsOf(nodeBundle(dualStack, withGateway), "ACL")["Node/n7#pods"]).toEqual({
      direction: "to-lport",
      priority: 32600,
      match: "ip4.src == {10.244.5.2, 192.168.0.7} || ip6.src == {fd00:10:244:5::2, fc00::7}",
      action: "allow",
    });
  });

  it("with a gateway has its way out in both families", () => {
    const bundle = nodeBundle(dualStack, withGateway);
    expect(rowsOf(bundle, "Logical_Router")).toEqual({
      "Node/n7#gateway": {
        name: "gateway.n7",
        options: {
          always_learn_from_arp_request: "false",
          chassis: "c7",
          dynamic_neigh_routers: "true",
          lb_force_snat_ip: "router_ip",
        },
      },
    });
    expect(rowsOf(bundle, "Logical_Router_Port")).toMatchObject({
      "Node/n7#gateway.join": { mac: "0a:58:64:40:00:07", networks: ["100.64.0.7/16", "fd98::7/64"] },
      "Node/n7#gateway.external": {
        mac: "02:00:00:00:00:07",
        networks: ["192.168.0.7/24", "fc00::7/64"],
        options: { gateway_mtu: "1400" },
      },
    });
    const routes = Object.entries(rowsOf(bundle, "Logical_Router_Static_Route")).map(
      ([owner, { ip_prefix, nexthop, policy }]) => `${owner} ${ip_prefix} ${nexthop} ${policy}`,
    );
    expect(routes).toEqual([
      "Node/n7#address.192.168.0.7 192.168.0.7/32 10.244.5.2 dst-ip",
      "Node/n7#address.fc00::7 fc00::7/128 fd00:10:244:5::2 dst-ip",
      "Node/n7#out.ipv4 10.244.5.0/24 100.64.0.7 src-ip",
      "Node/n7#out.ipv6 fd00:10:244:5::/64 fd98::7 src-ip",
      "Node/n7#reach.ipv4 100.64.0.7/32 100.64.0.7 dst-ip",
      "Node/n7#reach.ipv6 fd98::7/128 fd98::7 dst-ip",
      "Node/n7#back.ipv4 10.244.0.0/16 100.64.0.1 dst-ip",
      "Node/n7#back.ipv6 fd00:10:244::/48 fd98::1 dst-ip",
      "Node/n7#default.ipv4 0.0.0.0/0 192.168.0.1 dst-ip",
      "Node/n7#default.ipv6 ::/0 fe80::1 dst-ip",
    ]);
    expect(rowsOf(bundle, "NAT")).toEqual({
      "Node/n7#snat.ipv4": {
        type: "snat",
        external_ip: "192.168.0.7",
        logical_ip: "10.244.5.0/24",
        external_port_range: "61000-65535",
      },
      "Node/n7#snat.ipv6": {
        type: "snat",
        external_ip: "fc00::7",
        logical_ip: "fd00:10:244:5::/64",
        external_port_range: "61000-65535",
      },
    });
  });

  it("in a single-stack cluster has rows of that family only", () => {
    const text = (network: NetworkConfig) => JSON.stringify(rowsOf(nodeBundle(network, withGateway), "NAT"));
    expect(text(ipv4Only)).not.toMatch(/ipv6/);
    expect(text(ipv6Only)).not.toMatch(/ipv4/);
  });

  it("is in its zone's group and in groups of its own", () => {
    const names = new Map(
      [tenantBundle(dualStack), zoneBundle("b"), nodeBundle(dualStack, withGateway)].flatMap(({ rows }) =>
        rows.map(({ uuid, columns }) => [uuid, columns.name]),
      ),
    );
    const groups = nodeBundle(dualStack, withGateway).memberships.flatMap(({ row, column, member }) =>
      column === "load_balancer_group" ? [`${names.get(row)} ${names.get(member)}`] : [],
    );
    expect(groups).toEqual([
      "n7 default.switches@b",
      "n7 switch.n7",
      "gateway.n7 default.gateways",
      "gateway.n7 gateway.n7",
    ]);
  });

  it("tells templates of load balancers its addresses, once its chassis is known", () => {
    const templates = (topology: NodeTopology) =>
      Object.values(rowsOf(nodeBundle(dualStack, topology), "Chassis_Template_Var"));
    expect(templates(bare)).toEqual([]);
    const addresses = ["192.168.0.7", "192.168.9.7", "fc00::7"];
    expect(templates({ ...withGateway, addresses })).toEqual([
      {
        chassis: "c7",
        variables: { NODE_IPV4_0: "192.168.0.7", NODE_IPV4_1: "192.168.9.7", NODE_IPV6_0: "fc00::7" },
      },
    ]);
  });

  it("sends its pods to other nodes' NodePorts over the underlay, from its own chassis alone", () => {
    const policies = rowsOf(nodeBundle(dualStack, withGateway), "Logical_Router_Policy");
    const here = 'is_chassis_resident("management.n7") && inport == "default-to-switch.n7"';
    const ports = "30000 <= tcp.dst <= 32767 || 30000 <= udp.dst <= 32767 || 30000 <= sctp.dst <= 32767";
    expect(policies).toMatchObject({
      "Node/n7#nodeport.own.ipv4": { priority: 1401, match: `${here} && ip4.dst == 192.168.0.7`, action: "allow" },
      "Node/n7#nodeport.ipv6": {
        priority: 1400,
        match: `${here} && ip6.dst == $default.nodes.ipv6 && (${ports})`,
        action: "reroute",
        nexthops: ["fd98::7"],
      },
    });
  });

  for (const [families, network] of Object.entries({ dualStack, ipv4Only, ipv6Only })) {
    it(`refers only to rows that it or the tenant has, and has no row twice (${families})`, () => {
      const bundles = [
        tenantBundle(network),
        zoneBundle("b"),
        nodeBundle(network, withGateway),
        nodeBundle(network, { ...bare, name: "n8", block: 6 }),
      ];
      const uuids = bundles.flatMap(({ rows }) => rows.map(({ uuid }) => uuid));
      expect(new Set(uuids).size).toBe(uuids.length);
      const known = new Set(uuids);
      for (const { row, column, member } of bundles.flatMap(({ memberships }) => memberships)) {
        expect([known.has(row), column === "addresses" || known.has(member)]).toEqual([true, true]);
      }
    });
  }

  it("is told what its agent has to set up", () => {
    expect(nodeNetworkOf(dualStack, bare)).toEqual({
      index: 5,
      subnets: ["10.244.5.0/24", "fd00:10:244:5::/64"],
      managementPort: {
        port: "management.n7",
        mac: "0a:58:0a:f4:05:02",
        addresses: ["10.244.5.2/24", "fd00:10:244:5::2/64"],
        gateways: ["10.244.5.1", "fd00:10:244:5::1"],
      },
      routes: [
        ...["10.244.0.0/16", "100.64.0.0/16", "fd00:10:244::/48", "fd98::/64"],
        ...["10.96.0.0/16", "fd00:10:96::/112", "169.254.0.5/32", "fd69::5/128"],
      ],
      nodePorts: { first: 30_000, last: 32_767 },
      mtuBytes: 1400,
    });
  });
});

describe("a pod's port", () => {
  const port = (network: NetworkConfig, topology = withGateway) =>
    new PodBundle("ns/web", podPlacement(network, topology), {
      uid: "u",
      block: 5,
      ipv4Offset: network === ipv6Only ? undefined : 20,
      ipv6Offset: network === ipv4Only ? undefined : 300,
    });

  it("has port security for exactly its addresses, and is bound to its node", () => {
    const { rows, memberships } = port(dualStack);
    const addresses = ["0a:58:0a:f4:05:14 10.244.5.20 fd00:10:244:5::12c"];
    expect(rows).toEqual([
      {
        table: "Logical_Switch_Port",
        uuid: rowUuid("Logical_Switch_Port", "Pod/ns/web"),
        owner: "Pod/ns/web",
        columns: {
          name: "ns_web",
          addresses,
          port_security: addresses,
          options: { "iface-id-ver": "u", "requested-chassis": "c7" },
        },
      },
    ]);
    expect(memberships).toEqual([
      {
        table: "Logical_Switch",
        row: rowUuid("Logical_Switch", "Node/n7#switch"),
        column: "ports",
        member: rows[0]?.uuid,
      },
    ]);
  });

  it("is asked for by the node's name until its chassis is known", () => {
    expect(port(dualStack, bare).rows[0]?.columns.options).toMatchObject({ "requested-chassis": "n7" });
  });

  for (const [what, network, expected] of [
    [
      "both families",
      dualStack,
      {
        addresses: ["10.244.5.20/24", "fd00:10:244:5::12c/64"],
        gateways: ["10.244.5.1", "fd00:10:244:5::1"],
        mac: "0a:58:0a:f4:05:14",
      },
    ],
    ["IPv4 only", ipv4Only, { addresses: ["10.244.5.20/24"], gateways: ["10.244.5.1"], mac: "0a:58:0a:f4:05:14" }],
    [
      "IPv6 only",
      ipv6Only,
      { addresses: ["fd00:10:244:5::12c/64"], gateways: ["fd00:10:244:5::1"], mac: "0a:5a:00:05:01:2c" },
    ],
  ] as const) {
    it(`is announced with ${what}`, () => {
      expect(podNetworkOf(network, port(network))).toEqual({ uid: "u", port: "ns_web", mtuBytes: 1400, ...expected });
    });
  }
});

describe("identity", () => {
  it("of a row depends on table and owner alone, and never changes", () => {
    expect(rowUuid("Logical_Switch_Port", "Pod/ns/p")).toBe("f25be00b-fc53-56c2-94fb-bfe780c67080");
    expect(tenantRouterUuid).toBe("c4c22f41-c216-50d3-8430-5159820f4618");
    expect(rowUuid("Logical_Switch", "Pod/ns/p")).not.toBe(rowUuid("Logical_Switch_Port", "Pod/ns/p"));
  });

  it("of an owner can be read back", () => {
    expect(parseOwner(ownerText({ kind: "Pod", key: "ns/p" }))).toEqual({ kind: "Pod", key: "ns/p", part: undefined });
    expect(parseOwner("Node/n1#out.ipv4")).toEqual({ kind: "Node", key: "n1", part: "out.ipv4" });
    expect(parseOwner("somebody else's")).toBeUndefined();
  });

  it("of hardware follows from the address", () => {
    expect(macOfIpv4(0xc0a80102)).toBe("0a:58:c0:a8:01:02");
    expect(macOfIpv6Place(258, 772)).toBe("0a:5a:01:02:03:04");
  });
});
