import type { Cidr, Family } from "../ipam/address.ts";
import type { PodQos } from "../state/pod-network-request.ts";
import type { EgressMode, SubnetMode } from "../state/subnet.ts";
import type { TenantPolicyRoute, TenantRoute } from "../state/tenant.ts";

/** What a tenant's rows depend on; of the tenant `default` too, whose router is there anyhow. */
export interface TenantTopology {
  readonly name: string;
  /** Its number in the infrastructure networks: its link to the default tenant's router follows from it. None for `default`. */
  readonly number: number | undefined;
  /** Subnets' networks of the tenant: what is its own. */
  readonly networks: readonly { readonly family: Family; readonly cidr: string; readonly subnet: string }[];
  /** Those that each name the other and share no network with it. */
  readonly peers: readonly PeerTopology[];
  /** Others' services that it may use, as endpoints: these addresses and ports and nothing else. */
  readonly services: readonly SharedEndpoints[];
  readonly routes: readonly TenantRoute[];
  readonly policyRoutes: readonly TenantPolicyRoute[];
  readonly stormKbps: number;
}

export interface PeerTopology {
  readonly name: string;
  readonly number: number | undefined;
  readonly networks: readonly { readonly family: Family; readonly cidr: string }[];
  /** Slices of the infrastructure networks that the peer's switches have. */
  readonly slices: readonly number[];
}

export interface SharedEndpoints {
  /** `namespace/name`. */
  readonly service: string;
  readonly family: Family;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  /** As the load balancer has them: addresses of pods as others see them (their infrastructure addresses). */
  readonly addresses: readonly string[];
}

/** One logical switch of a subnet: the only one, or a node's. */
export interface SubnetSwitch {
  readonly subnet: string;
  readonly tenant: string;
  readonly mode: SubnetMode;
  /** With `PerNode` and `Underlay`. */
  readonly node: string | undefined;
  /** The tenant's number in the infrastructure networks; none of `default`. */
  readonly tenantNumber?: number | undefined;
  /** With `PerNode` and `Underlay`: the node's, empty for one without. */
  readonly zone?: string | undefined;
  readonly networks: readonly {
    readonly family: Family;
    /** The subnet's network, or the node's block of it. */
    readonly cidr: string;
    readonly prefixLength: number;
    /** Of the router that pods use: ours, but in an underlay. */
    readonly gateway: string;
    /** The subnet's network where this is a node's block of it. */
    readonly whole?: string;
  }[];
  /** Slices of the infrastructure networks in which its pods are; grows with them. Empty where pods have no such addresses. */
  readonly slices: readonly number[];
  readonly mtuBytes: number;
  readonly egress: EgressMode;
  /** As the node's `ovn-bridge-mappings` calls it. */
  readonly physicalNetwork: string | undefined;
  readonly vlan: number | undefined;
  readonly dhcp: boolean;
  readonly stormKbps: number;
}

/** What a pod's port on such a switch depends on beside its reservation; one object for all pods of a switch and node. */
export interface SubnetPlacement {
  readonly on: SubnetSwitch;
  /** The infrastructure networks, IPv4 first. */
  readonly infrastructure: readonly Cidr[];
  readonly node: string;
  /** The chassis, or the node's name until it is known. */
  readonly requestedChassis: string;
}

/**
 * What the default tenant's router, which joins all tenants, and the nodes have to know of subnets. There is none in a cluster
 * without subnets.
 */
export interface HubTenancy {
  /** Whether pods with infrastructure addresses may be there. */
  readonly infrastructure: boolean;
  /** Networks of the tenant `default`'s subnets but those in an underlay. */
  readonly overlays: readonly {
    readonly family: Family;
    readonly cidr: string;
    readonly subnet: string;
    readonly egress: EgressMode;
    readonly mode: SubnetMode;
  }[];
  /** The tenant `default`'s own routes and policy routes, where a Tenant of that name has some. */
  readonly own?: Pick<TenantTopology, "routes" | "policyRoutes"> | undefined;
  /** Networks, of all tenants, whose pods leave with their own addresses. */
  readonly routed: readonly { readonly family: Family; readonly cidr: string }[];
}

export type { PodQos };
