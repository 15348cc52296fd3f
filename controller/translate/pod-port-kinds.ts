import type { Uuid } from "ovsdb-client-ts";
import type { PodReservation } from "../ipam/reservation.ts";
import type { SubnetReservation } from "../ipam/subnet-reservation.ts";
import type { Bundle } from "./desired.ts";
import type { PodPlace, PodPlacement } from "./pod-port.ts";
import type { PodQos, SubnetPlacement } from "./tenancy.ts";

/** A pod's port, whether its addresses are of its node's block of the cluster's network or of a Subnet. */
export interface PodPort extends Bundle {
  /** Of the `Logical_Switch_Port`. */
  readonly uuid: Uuid;
  /** `namespace/name`. */
  readonly key: string;
  /** Absent in a node's block. */
  readonly subnet: string | undefined;
  readonly tenant: string;
  readonly placement: PodPlacement | SubnetPlacement;
  readonly reservation: PodReservation | SubnetReservation;
  /** Most pods ask for none. */
  readonly qos: PodQos | undefined;
  /** Shared by all pods of a class. */
  readonly places: readonly PodPlace[];
  /** Those that are one of a kind in the cluster, as `status.podIPs` has them; without prefix length, IPv4 first. */
  readonly addresses: readonly string[];
  /** Those by which the pods of its tenant know it; where no other tenant can have them the same as `addresses`. */
  readonly ownAddresses: readonly string[];
  /** The same port in other groups and sets. */
  at(places: readonly PodPlace[]): PodPort;
  /** This port, but still in the groups that shut pods in which the former one was; the former one where that is all that differs. */
  keepingGuards(former: PodPort): PodPort;
}
