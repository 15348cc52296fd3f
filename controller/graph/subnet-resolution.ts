import { type Address, type Cidr, cidrOf, contains, type Family, overlap, parseAddress } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { networkCidr } from "../ipam/subnet-block.ts";
import type { Problem } from "../state/object-problem.ts";
import type { ResourceRecord } from "../state/selection.ts";
import type { SubnetNetwork, SubnetRecord } from "../state/subnet.ts";
import type { TenantRecord } from "../state/tenant.ts";
import { defaultTenant } from "../translate/names.ts";

/** A Subnet that has rows. */
export interface ResolvedSubnet {
  readonly record: SubnetRecord;
  /** Those of the cluster's families. */
  readonly networks: readonly SubnetNetwork[];
  /** Whether pods may come; else it is only there for those who have come before. */
  readonly open: boolean;
  /** Whether its pods have infrastructure addresses. */
  readonly infrastructure: boolean;
}

/** What the records of tenants and subnets come to. */
export interface Resolution {
  /** The oldest first. */
  readonly subnets: ReadonlyMap<string, ResolvedSubnet>;
  /** Of tenants that have subnets, and of `default`; sorted. */
  readonly peers: ReadonlyMap<string, readonly string[]>;
  /** By `Tenant/name`, `Subnet/name`. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
}

export interface ResolutionInput {
  readonly network: NetworkConfig;
  readonly tenants: ReadonlyMap<string, TenantRecord>;
  readonly subnets: ReadonlyMap<string, SubnetRecord>;
  /** Of all nodes, without prefix lengths. */
  readonly nodeAddresses: readonly { readonly node: string; readonly address: string }[];
  isInUse(subnet: string): boolean;
}

/** The older first, then by name. */
export function byAge(one: ResourceRecord, other: ResourceRecord): number {
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt ? -1 : 1;
  return one.key < other.key ? -1 : one.key > other.key ? 1 : 0;
}

const cidrsOf = (networks: readonly SubnetNetwork[]): readonly Cidr[] =>
  networks.flatMap((network) => networkCidr(network) ?? []);

function firstOverlap(
  own: readonly Cidr[],
  others: readonly { readonly cidr: Cidr; readonly whose: string }[],
): string | undefined {
  for (const cidr of own) {
    const other = others.find((candidate) => overlap(candidate.cidr, cidr));
    if (other !== undefined) return `${cidr.text} shares addresses with ${other.whose}`;
  }
  return undefined;
}

/** Where routers have addresses for links between peers, and answers to oneself; in IPv4 that is link-local, as no subnet is. */
const routersOwn: Cidr = cidrOf({ family: 6, value: 0xfd69n << 112n }, 64);

/** Networks in which no subnet may be. */
function reserved(network: NetworkConfig): readonly { readonly cidr: Cidr; readonly whose: string }[] {
  return [
    ...network.families.flatMap(({ cluster, join }) => [
      { cidr: cluster, whose: `the cluster's network ${cluster.text}` },
      { cidr: join, whose: `the join network ${join.text}` },
    ]),
    ...network.services.cidrs.map((cidr) => ({ cidr, whose: `the services' network ${cidr.text}` })),
    ...network.infrastructure.map((cidr) => ({ cidr, whose: `the infrastructure network ${cidr.text}` })),
    { cidr: routersOwn, whose: `the routers' own network ${routersOwn.text}` },
  ];
}

interface NodeAddress {
  readonly node: string;
  readonly text: string;
  readonly address: Address;
}

function nodeIn(own: readonly Cidr[], nodes: readonly NodeAddress[]): string | undefined {
  for (const { node, text, address } of nodes) {
    const cidr = own.find((candidate) => contains(candidate, address));
    if (cidr !== undefined) return `${cidr.text} holds ${text} of node ${node}`;
  }
  return undefined;
}

const overlapProblem = (message: string): Problem => ({
  code: "SUBNET_OVERLAP",
  message: `${message}; make it anew with another network`,
});

/**
 * Which subnets can be used, in the order of their age: of two that can't both be there the older one is. Depends on nothing
 * but what it is given.
 */
export function resolveTenancy(input: ResolutionInput): Resolution {
  const { network, tenants, subnets, nodeAddresses, isInUse } = input;
  const problems = new Map<string, Problem[]>();
  const complain = (object: string, problem: Problem): void => {
    const known = problems.get(object);
    if (known === undefined) problems.set(object, [problem]);
    else known.push(problem);
  };
  const resolved = new Map<string, ResolvedSubnet>();
  const families = new Set<Family>(network.families.map(({ family }) => family));
  const fixed = reserved(network);
  // Once for all subnets: there may be as many nodes as subnets.
  const ofNodes = nodeAddresses.flatMap(({ node, address: text }): NodeAddress[] => {
    const address = parseAddress(text);
    return address === undefined ? [] : [{ node, text, address }];
  });

  function faultOf(record: SubnetRecord, networks: readonly SubnetNetwork[]): Problem | undefined {
    if (record.problem !== undefined) return { code: "INVALID_RESOURCE", message: record.problem };
    if (networks.length === 0) {
      const message = `the cluster has no IPv${record.networks[0]?.family}; give the subnet a network of its families`;
      return { code: "SUBNET_FAMILY", message };
    }
    const own = cidrsOf(networks);
    const outside = record.mode === "Underlay" ? undefined : nodeIn(own, ofNodes);
    const forbidden = firstOverlap(own, fixed) ?? outside;
    if (forbidden !== undefined) return overlapProblem(forbidden);
    for (const { record: other, networks: theirs } of resolved.values()) {
      const isShared = other.tenant === record.tenant || bothRouted(record, other);
      const whose = `subnet ${other.key}`;
      const shared = isShared
        ? firstOverlap(
            own,
            cidrsOf(theirs).map((cidr) => ({ cidr, whose })),
          )
        : undefined;
      if (shared !== undefined) return overlapProblem(shared);
      if (sameWire(record, other)) {
        const message = `subnet ${other.key} is in the same VLAN of ${record.underlay?.providerNetwork}; give this one another`;
        return { code: "SUBNET_VLAN_TAKEN", message };
      }
    }
    return undefined;
  }

  for (const record of [...subnets.values()].sort(byAge)) {
    const object = `Subnet/${record.key}`;
    const networks = record.networks.filter(({ family }) => families.has(family));
    const fault = faultOf(record, networks);
    if (fault !== undefined) complain(object, fault);
    else if (networks.length < record.networks.length) {
      const message = "one of its networks is of a family that the cluster doesn't have, and is not used";
      complain(object, { code: "SUBNET_FAMILY", message });
    }
    const tenant = tenants.get(record.tenant);
    const hasTenant = record.tenant === defaultTenant || tenant?.deleting === false;
    if (!hasTenant) {
      const what = tenant === undefined ? `there is no Tenant ${record.tenant}` : `Tenant ${record.tenant} is deleted`;
      const message = `${what}; no new pod gets an address`;
      complain(object, { code: "SUBNET_WITHOUT_TENANT", message });
    }
    // What was sound when pods came stays for them, whatever became of it.
    if (networks.length === 0 || (fault !== undefined && !isInUse(record.key))) continue;
    resolved.set(record.key, {
      record,
      networks,
      open: fault === undefined && hasTenant && !record.deleting,
      infrastructure: record.tenant !== defaultTenant || record.mode === "Underlay",
    });
  }
  checkNextHops(tenants, resolved, complain);
  return { subnets: resolved, peers: resolvePeers(tenants, resolved, complain), problems };
}

/** A tenant's routes lead to who is in its own subnets: by any other address they would lead past what keeps tenants apart. */
function checkNextHops(
  tenants: ReadonlyMap<string, TenantRecord>,
  subnets: ReadonlyMap<string, ResolvedSubnet>,
  complain: (object: string, problem: Problem) => void,
): void {
  for (const { key, routes, policyRoutes, problem } of tenants.values()) {
    // The router of `default` has nodes' blocks too.
    if (problem !== undefined || key === defaultTenant) continue;
    const hops = new Set([...routes, ...policyRoutes].flatMap(({ nextHops }) => nextHops));
    if (hops.size === 0) continue;
    const own = [...subnets.values()].filter(({ record }) => record.tenant === key && record.mode !== "Underlay");
    const cidrs = own.flatMap(({ networks }) => cidrsOf(networks));
    for (const text of hops) {
      const address = parseAddress(text);
      if (address !== undefined && cidrs.some((cidr) => contains(cidr, address))) continue;
      const message = `next hop ${text} of its routes is in no overlay subnet of the tenant; nothing is sent there`;
      complain(`Tenant/${key}`, { code: "INVALID_RESOURCE", message });
    }
  }
}

/** Whether outside must be able to tell the two apart, since the networks are routed as they are. */
function bothRouted(one: SubnetRecord, other: SubnetRecord): boolean {
  const isKnown = ({ tenant, mode, egress }: SubnetRecord): boolean =>
    mode !== "Underlay" && (tenant === defaultTenant || egress === "Routed");
  return isKnown(one) && isKnown(other);
}

function sameWire({ underlay: one }: SubnetRecord, { underlay: other }: SubnetRecord): boolean {
  return one !== undefined && one.providerNetwork === other?.providerNetwork && one.vlan === other.vlan;
}

/** Who is joined with whom: those that name each other, as far as they, and all who meet at one of them, can be told apart. */
function resolvePeers(
  tenants: ReadonlyMap<string, TenantRecord>,
  subnets: ReadonlyMap<string, ResolvedSubnet>,
  complain: (object: string, problem: Problem) => void,
): ReadonlyMap<string, readonly string[]> {
  const networksOf = new Map<string, { readonly cidr: Cidr; readonly whose: string }[]>([[defaultTenant, []]]);
  for (const { record, networks } of subnets.values()) {
    const own = networksOf.get(record.tenant) ?? [];
    networksOf.set(record.tenant, own);
    for (const cidr of cidrsOf(networks)) own.push({ cidr, whose: `subnet ${record.key} of tenant ${record.tenant}` });
  }
  const peers = new Map<string, string[]>([...networksOf.keys()].sort().map((name) => [name, []]));
  /** Of each pair that was looked at, what keeps it apart. */
  const overlaps = new Map<string, string | undefined>();

  function overlapOf(one: string, other: string): string | undefined {
    const [ours, theirs] = [networksOf.get(one) ?? [], networksOf.get(other) ?? []];
    for (const { cidr, whose } of ours) {
      const between = firstOverlap([cidr], theirs);
      if (between !== undefined) return `${whose}: ${between}`;
    }
    // A router with ways to two networks of the same addresses would send to either.
    for (const [from, to] of [
      [one, theirs],
      [other, ours],
    ] as const) {
      for (const peer of peers.get(from) ?? []) {
        for (const { cidr, whose } of to) {
          const shared = firstOverlap([cidr], networksOf.get(peer) ?? []);
          if (shared !== undefined) return `${whose}: ${shared}, which is a peer of ${from} as well`;
        }
      }
    }
    return undefined;
  }

  // The older pairs first: of two that can't both be, these are.
  const sorted = [...tenants.values()].sort(byAge);
  for (const record of sorted) {
    if (record.problem !== undefined) {
      complain(`Tenant/${record.key}`, { code: "INVALID_RESOURCE", message: record.problem });
      continue;
    }
    for (const name of record.peers) {
      const other = tenants.get(name);
      if (other !== undefined && other.problem === undefined && other.peers.includes(record.key)) continue;
      const message = `tenant ${name} ${other === undefined ? "isn't there" : `doesn't name ${record.key} among its peers`}; nothing is opened`;
      complain(`Tenant/${record.key}`, { code: "PEER_ONE_SIDED", message });
    }
    for (const { key: name, problem, peers: theirs } of sorted) {
      if (!record.peers.includes(name) || problem !== undefined || !theirs.includes(record.key)) continue;
      const pair = [record.key, name].sort().join(" ");
      if (!overlaps.has(pair)) {
        const shared = overlapOf(record.key, name);
        overlaps.set(pair, shared);
        if (shared === undefined && networksOf.has(name) && networksOf.has(record.key)) {
          peers.get(record.key)?.push(name);
          peers.get(name)?.push(record.key);
        }
      }
      const shared = overlaps.get(pair);
      if (shared !== undefined) {
        complain(`Tenant/${record.key}`, { code: "PEER_OVERLAP", message: `${shared}; nothing is opened` });
      }
    }
  }
  for (const list of peers.values()) list.sort();
  return peers;
}
