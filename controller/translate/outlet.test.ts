import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import type { Bundle } from "./desired.ts";
import { type EgressGroup, egressGroupBundle, egressIpOwner, egressPriorities } from "./egress-ip.ts";
import { floatingIpBundle, floatingRouterBundle } from "./floating-ip.ts";
import type { NodeTopology } from "./node-topology.ts";
import { outletBundle } from "./outlet.ts";
import { outletNetworkOf, outletNetworks } from "./outlet-network.ts";
import { outletCandidates, outletMac } from "./outlet-router.ts";

const parsed = parseNetworkConfig({});
if (parsed.kind !== "valid") throw new Error("the defaults are not valid");
const { network } = parsed;

function node(name: string, block: number, subnet = 18): NodeTopology {
  const addresses = [`172.${subnet}.0.${block + 11}`];
  return {
    ...{ name, block, zone: "", addresses },
    chassis: {
      systemId: `id-${name}`,
      gateway: {
        mac: `02:00:00:00:00:0${block}`,
        addresses: [`172.${subnet}.0.${block + 11}/16`, `fd00:172:${subnet}::${block + 11}/64`],
        nextHops: [`fd00:172:${subnet}::1`, `172.${subnet}.0.1`],
        physicalNetwork: "physnet",
      },
    },
  };
}

const nodes = [node("ash", 0), node("birch", 1), node("cedar", 2), node("date", 3, 19)];
const [outlet] = outletNetworks(nodes);
if (outlet === undefined) throw new Error("there is no network");
const group: EgressGroup = {
  owner: egressIpOwner("shop"),
  name: "egress.shop",
  priority: egressPriorities.egressIp,
  addresses: ["172.18.0.200", "fd00:172:18::c8"],
  slot: 3,
  outlet,
  candidates: outletCandidates("shop", outlet.nodes),
  sources: [
    { family: 4, name: "shop.ipv4", uuid: "4" },
    { family: 6, name: "shop.ipv6", uuid: "6" },
  ],
  inside: [],
  tenants: false,
};

const rows = (bundle: Bundle, table: string) =>
  bundle.rows.filter((row) => row.table === table).map(({ columns }) => columns);

describe("networks where pods can have addresses of their own", () => {
  it("are those of the nodes' gateway bridges, with the nodes on each", () => {
    expect(
      outletNetworks(nodes).map(({ key, nextHops, nodes: on }) => ({ key, nextHops, on: on.map(({ name }) => name) })),
    ).toEqual([
      {
        key: "172.18.0.0/16+fd00:172:18::/64",
        nextHops: ["172.18.0.1", "fd00:172:18::1"],
        on: ["ash", "birch", "cedar"],
      },
      { key: "172.19.0.0/16+fd00:172:19::/64", nextHops: ["172.19.0.1", "fd00:172:19::1"], on: ["date"] },
    ]);
  });

  it("are found by addresses that lie in them, all of them", () => {
    const networks = outletNetworks(nodes);
    expect(outletNetworkOf(networks, ["172.19.3.4"])?.key).toContain("172.19.0.0/16");
    expect(outletNetworkOf(networks, ["172.19.3.4", "fd00:172:18::4"])).toBeUndefined();
    expect(outletNetworkOf(networks, ["192.0.2.1"])).toBeUndefined();
  });
});

describe("an address's candidates", () => {
  it("are three at most, and stay in their order when another node goes", () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ name: `node${index}`, systemId: `${index}` }));
    const chosen = outletCandidates("shop", many);
    expect(chosen).toHaveLength(3);
    const without = outletCandidates(
      "shop",
      many.filter((each) => each !== chosen[0]),
    );
    expect(without.slice(0, 2)).toEqual(chosen.slice(1));
  });
});

describe("an EgressIP's rows", () => {
  const bundle = egressGroupBundle(network, group);

  it("are a router that has the addresses on the nodes' network, at work on one of its candidates", () => {
    expect(rows(bundle, "Logical_Router_Port").map(({ name, networks }) => ({ name, networks }))).toEqual([
      { name: "default-to-egress.shop", networks: ["100.80.128.13/30", "fd97::800d/126"] },
      { name: "egress.shop-to-default", networks: ["100.80.128.14/30", "fd97::800e/126"] },
      { name: "egress.shop-to-external", networks: ["172.18.0.200/16", "fd00:172:18::c8/64"] },
    ]);
    expect(rows(bundle, "Gateway_Chassis").map(({ priority }) => priority)).toEqual([30, 20, 10]);
    const [outside] = bundle.rows.filter(({ columns }) => columns.name === "egress.shop-to-external");
    expect(bundle.memberships.filter(({ column }) => column === "gateway_chassis").map(({ row }) => row)).toEqual(
      Array.from({ length: 3 }, () => outside?.uuid),
    );
  });

  it("let nobody in from outside but by translation", () => {
    const [guard] = bundle.rows.filter(({ columns }) => columns.priority === 1000);
    expect(guard?.columns).toEqual({
      priority: 1000,
      match:
        'inport == "egress.shop-to-external" && ip4.dst == {10.244.0.0/16, 100.80.0.0/12} && (!ct.trk || (!ct.dnat && !ct.snat))',
      action: "drop",
      nexthops: [],
    });
    const routers = bundle.memberships.filter(({ member }) => member === guard?.uuid).map(({ row }) => row);
    expect(routers).toEqual(
      bundle.rows
        .filter(({ table, columns }) => table === "Logical_Router" && columns.name === "egress.shop")
        .map(({ uuid }) => uuid),
    );
  });

  it("lead the group there, and translate all that comes", () => {
    expect(rows(bundle, "Logical_Router_Policy").filter(({ priority }) => priority === 300)).toEqual([
      { priority: 300, match: "ip4.src == $shop.ipv4", action: "reroute", nexthops: ["100.80.128.14"] },
      { priority: 300, match: "ip6.src == $shop.ipv6", action: "reroute", nexthops: ["fd97::800e"] },
    ]);
    expect(rows(bundle, "NAT")).toEqual([
      { type: "snat", external_ip: "172.18.0.200", logical_ip: "0.0.0.0/0" },
      { type: "snat", external_ip: "fd00:172:18::c8", logical_ip: "::/0" },
    ]);
    expect(bundle.needs?.map(({ uuid }) => uuid)).toEqual(["4", "6"]);
  });

  it("say nothing of a family of which it has no address", () => {
    const ipv4 = egressGroupBundle(network, { ...group, addresses: ["172.18.0.200"] });
    const text = JSON.stringify([rows(ipv4, "Logical_Router_Policy"), rows(ipv4, "NAT")]);
    expect(text).not.toContain("ip6");
    expect(rows(ipv4, "Logical_Router_Static_Route").map(({ ip_prefix }) => ip_prefix)).not.toContain("::/0");
  });
});

describe("floating addresses", () => {
  it("are translated on the pod's node, where that is on the network", () => {
    const pairs = [{ family: 4, address: "172.18.0.210", inside: "10.244.0.7" }] as const;
    const local = floatingIpBundle({ key: "shop/front", pairs, pod: "shop/front-1", isLocal: true });
    expect(rows(local, "NAT")).toEqual([
      {
        type: "dnat_and_snat",
        external_ip: "172.18.0.210",
        logical_ip: "10.244.0.7",
        external_mac: "0a:e6:ac:12:00:d2",
        logical_port: "shop_front-1",
      },
    ]);
    const central = floatingIpBundle({ key: "shop/front", pairs, pod: "shop/front-1", isLocal: false });
    expect(rows(central, "NAT")[0]?.external_mac).toBeUndefined();
  });

  it("answer nodes from outside too, before the way within", () => {
    const bundle = floatingRouterBundle(network, { slot: 0, outlet, inside: [], tenants: false });
    const priorities = rows(bundle, "Logical_Router_Policy").map(({ priority }) => priority);
    expect(priorities).toEqual([1000, 1000, 320, 1405, 320, 1405]);
  });

  it("have hardware addresses that gateway bridges know", () => {
    expect(outletMac("172.18.0.200")).toBe("0a:e6:ac:12:00:c8");
    expect(outletMac("fd00:172:18::c8")).toMatch(/^0a:e7:/);
  });
});

describe("what is for the cluster", () => {
  it("never leaves by addresses of its own", () => {
    const bundle = outletBundle(network, "physnet", [{ family: 4, cidr: "10.60.0.0/16" }]);
    expect(rows(bundle, "Logical_Router_Policy")[0]).toMatchObject({
      priority: 330,
      match: "ip4.dst == {10.244.0.0/16, 100.64.0.0/16, 10.96.0.0/16, 100.80.0.0/12, 169.254.0.5, 10.60.0.0/16}",
      action: "allow",
      nexthops: [],
    });
  });
});
