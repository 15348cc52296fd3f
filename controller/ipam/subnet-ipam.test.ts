import { describe, expect, it } from "vitest";
import { parseRange } from "../pools/address-range.ts";
import type { IpAddressRecord } from "../state/ip-address.ts";
import type { IpPoolRecord } from "../state/ip-pool.ts";
import type { PodNetworkRequest } from "../state/pod-network-request.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import { parseNetworkConfig } from "./network-config.ts";
import { createSubnetIpam, type SubnetHolding, type SubnetRequest } from "./subnet-ipam.ts";

const config = parseNetworkConfig({});
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

const resource = (key: string) => ({
  key,
  uid: `uid-${key}`,
  createdAt: "2026-01-01T00:00:00Z",
  generation: 1,
  deleting: false,
  finalizers: [],
  problem: undefined,
  statusText: "",
  transitions: {},
});

const ranges = (...texts: string[]) => texts.flatMap((text) => parseRange(text) ?? []);

function subnet(key: string, fields: Partial<SubnetRecord> = {}): SubnetRecord {
  return {
    ...resource(key),
    tenant: "blue",
    mode: "Cluster",
    networks: [{ family: 4, cidr: "10.10.0.0/29", gateway: "10.10.0.1", nodePrefixLength: undefined }],
    excluded: [],
    mtuBytes: undefined,
    egress: "Node",
    egressAddresses: [],
    underlay: undefined,
    namespaces: { names: [], requirements: undefined },
    isDefault: true,
    dhcp: false,
    keepsStatefulSets: true,
    ...fields,
  };
}

function pool(key: string, fields: Partial<IpPoolRecord> = {}): IpPoolRecord {
  const namespaces = { names: [], requirements: undefined };
  return { ...resource(key), subnet: "s", ranges: [], namespaces, workloads: [], ...fields };
}

function keptRecord(key: string, fields: Partial<IpAddressRecord> = {}): IpAddressRecord {
  const [namespace = "", holder = ""] = key.split(".");
  return {
    ...resource(key),
    subnet: "s",
    addresses: [],
    mac: undefined,
    namespace,
    holder,
    ttlSeconds: undefined,
    releasedAt: undefined,
    ...fields,
  };
}

const wish = (fields: Partial<PodNetworkRequest>): PodNetworkRequest => ({
  subnet: undefined,
  addresses: [],
  mac: undefined,
  pools: [],
  sticky: undefined,
  stickySeconds: undefined,
  qos: undefined,
  problems: [],
  ...fields,
});

const request = (key: string, fields: Partial<SubnetRequest> = {}): SubnetRequest => ({
  key,
  uid: `uid-${key}`,
  node: "n1",
  nodeNumber: 0,
  subnet: "s",
  wish: undefined,
  workload: undefined,
  ordinal: undefined,
  pools: [],
  ...fields,
});

function ipamWith(record: SubnetRecord = subnet("s"), holdings: readonly SubnetHolding[] = []) {
  const ipam = createSubnetIpam(network);
  ipam.setSubnet(record.key, record);
  ipam.restore(holdings, new Map(), new Map());
  const reserve = (key: string, fields: Partial<SubnetRequest> = {}) => {
    const outcome = ipam.reserve(request(key, fields));
    return outcome.kind === "reserved" ? outcome.value.addresses.join(" ") : outcome.problem;
  };
  return { ipam, reserve };
}

describe("a subnet's addresses", () => {
  it("are given once each, the router's and the network's own to nobody", () => {
    const { reserve, ipam } = ipamWith();
    const given = ["a/1", "a/2", "a/3", "a/4", "a/5"].map((key) => reserve(key));
    expect(given).toEqual(["10.10.0.2", "10.10.0.3", "10.10.0.4", "10.10.0.5", "10.10.0.6"]);
    expect(reserve("a/6")).toMatchObject({ code: "SUBNET_EXHAUSTED" });
    expect(ipam.usageOf("s")).toEqual({ total: { 4: 5, 6: 0 }, used: { 4: 5, 6: 0 } });
    ipam.release("a/3");
    expect(reserve("a/6")).toBe("10.10.0.4");
  });

  it("rest as long as others are free", () => {
    const { reserve, ipam } = ipamWith();
    expect(reserve("a/1")).toBe("10.10.0.2");
    ipam.release("a/1");
    expect([reserve("a/2"), reserve("a/3"), reserve("a/4"), reserve("a/5")]).not.toContain("10.10.0.2");
    expect(reserve("a/6")).toBe("10.10.0.2");
  });

  it("stay a pod's as long as it is that pod, wherever its namespace goes", () => {
    const { reserve } = ipamWith();
    expect(reserve("a/1")).toBe("10.10.0.2");
    expect(reserve("a/1", { subnet: "elsewhere" })).toBe("10.10.0.2");
    expect(reserve("a/1", { uid: "another", subnet: "elsewhere" })).toMatchObject({ code: "SUBNET_NOT_FOUND" });
  });

  it("come from the node's block where each node has one", () => {
    const networks = [{ family: 4 as const, cidr: "10.10.0.0/24", gateway: "10.10.0.1", nodePrefixLength: 28 }];
    const { reserve } = ipamWith(subnet("s", { mode: "PerNode", networks }));
    expect(reserve("a/1", { nodeNumber: 3, node: "n4" })).toBe("10.10.0.50");
    const other = wish({ addresses: ["10.10.0.2"] });
    expect(reserve("a/2", { nodeNumber: 3, node: "n4", wish: other })).toMatchObject({
      code: "ADDRESS_OUTSIDE_SUBNET",
      message: "10.10.0.2 isn't in the block that node n4 has of subnet s",
    });
    expect(reserve("a/3", { nodeNumber: 16, node: "n17" })).toMatchObject({ code: "SUBNET_EXHAUSTED" });
  });

  it("are of both families, with numbers that are one of a kind in the cluster", () => {
    const networks = [
      { family: 4 as const, cidr: "10.10.0.0/16", gateway: "10.10.0.1", nodePrefixLength: undefined },
      { family: 6 as const, cidr: "fd10::/64", gateway: "fd10::1", nodePrefixLength: undefined },
    ];
    const { ipam } = ipamWith(subnet("s", { networks }));
    ipam.setSubnet("t", subnet("t", { tenant: "green", networks }));
    ipam.reserve(request("a/1"));
    ipam.reserve(request("b/1", { subnet: "t" }));
    expect([...ipam.reservations()].map(([, held]) => held)).toMatchObject([
      { addresses: ["10.10.0.2", "fd10::2"], mac: "0a:58:0a:0a:00:02", infrastructure: 1024 * 64 + 2 },
      { addresses: ["10.10.0.2", "fd10::2"], mac: "0a:58:0a:0a:00:02", infrastructure: 1025 * 64 + 2 },
    ]);
    expect([ipam.slicesOf("s"), ipam.slicesOf("t")]).toEqual([[1024], [1025]]);
    ipam.release("a/1");
    expect(ipam.slicesOf("s")).toEqual([]);
  });

  it("take another slice when one is full", () => {
    const networks = [{ family: 4 as const, cidr: "10.10.0.0/16", gateway: "10.10.0.1", nodePrefixLength: undefined }];
    const { ipam, reserve } = ipamWith(subnet("s", { networks }));
    for (let pod = 0; pod < 70; pod++) reserve(`a/${pod}`);
    expect(ipam.slicesOf("s")).toEqual([1024, 1025]);
    const numbers = [...ipam.reservations()].map(([, held]) => held.infrastructure);
    expect(new Set(numbers).size).toBe(70);
  });
});

describe("a pod that asks for an address", () => {
  it("gets it, with its hardware address, and the second one hears who has it", () => {
    const { ipam, reserve } = ipamWith();
    const fixed = wish({ addresses: ["10.10.0.5"], mac: "02:00:00:00:00:05" });
    expect(reserve("a/1", { wish: fixed })).toBe("10.10.0.5");
    expect(ipam.reservation("a/1")?.mac).toBe("02:00:00:00:00:05");
    expect(reserve("a/2", { wish: fixed })).toEqual({
      code: "ADDRESS_HELD",
      message: "10.10.0.5 belongs to pod a/1",
    });
    const sameMac = wish({ mac: "02:00:00:00:00:05" });
    expect(reserve("a/3", { wish: sameMac })).toEqual({
      code: "ADDRESS_HELD",
      message: "02:00:00:00:00:05 belongs to pod a/1",
    });
    expect(ipam.usageOf("s").used[4]).toBe(1);
    ipam.release("a/1");
    expect(reserve("a/2", { wish: fixed })).toBe("10.10.0.5");
  });

  it("gets the first that is free of several, a pod of a StatefulSet the one at its ordinal", () => {
    const { reserve } = ipamWith(subnet("s", { keepsStatefulSets: false }));
    const list = wish({ addresses: ["10.10.0.5", "10.10.0.6"] });
    expect(reserve("a/1", { wish: list })).toBe("10.10.0.5");
    expect(reserve("a/2", { wish: list })).toBe("10.10.0.6");
    expect(reserve("a/3", { wish: list })).toMatchObject({
      message: "10.10.0.5 belongs to pod a/1; 10.10.0.6 belongs to pod a/2",
    });
    const db = (ordinal: number) => ({ workload: "StatefulSet/db", ordinal });
    const two = wish({ addresses: ["10.10.0.3", "10.10.0.4"] });
    expect(reserve("a/db-1", { wish: two, ...db(1) })).toBe("10.10.0.4");
    expect(reserve("a/db-2", { wish: two, ...db(2) })).toMatchObject({ code: "ADDRESS_LIST_TOO_SHORT" });
  });

  it("gets none that is excluded, the router's, or elsewhere", () => {
    const { reserve } = ipamWith(subnet("s", { excluded: ranges("10.10.0.4-10.10.0.5") }));
    for (const address of ["10.10.0.0", "10.10.0.1", "10.10.0.4", "10.10.0.7", "10.11.0.1", "fd10::2"]) {
      expect(reserve("a/1", { wish: wish({ addresses: [address] }) })).toMatchObject({
        code: "ADDRESS_OUTSIDE_SUBNET",
      });
    }
    expect([reserve("a/1"), reserve("a/2"), reserve("a/3")]).toEqual(["10.10.0.2", "10.10.0.3", "10.10.0.6"]);
  });
});

describe("a pool", () => {
  it("is given to those alone for whom it is kept, and they get nothing else", () => {
    const { ipam, reserve } = ipamWith();
    ipam.setPool(
      "p",
      pool("p", { ranges: ranges("10.10.0.2-10.10.0.3"), namespaces: { names: ["a"], requirements: undefined } }),
    );
    expect(reserve("b/1")).toBe("10.10.0.4");
    expect(reserve("b/2", { wish: wish({ pools: ["p"] }) })).toMatchObject({ code: "POOL_NOT_ALLOWED" });
    expect(reserve("b/2", { wish: wish({ addresses: ["10.10.0.2"] }) })).toMatchObject({ code: "POOL_NOT_ALLOWED" });
    expect(reserve("a/1", { pools: ["p"] })).toBe("10.10.0.2");
    const outside = wish({ addresses: ["10.10.0.5"] });
    expect(reserve("a/2", { pools: ["p"], wish: outside })).toMatchObject({ code: "POOL_NOT_ALLOWED" });
    expect(reserve("a/2", { pools: ["p"] })).toBe("10.10.0.3");
    expect(reserve("a/3", { pools: ["p"] })).toMatchObject({ code: "SUBNET_POOL_EXHAUSTED" });
    expect(ipam.usageOfPool("p")).toEqual({ total: { 4: 2, 6: 0 }, used: { 4: 2, 6: 0 } });
  });

  it("that is kept for nobody is given to whoever names it", () => {
    const { ipam, reserve } = ipamWith();
    ipam.setPool("p", pool("p", { ranges: ranges("10.10.0.2-10.10.0.3") }));
    expect(reserve("b/1")).toBe("10.10.0.4");
    expect(reserve("b/2", { wish: wish({ pools: ["p"] }) })).toBe("10.10.0.2");
    expect(reserve("b/3", { wish: wish({ pools: ["q"] }) })).toMatchObject({ code: "POOL_NOT_FOUND" });
  });
});

describe("addresses that outlive their pod", () => {
  it("are kept for whoever has the sticky key, on any node, and refused to a second one by name", () => {
    const { ipam, reserve } = ipamWith();
    const told: string[] = [];
    ipam.onKept((name) => told.push(name));
    const sticky = wish({ sticky: "web", stickySeconds: 60 });
    expect(reserve("a/1", { wish: sticky })).toBe("10.10.0.2");
    expect(ipam.reservation("a/1")?.keptBy).toBe("a.web.s");
    expect(ipam.keptBy("a.web.s")).toMatchObject({ addresses: ["10.10.0.2"], ttlSeconds: 60, record: undefined });
    expect([ipam.isWritten("a.web.s"), told.includes("a.web.s")]).toEqual([false, true]);
    const written = keptRecord("a.web.s", { holder: "web", addresses: ["10.10.0.2"], mac: "0a:58:0a:0a:00:02" });
    ipam.setKept("a.web.s", written);
    expect(ipam.isWritten("a.web.s")).toBe(true);
    expect(reserve("a/2", { wish: sticky })).toEqual({
      code: "ADDRESS_HELD",
      message: "what sticky key web keeps belongs to pod a/1",
    });
    ipam.release("a/1");
    const steal = wish({ addresses: ["10.10.0.2"] });
    expect(reserve("b/1", { wish: steal })).toMatchObject({ message: "10.10.0.2 belongs to IPAddress a.web.s" });
    expect(reserve("a/2", { wish: sticky, node: "n2", nodeNumber: 1 })).toBe("10.10.0.2");
    ipam.release("a/2");
    ipam.setKept("a.web.s", undefined);
    expect(reserve("b/1", { wish: steal })).toBe("10.10.0.2");
    expect(ipam.isInUse("s")).toBe(true);
  });

  it("are kept for pods of StatefulSets by name, for a week unless they say otherwise", () => {
    const { ipam, reserve } = ipamWith();
    const db = { workload: "StatefulSet/db", ordinal: 0 };
    expect(reserve("a/db-0", db)).toBe("10.10.0.2");
    ipam.release("a/db-0");
    expect(ipam.keptBy("a.db-0.s")).toMatchObject({ ttlSeconds: 604_800, addresses: ["10.10.0.2"] });
    expect(reserve("a/db-0", { ...db, uid: "second", node: "n2", nodeNumber: 1 })).toBe("10.10.0.2");
  });

  it("can be reserved by a person before the workload is there, with or without the addresses", () => {
    const { ipam, reserve } = ipamWith();
    ipam.setKept("x", keptRecord("x", { namespace: "a", holder: "1", addresses: ["10.10.0.6"] }));
    ipam.setKept("y", keptRecord("y", { namespace: "a", holder: "2" }));
    expect(ipam.keptBy("y")?.addresses).toEqual(["10.10.0.2"]);
    expect(ipam.isWritten("y")).toBe(false);
    expect([reserve("a/9"), reserve("a/2"), reserve("a/1")]).toEqual(["10.10.0.3", "10.10.0.2", "10.10.0.6"]);
    expect(ipam.reservation("a/1")?.keptBy).toBe("x");
  });

  it("are those of a pod that is there already, where somebody reserves them for it", () => {
    const { ipam, reserve } = ipamWith();
    reserve("a/1");
    ipam.setKept("x", keptRecord("x", { namespace: "a", holder: "1" }));
    expect(ipam.keptBy("x")?.addresses).toEqual(["10.10.0.2"]);
    expect([ipam.podOfKept("x"), ipam.reservation("a/1")?.keptBy]).toEqual(["a/1", "x"]);
    ipam.release("a/1");
    expect(reserve("a/1", { uid: "next", node: "n2" })).toBe("10.10.0.2");
  });

  it("are kept also where they were not yet written before a restart", () => {
    const db = { workload: "StatefulSet/db", ordinal: 0 };
    const before = ipamWith();
    before.reserve("a/db-0", db);
    const held = before.ipam.reservation("a/db-0");
    if (held === undefined) throw new Error("a/db-0 holds nothing");
    const reservation = { ...held, keptBy: undefined };
    const { ipam, reserve } = ipamWith(subnet("s"), [{ key: "a/db-0", reservation, strength: 1 }]);
    expect(reserve("a/db-0", db)).toBe("10.10.0.2");
    expect(ipam.keptBy("a.db-0.s")).toMatchObject({ addresses: ["10.10.0.2"], record: undefined });
  });

  it("go to the older one of two that keep the same", () => {
    const { ipam, reserve } = ipamWith();
    const one = { namespace: "a", addresses: ["10.10.0.6"] };
    ipam.setKept("younger", keptRecord("younger", { ...one, holder: "1", createdAt: "2026-02-01T00:00:00Z" }));
    ipam.setKept("older", keptRecord("older", { ...one, holder: "2" }));
    expect(reserve("a/1")).toMatchObject({ message: "10.10.0.6 belongs to IPAddress older" });
    expect(reserve("a/2")).toBe("10.10.0.6");
  });

  it("are written anew when they are deleted under a pod", () => {
    const { ipam, reserve } = ipamWith();
    reserve("a/1", { wish: wish({ sticky: "web" }) });
    ipam.setKept("a.web.s", keptRecord("a.web.s", { holder: "web", addresses: ["10.10.0.2"] }));
    ipam.setKept("a.web.s", undefined);
    expect(ipam.keptBy("a.web.s")).toMatchObject({ record: undefined, addresses: ["10.10.0.2"] });
    ipam.release("a/1");
    ipam.forgetKept("a.web.s");
    expect(ipam.isInUse("s")).toBe(false);
  });
});

describe("what was held before a restart", () => {
  const held = (key: string, address: string, strength: 0 | 1 | 2, infrastructure: number | undefined = undefined) => ({
    key,
    strength,
    reservation: {
      uid: `uid-${key}`,
      node: "n1",
      subnet: "s",
      addresses: [address],
      mac: `0a:58:0a:0a:00:0${address.at(-1)}`,
      infrastructure,
      keptBy: undefined,
    },
  });

  it("is held again, and the weaker of two that say the same is refused by name until the other goes", () => {
    const { ipam, reserve } = ipamWith(subnet("s"), [held("a/2", "10.10.0.3", 2), held("a/1", "10.10.0.3", 0)]);
    expect(reserve("a/1")).toBe("10.10.0.3");
    expect(reserve("a/2")).toMatchObject({ code: "ADDRESS_CONFLICT" });
    ipam.release("a/1");
    expect(reserve("a/2")).toBe("10.10.0.3");
  });

  it("is held also where the subnet has no room for it any more, or isn't there", () => {
    const { ipam, reserve } = ipamWith(subnet("t"), [held("a/1", "10.99.0.3", 0)]);
    expect(reserve("a/1")).toBe("10.99.0.3");
    expect(ipam.isInUse("s")).toBe(true);
    ipam.release("a/1");
    expect(ipam.isInUse("s")).toBe(false);
  });

  it("keeps numbers, slices and tenants' numbers", () => {
    const ipam = createSubnetIpam(network);
    ipam.setSubnet("s", subnet("s"));
    const number = 2000 * 64 + 7;
    ipam.restore(
      [held("a/1", "10.10.0.3", 0, number)],
      new Map([["blue", 5]]),
      new Map([
        ["s", [2000]],
        ["t", [1024]],
      ]),
    );
    expect([ipam.slicesOf("s"), ipam.slicesOf("t")]).toEqual([[2000], []]);
    expect(ipam.reserveTenant("blue")).toEqual({ kind: "reserved", value: 5 });
    expect(ipam.reserveTenant("green")).toEqual({ kind: "reserved", value: 0 });
    const next = ipam.reserve(request("a/2"));
    expect(next).toMatchObject({ value: { infrastructure: 2000 * 64 + 2 } });
  });
});
