import type { IpAddressRecord } from "../state/ip-address.ts";
import type { IpPoolRecord } from "../state/ip-pool.ts";
import type { PodNetworkRequest } from "../state/pod-network-request.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import type { Family } from "./address.ts";
import type { Outcome } from "./ipam.ts";
import type { KeptAddress } from "./kept-addresses.ts";
import type { SubnetReservation } from "./subnet-reservation.ts";

export { createSubnetIpam } from "./create-subnet-ipam.ts";

/** Who asks for addresses in a subnet. */
export interface SubnetRequest {
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly node: string;
  /** The node's number, which is its block's of a `PerNode` subnet. */
  readonly nodeNumber: number;
  readonly subnet: string;
  readonly wish: PodNetworkRequest | undefined;
  /** `Kind/name` of what made the pod, and its ordinal if that is a StatefulSet. */
  readonly workload: string | undefined;
  readonly ordinal: number | undefined;
  /** Pools that are kept for its namespace or workload. */
  readonly pools: readonly string[];
}

/** What rows, annotations and IPAddress objects say was held before a restart. */
export interface SubnetHolding {
  readonly key: string;
  readonly reservation: SubnetReservation;
  /** The lower the stronger: row and annotation agree, row alone, annotation alone. */
  readonly strength: 0 | 1 | 2;
}

/**
 * Who holds which addresses of subnets, and which numbers of the infrastructure networks. It is the only judge; it knows no
 * clock: what outlives its pod is in IPAddress objects, and ends when they do.
 */
export interface SubnetIpam {
  /** To be called before the first reservation, with subnets, pools and kept addresses set. */
  restore(
    holdings: readonly SubnetHolding[],
    tenantNumbers: ReadonlyMap<string, number>,
    slices: ReadonlyMap<string, readonly number[]>,
  ): void;
  /**
   * What is held stays held, also where the new record has no room for it. @returns whether its pods are on other switches than
   * before, so that some can be misplaced
   */
  setSubnet(name: string, subnet: SubnetRecord | undefined): boolean;
  /** Whether the pod's infrastructure address is of a slice that another switch than the pod's has: it is reached there no more. */
  isMisplaced(key: string): boolean;
  setPool(name: string, pool: IpPoolRecord | undefined): void;
  /** By an IPAddress object; kept for its holder until it is gone. */
  setKept(name: string, kept: IpAddressRecord | undefined): void;
  /** What the pod has already, what is kept for it, what it asks for, or the next free ones; refused with the holder's name. */
  reserve(request: SubnetRequest): Outcome<SubnetReservation>;
  /** @returns what it held */
  release(key: string): SubnetReservation | undefined;
  reservation(key: string): SubnetReservation | undefined;
  reservations(): IterableIterator<[string, SubnetReservation]>;
  /** Who has an address of a subnet, in words: `pod namespace/name`, or `IPAddress name`, which keeps it. */
  holderOf(subnet: string, address: string): string | undefined;
  podAt(subnet: string, address: string): string | undefined;
  /** The IPAddress that keeps it. */
  keeperAt(subnet: string, address: string): string | undefined;
  /** The tenant's number in the infrastructure networks. */
  reserveTenant(name: string): Outcome<number>;
  releaseTenant(name: string): void;
  /** Slices in which pods of a switch are (`subnet`, or `subnet@node`), ascending; a slice goes with its last pod. */
  slicesOf(switchKey: string): readonly number[];
  /** Whether a pod or an IPAddress holds an address of the subnet. */
  isInUse(subnet: string): boolean;
  /** All and held addresses per family, for status and metrics; capped at 2^53 − 1. */
  usageOf(subnet: string): AddressUsage;
  usageOfPool(pool: string): AddressUsage;
  /** What is kept beyond pods, also what isn't written yet. */
  kept(): IterableIterator<KeptAddress>;
  keptBy(name: string): KeptAddress | undefined;
  /** The pod that has what is kept. */
  podOfKept(name: string): string | undefined;
  /** Whether the IPAddress is in the API with its addresses: what it keeps may be announced. */
  isWritten(name: string): boolean;
  /** Nobody writes it: what isn't in the API is forgotten, unless a pod has it. */
  forgetKept(name: string): void;
  /** Told of each IPAddress that has to be written, or whose pod is another one. One listener, the latest. */
  onKept(listener: (name: string) => void): void;
}

export interface AddressUsage {
  readonly total: Readonly<Record<Family, number>>;
  readonly used: Readonly<Record<Family, number>>;
}

/**
 * Whether each node has a switch of its own. In an underlay too: it is the physical network that joins pods there, and what
 * routers send to a pod has to come to the pod's node before it enters the switch. A switch over all nodes would hand it to the
 * physical network wherever it is, and track there what began elsewhere.
 */
export const hasSwitchPerNode = ({ mode }: Pick<SubnetRecord, "mode">): boolean => mode !== "Cluster";

/** The switch on which a pod of the subnet is. */
export const switchKeyOf = (subnet: string, isPerNode: boolean, node: string): string =>
  isPerNode ? `${subnet}@${node}` : subnet;

/** Whether pods need addresses that are one of a kind in the cluster beside those of the subnet. */
export const needsInfrastructure = ({ tenant, mode }: SubnetRecord): boolean =>
  tenant !== "default" || mode === "Underlay";
