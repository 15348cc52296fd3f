import fc from "fast-check";
import type { SmallCluster } from "./small-cluster.ts";

/** One thing that happens to tenants and subnets, with its words. */
export interface TenantAct {
  readonly text: string;
  readonly act: (cluster: SmallCluster) => void;
}

const tenantNames = ["red", "blue"] as const;
const subnetNames = ["r1", "r2", "b1", "d1"] as const;
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const day = fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");

/** Few and small networks, some of which may not be, so that they get in each other's way and run out. */
const cidrs = fc.constantFrom(
  ["10.9.0.0/29"],
  ["10.9.0.0/27", "fd09::/112"],
  ["10.9.0.16/28"],
  ["fd09::/112"],
  ["10.1.0.0/24"],
);

const subnet = fc
  .record({
    tenant: fc.constantFrom("red", "red", "blue", "default", "missing"),
    mode: fc.constantFrom("PerNode", "Cluster", "Cluster", "Underlay"),
    cidrs,
    egress: fc.constantFrom("Node", "Routed", "None"),
    isDefault: fc.boolean(),
    names: fc.subarray(["x", "y"]),
    dhcp: fc.boolean(),
    vlan: maybe(fc.constantFrom(1, 2)),
  })
  .map(({ tenant, mode, cidrs: networks, egress, isDefault, names, dhcp, vlan }) => ({
    tenant,
    mode,
    cidrs: networks,
    egress: { mode: egress },
    default: isDefault,
    namespaces: { names },
    dhcp,
    ...(mode === "PerNode" ? { nodePrefixLengths: networks.map((cidr) => (cidr.includes(":") ? 120 : 29)) } : {}),
    ...(mode === "Underlay" ? { underlay: { providerNetwork: "wire", ...(vlan === undefined ? {} : { vlan }) } } : {}),
  }));

const tenant = fc
  .record({ names: fc.subarray(["x", "y"]), peers: fc.subarray(["red", "blue", "default"]), shared: fc.boolean() })
  .map(({ names, peers, shared }) => ({
    namespaces: { names },
    peers,
    ...(shared ? { services: [{ namespace: "x" }, { namespace: "y", name: "three" }] } : {}),
  }));

/** What pods ask for. */
export const asks: fc.Arbitrary<Readonly<Record<string, string>>> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...subnetNames).map((name) => ({ "ovenbird.io/subnet": name })),
  },
  { weight: 1, arbitrary: fc.constantFrom("10.9.0.2", "10.9.0.5").map((ip) => ({ "ovenbird.io/ip": ip })) },
  { weight: 1, arbitrary: fc.constant({ "ovenbird.io/ip-pool": "p1" }) },
  { weight: 1, arbitrary: fc.constant({ "kubernetes.io/ingress-bandwidth": "1M", "ovenbird.io/dscp": "10" }) },
);

/** Tenants, subnets and pools that come, change and go. */
export const tenantActs: fc.Arbitrary<TenantAct> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...tenantNames, "default"), tenant, day).map(([name, spec, createdAt]) => ({
      text: `tenant ${name} ${JSON.stringify(spec)}`,
      act: (to: SmallCluster) => to.setOwn("tenant", name, spec, createdAt),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...tenantNames).map((name) => ({
      text: `delete tenant ${name}`,
      act: (to: SmallCluster) => to.deleteOwn("tenant", name),
    })),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.constantFrom(...subnetNames), subnet, day).map(([name, spec, createdAt]) => ({
      text: `subnet ${name} ${JSON.stringify(spec)}`,
      act: (to: SmallCluster) => to.setOwn("subnet", name, spec, createdAt),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...subnetNames).map((name) => ({
      text: `delete subnet ${name}`,
      act: (to: SmallCluster) => to.deleteOwn("subnet", name),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...subnetNames).map((name) => ({
      text: `pool p1 of ${name}`,
      act: (to: SmallCluster) => to.setOwn("ipPool", "p1", { subnet: name, addresses: ["10.9.0.4-10.9.0.5"] }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constant({ text: "delete pool p1", act: (to: SmallCluster) => to.deleteOwn("ipPool", "p1") }),
  },
);
