import { keptProblems } from "../addresses/kept-problems.ts";
import { contains, type Family } from "../ipam/address.ts";
import { networkCidr } from "../ipam/subnet-block.ts";
import type { AddressUsage, SubnetIpam } from "../ipam/subnet-ipam.ts";
import { formatRange } from "../pools/address-range.ts";
import type { IpPoolRecord } from "../state/ip-pool.ts";
import type { Problem, ResourceKind } from "../state/object-problem.ts";
import type { ProviderNetworkRecord } from "../state/provider-network.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import { defaultTenant } from "../translate/names.ts";
import { type ResourceConditions, resourceId } from "./resource-conditions.ts";
import type { SubnetGraph } from "./subnets.ts";
import type { Tenancy } from "./tenancy.ts";

export interface OutlookOptions {
  readonly subnetIpam: SubnetIpam;
  readonly tenancy: Tenancy;
  readonly subnets: SubnetGraph;
  /** What agents said of nodes that are gone counts no more. */
  readonly isNode: (name: string) => boolean;
}

/** What there is to say of tenants, subnets, pools, kept addresses and provider networks. */
export interface Outlook {
  applyProviderNetwork(name: string, network: ProviderNetworkRecord | undefined): void;
  /** A node came or went. */
  touchNode(name: string): void;
  /** Everything may be otherwise. */
  touchAll(): void;
  /** Namespaces of a tenant. */
  touchTenant(name: string): void;
  /** Somebody came to or left a subnet. */
  touchUse(subnet: string): void;
  conditions(kind: ResourceKind, key: string): ResourceConditions | undefined;
  takeChangedConditions(): readonly { readonly kind: ResourceKind; readonly key: string }[];
}

const counts = ({ total, used }: AddressUsage) => {
  const named = (of: Readonly<Record<Family, number>>) => ({ ipv4: of[4], ipv6: of[6] });
  return { total: named(total), used: named(used) };
};

const mostNamed = 5;

export function createOutlook({ subnetIpam, tenancy, subnets, isNode }: OutlookOptions): Outlook {
  const providerNetworks = new Map<string, ProviderNetworkRecord>();
  const changed = new Map<string, { readonly kind: ResourceKind; readonly key: string }>();
  /** IPAddresses that keep what somebody else has, or can't be had. */
  const troubled = new Map<string, string>();
  const touch = (kind: ResourceKind, key: string): void => {
    changed.set(resourceId(kind, key), { kind, key });
  };

  function ofTenant(name: string): ResourceConditions | undefined {
    if (!tenancy.tenants.has(name)) return undefined;
    const { namespaces, lost } = tenancy.claimsOf(name);
    const claimed = lost.slice(0, mostNamed).map(({ namespace, to }): Problem => {
      const message = `namespace ${namespace} is in tenant ${to}, which is older; take it out of one of the two`;
      return { code: "NAMESPACE_CLAIMED", message };
    });
    const known = tenancy.resolution.problems.get(`Tenant/${name}`) ?? [];
    const own = [...tenancy.subnets.values()].filter(({ tenant }) => tenant === name);
    const withoutRouter = subnets.problemOf(name);
    const pods = own.reduce((sum, { key }) => sum + subnets.podsOf(key), 0);
    return {
      isReady: withoutRouter === undefined && !known.some(({ code }) => code === "INVALID_RESOURCE"),
      problems: [...known, ...(withoutRouter === undefined ? [] : [withoutRouter]), ...claimed],
      status: { namespaces: namespaces.length, subnets: own.length, pods },
      // The tenant `default` is there without an object, too.
      isInUse: name !== defaultTenant && pods > 0,
    };
  }

  /** Its pods have their ports all the same: they are at their place as soon as the network is. */
  function missingNetwork({ key, underlay }: SubnetRecord): Problem | undefined {
    const name = underlay?.providerNetwork;
    if (name === undefined || providerNetworks.has(name)) return undefined;
    const message = `ProviderNetwork ${name} isn't there: pods of subnet ${key} meet nobody outside the cluster; create it`;
    return { code: "PROVIDER_NETWORK_NOT_FOUND", message };
  }

  function ofSubnet(name: string): ResourceConditions | undefined {
    const record = tenancy.subnets.get(name);
    if (record === undefined) return undefined;
    const known = tenancy.resolution.problems.get(`Subnet/${name}`) ?? [];
    const resolved = tenancy.resolution.subnets.get(name);
    const ofItsTenant = record.tenant === defaultTenant ? undefined : subnets.problemOf(record.tenant);
    const missing = missingNetwork(record);
    const more = [ofItsTenant, missing].filter((problem) => problem !== undefined);
    return {
      isReady: (resolved?.open === true || (record.deleting && resolved !== undefined)) && more.length === 0,
      problems: [...known, ...more],
      status: counts(subnetIpam.usageOf(name)),
      isInUse: subnetIpam.isInUse(name),
    };
  }

  function problemsOfPool({ key, subnet: name, ranges, problem }: IpPoolRecord): Problem[] {
    if (problem !== undefined) return [{ code: "INVALID_RESOURCE", message: problem }];
    const subnet = tenancy.subnets.get(name);
    if (subnet === undefined) {
      return [{ code: "POOL_NOT_FOUND", message: `subnet ${name} of IPPool ${key} isn't there` }];
    }
    const cidrs = subnet.networks.flatMap((network) => networkCidr(network) ?? []);
    return ranges.flatMap((range): Problem[] => {
      const { family, first, last } = range;
      const isInside = cidrs.some(
        (cidr) => contains(cidr, { family, value: first }) && contains(cidr, { family, value: last }),
      );
      const message = `${formatRange(range)} isn't in subnet ${name}; correct the range`;
      return isInside ? [] : [{ code: "POOL_OUTSIDE_SUBNET", message }];
    });
  }

  function ofPool(name: string): ResourceConditions | undefined {
    const record = tenancy.pools.get(name);
    if (record === undefined) return undefined;
    const problems = problemsOfPool(record);
    const { total, used } = subnetIpam.usageOfPool(name);
    return {
      isReady: problems.length === 0,
      problems,
      status: counts({ total, used }),
      isInUse: used[4] + used[6] > 0,
    };
  }

  function ofAddress(name: string): ResourceConditions | undefined {
    const problems = keptProblems(subnetIpam, name, (subnet) => tenancy.subnets.get(subnet));
    if (problems === undefined || problems.length === 0) troubled.delete(name);
    else troubled.set(name, subnetIpam.keptBy(name)?.subnet ?? "");
    if (problems === undefined) return undefined;
    return { isReady: problems.length === 0, problems, status: {}, isInUse: false };
  }

  function ofProviderNetwork(name: string): ResourceConditions | undefined {
    const record = providerNetworks.get(name);
    if (record === undefined || (record.nodes.size === 0 && !record.deleting)) return undefined;
    const nodes = [...record.nodes].filter(([node]) => isNode(node));
    const lame = nodes.filter(([, { ready }]) => !ready);
    const problems = lame.slice(0, mostNamed).map(([node, { message }]): Problem => {
      return { code: "PROVIDER_NETWORK_NOT_READY", message: `node ${node}: ${message}` };
    });
    return {
      isReady: lame.length === 0,
      problems,
      status: { ready: nodes.length - lame.length },
      isInUse: [...tenancy.subnets.values()].some(
        ({ key, underlay }) => underlay?.providerNetwork === name && subnetIpam.isInUse(key),
      ),
    };
  }

  return {
    applyProviderNetwork(name, network) {
      const isNews = (network === undefined) === providerNetworks.has(name);
      if (network === undefined) providerNetworks.delete(name);
      else providerNetworks.set(name, network);
      touch("ProviderNetwork", name);
      if (!isNews) return;
      for (const { key, underlay } of tenancy.subnets.values()) {
        if (underlay?.providerNetwork === name) touch("Subnet", key);
      }
    },
    touchNode(node) {
      for (const { key, nodes } of providerNetworks.values()) if (nodes.has(node)) touch("ProviderNetwork", key);
    },
    touchAll() {
      for (const name of tenancy.tenants.keys()) touch("Tenant", name);
      for (const name of tenancy.subnets.keys()) touch("Subnet", name);
      for (const name of tenancy.pools.keys()) touch("IPPool", name);
      for (const name of providerNetworks.keys()) touch("ProviderNetwork", name);
      for (const name of troubled.keys()) touch("IPAddress", name);
    },
    touchTenant: (name) => touch("Tenant", name),
    touchUse(subnet) {
      touch("Subnet", subnet);
      const { tenant, underlay } = tenancy.subnets.get(subnet) ?? {};
      touch("Tenant", tenant ?? defaultTenant);
      if (underlay !== undefined) touch("ProviderNetwork", underlay.providerNetwork);
      for (const { key, subnet: of } of tenancy.pools.values()) if (of === subnet) touch("IPPool", key);
      for (const [name, of] of troubled) if (of === subnet) touch("IPAddress", name);
    },
    conditions(kind, key) {
      if (kind === "Tenant") return ofTenant(key);
      if (kind === "Subnet") return ofSubnet(key);
      if (kind === "IPPool") return ofPool(key);
      if (kind === "IPAddress") return ofAddress(key);
      return kind === "ProviderNetwork" ? ofProviderNetwork(key) : undefined;
    },
    takeChangedConditions() {
      const all = [...changed.values()];
      changed.clear();
      return all;
    },
  };
}
