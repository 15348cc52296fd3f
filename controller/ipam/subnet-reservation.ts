/** What a pod holds that has its addresses in a Subnet and not in its node's block of the cluster's network. */
export interface SubnetReservation {
  readonly uid: string;
  readonly node: string;
  readonly subnet: string;
  /** In canonical form, at most one per family, IPv4 first. */
  readonly addresses: readonly string[];
  /** Lower-case. */
  readonly mac: string;
  /** Its number in the infrastructure networks (see infrastructure.ts); absent in overlay subnets of the tenant `default`. */
  readonly infrastructure: number | undefined;
  /** The name of the IPAddress that keeps the addresses after the pod. */
  readonly keptBy: string | undefined;
}
