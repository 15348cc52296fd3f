import { contains, parseAddress } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { networkCidr } from "../ipam/subnet-block.ts";
import type { SubnetIpam } from "../ipam/subnet-ipam.ts";
import type { IpPoolRecord } from "../state/ip-pool.ts";
import type { NamespaceRecord } from "../state/namespace.ts";
import type { NodeRecord } from "../state/node.ts";
import type { Problem } from "../state/object-problem.ts";
import type { PodRecord } from "../state/pod.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import type { TenantRecord } from "../state/tenant.ts";
import { defaultTenant } from "../translate/names.ts";
import { byAge, type Resolution, type ResolvedSubnet, resolveTenancy } from "./subnet-resolution.ts";
import { createTenantNamespaces, selectsNamespace } from "./tenant-namespaces.ts";

/** Where a pod that holds no address yet shall have one. */
export type PodNetworkChoice =
  | { readonly kind: "cluster" }
  | { readonly kind: "subnet"; readonly subnet: string }
  /** Without problem: its namespace isn't known yet. */
  | { readonly kind: "refused"; readonly problem: Problem | undefined };

/** What tenants, subnets and pools come to: a function of their records, of namespaces, of nodes' addresses and of who holds what. */
export interface Tenancy {
  readonly tenants: ReadonlyMap<string, TenantRecord>;
  readonly subnets: ReadonlyMap<string, SubnetRecord>;
  readonly pools: ReadonlyMap<string, IpPoolRecord>;
  applyTenant(name: string, tenant: TenantRecord | undefined): void;
  /** @returns whether its pods are on other switches than before */
  applySubnet(name: string, subnet: SubnetRecord | undefined): boolean;
  applyPool(name: string, pool: IpPoolRecord | undefined): void;
  applyNamespace(name: string, namespace: NamespaceRecord | undefined): void;
  /** Addresses of a node changed. */
  touchNodes(): void;
  /** Somebody gave up the last address of a subnet. */
  touchUse(subnet: string): void;
  /** Whether there is anything but the cluster's own network. */
  readonly isUsed: boolean;
  /** What is other than at the last time: the resolution, only whose namespaces are whose, or only what pods may ask for. */
  resolve(): "all" | "moves" | "choices" | undefined;
  /** Tenants that have won or lost a namespace since this was asked last. */
  takeMoved(): readonly string[];
  /** Namespaces that were there and may be another tenant's since this was asked last. */
  takeMovedNamespaces(): "all" | ReadonlySet<string>;
  /** As of the last time. */
  readonly resolution: Resolution;
  tenantOf(namespace: string): string;
  claimsOf(tenant: string): ReturnType<ReturnType<typeof createTenantNamespaces>["claimsOf"]>;
  /** Whether there is something to be in: else its pods have no ports. */
  hasNetworks(subnet: string): boolean;
  choose(pod: PodRecord): PodNetworkChoice;
  /** Pools of the subnet that are kept for the pod's namespace or workload. */
  poolsFor(pod: PodRecord, subnet: string): readonly string[];
}

export interface TenancyOptions {
  readonly network: NetworkConfig;
  readonly subnetIpam: SubnetIpam;
  readonly nodes: () => Iterable<NodeRecord>;
}

const nothing: Resolution = { subnets: new Map(), peers: new Map(), problems: new Map() };
const inCluster: PodNetworkChoice = { kind: "cluster" };
const refused = (code: Problem["code"], message: string): PodNetworkChoice => ({
  kind: "refused",
  problem: { code, message },
});

export function createTenancy({ network, subnetIpam, nodes }: TenancyOptions): Tenancy {
  const tenants = new Map<string, TenantRecord>();
  const subnets = new Map<string, SubnetRecord>();
  const pools = new Map<string, IpPoolRecord>();
  const namespaces = new Map<string, NamespaceRecord>();
  const tenantNamespaces = createTenantNamespaces();
  let resolution = nothing;
  /** The oldest first; kept until something changes. */
  let openOf = new Map<string, readonly ResolvedSubnet[]>();
  let dirty: "all" | "moves" | "choices" | undefined;
  const moved = new Set<string>();
  let movedNamespaces: "all" | Set<string> = new Set();
  const touch = (): void => {
    dirty = "all";
  };

  /** Nobody gets an address of a family that the cluster doesn't have. */
  function ofCluster(subnet: SubnetRecord): SubnetRecord {
    const networks = subnet.networks.filter(({ family }) => network.families.some((own) => own.family === family));
    return networks.length === subnet.networks.length ? subnet : { ...subnet, networks };
  }

  function openSubnets(tenant: string): readonly ResolvedSubnet[] {
    let open = openOf.get(tenant);
    if (open === undefined) {
      open = [...resolution.subnets.values()].filter(({ open: isOpen, record }) => isOpen && record.tenant === tenant);
      openOf.set(tenant, open);
    }
    return open;
  }

  function namesPod({ namespaces: selected, workloads }: IpPoolRecord, pod: PodRecord): boolean {
    const labels = namespaces.get(pod.namespace)?.labels ?? {};
    return (
      selectsNamespace(selected, pod.namespace, labels) ||
      workloads.some(({ namespace, kind, name }) => namespace === pod.namespace && pod.workload === `${kind}/${name}`)
    );
  }

  function askedSubnet(name: string, tenant: string, by: string): PodNetworkChoice {
    const record = subnets.get(name);
    if (record !== undefined && record.tenant !== tenant) {
      return refused(
        "SUBNET_OF_OTHER_TENANT",
        `${by} asks for subnet ${name}, which is tenant ${record.tenant}'s and not ${tenant}'s`,
      );
    }
    if (resolution.subnets.get(name)?.open === true) return { kind: "subnet", subnet: name };
    const why =
      record === undefined ? "isn't there" : record.deleting ? "is being deleted" : "can't be used; see its conditions";
    return refused("SUBNET_NOT_FOUND", `${by} asks for subnet ${name}, which ${why}`);
  }

  /** By a pool that the pod asks for or that is kept for it, or by the address that it asks for. */
  function impliedSubnet(pod: PodRecord, tenant: string): PodNetworkChoice | undefined {
    const { request } = pod;
    for (const name of request?.pools ?? []) {
      const pool = pools.get(name);
      if (pool === undefined) return refused("POOL_NOT_FOUND", `the pod asks for IPPool ${name}, which isn't there`);
      return askedSubnet(pool.subnet, tenant, `IPPool ${name}`);
    }
    if (request === undefined) return undefined;
    const addresses = request.addresses.flatMap((text) => parseAddress(text) ?? []);
    const found = openSubnets(tenant).find(({ networks }) =>
      networks.some((own) => {
        const cidr = networkCidr(own);
        return cidr !== undefined && addresses.some((address) => contains(cidr, address));
      }),
    );
    return found && { kind: "subnet", subnet: found.record.key };
  }

  function usualSubnet(pod: PodRecord, tenant: string): ResolvedSubnet | undefined {
    const open = openSubnets(tenant);
    if (open.length === 0) return undefined;
    for (const pool of [...pools.values()].sort(byAge)) {
      const kept = namesPod(pool, pod) ? open.find(({ record }) => record.key === pool.subnet) : undefined;
      if (kept !== undefined) return kept;
    }
    const labels = namespaces.get(pod.namespace)?.labels ?? {};
    return (
      open.find(({ record }) => selectsNamespace(record.namespaces, pod.namespace, labels)) ??
      open.find(({ record }) => record.isDefault) ??
      // The cluster's own blocks are what the default tenant's pods are in else.
      (tenant === defaultTenant ? undefined : open[0])
    );
  }

  return {
    tenants,
    subnets,
    pools,
    applyTenant(name, tenant) {
      if (tenant === undefined) tenants.delete(name);
      else tenants.set(name, tenant);
      tenantNamespaces.setTenant(name, tenant);
      movedNamespaces = "all";
      touch();
    },
    applySubnet(name, subnet) {
      if (subnet === undefined) subnets.delete(name);
      else subnets.set(name, subnet);
      touch();
      return subnetIpam.setSubnet(name, subnet && ofCluster(subnet));
    },
    applyPool(name, pool) {
      if (pool === undefined) pools.delete(name);
      else pools.set(name, pool);
      subnetIpam.setPool(name, pool);
      touch();
    },
    applyNamespace(name, namespace) {
      const before = namespaces.get(name);
      const from = before && tenantNamespaces.tenantOf(name);
      if (namespace === undefined) namespaces.delete(name);
      else namespaces.set(name, namespace);
      tenantNamespaces.setNamespace(name, namespace?.labels);
      const to = namespace && tenantNamespaces.tenantOf(name);
      if (from !== to) {
        if (from !== undefined && to !== undefined && movedNamespaces !== "all") movedNamespaces.add(name);
        for (const tenant of [from, to]) if (tenant !== undefined) moved.add(tenant);
        if (dirty !== "all") dirty = "moves";
      } else if (before?.labels !== namespace?.labels || before?.subnet !== namespace?.subnet) dirty ??= "choices";
    },
    touchNodes() {
      if (subnets.size > 0) touch();
    },
    touchUse(subnet) {
      if (resolution.subnets.get(subnet)?.open !== true) touch();
    },
    get isUsed() {
      return tenants.size + subnets.size > 0;
    },
    resolve() {
      const before = dirty;
      dirty = undefined;
      if (before !== "all") return before;
      const nodeAddresses = [...nodes()].flatMap(({ key: node, internalAddresses }) =>
        internalAddresses.map((address) => ({ node, address })),
      );
      const isInUse = (subnet: string): boolean => subnetIpam.isInUse(subnet);
      resolution =
        subnets.size + tenants.size === 0
          ? nothing
          : resolveTenancy({ network, tenants, subnets, nodeAddresses, isInUse });
      openOf = new Map();
      return before;
    },
    takeMoved() {
      const names = [...moved];
      moved.clear();
      return names;
    },
    takeMovedNamespaces() {
      const taken = movedNamespaces;
      movedNamespaces = new Set();
      return taken;
    },
    get resolution() {
      return resolution;
    },
    tenantOf: tenantNamespaces.tenantOf,
    claimsOf: tenantNamespaces.claimsOf,
    hasNetworks: (name) =>
      subnets.get(name)?.networks.some(({ family }) => network.families.some((own) => own.family === family)) === true,
    choose(pod) {
      const { request } = pod;
      const [wrong] = request?.problems ?? [];
      if (wrong !== undefined) return { kind: "refused", problem: wrong };
      const namespace = namespaces.get(pod.namespace);
      const wishes =
        request !== undefined &&
        (request.addresses.length + request.pools.length > 0 ||
          request.mac !== undefined ||
          request.sticky !== undefined);
      if (tenants.size + subnets.size > 0) {
        // Its labels say in which tenant it is, and watches may overtake each other.
        if (namespace === undefined) return { kind: "refused", problem: undefined };
        const tenant = tenantNamespaces.tenantOf(pod.namespace);
        if (request?.subnet !== undefined) return askedSubnet(request.subnet, tenant, "the pod");
        if (request !== undefined) {
          const implied = impliedSubnet(pod, tenant);
          if (implied !== undefined) return implied;
        }
        if (namespace.subnet !== undefined) return askedSubnet(namespace.subnet, tenant, `namespace ${namespace.key}`);
        const usual = usualSubnet(pod, tenant);
        if (usual !== undefined) return { kind: "subnet", subnet: usual.record.key };
        if (tenant !== defaultTenant) {
          const isDeleted = tenants.get(tenant)?.deleting === true;
          const reason = isDeleted ? "is deleted, and takes nobody in" : "has no subnet that can be used; create one";
          return refused("NO_SUBNET", `tenant ${tenant} ${reason}`);
        }
      } else if (request?.subnet !== undefined) return askedSubnet(request.subnet, defaultTenant, "the pod");
      if (!wishes) return inCluster;
      const message = "the pod asks for addresses, and is in no Subnet; name one in ovenbird.io/subnet";
      return refused("SUBNET_NEEDED", message);
    },
    poolsFor(pod, subnet) {
      return [...pools.values()]
        .filter((pool) => pool.subnet === subnet && namesPod(pool, pod))
        .map(({ key }) => key)
        .sort();
    },
  };
}
