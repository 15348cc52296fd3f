import type { PodNetworkAnnotation } from "@ovenbird/kube";
import type { Uuid } from "ovsdb-client-ts";
import { type Family, formatIpv4, formatIpv6, ipv6Groups } from "../ipam/address.ts";
import { blockCidr } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { PodReservation } from "../ipam/reservation.ts";
import type { PodQos } from "../state/pod-network-request.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { macOfIpv4, macOfIpv6Place } from "./mac.ts";
import { defaultTenant, podPort } from "./names.ts";
import { nodeSwitchUuid } from "./node-switch.ts";
import { type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { ownerText, rowUuid } from "./owner.ts";
import type { PodPort } from "./pod-port-kinds.ts";
import { podQosMemberships, podQosRows } from "./pod-qos.ts";

export function podOwner(key: string): Owner {
  return { kind: "Pod", key };
}

/** What the ports of one node's pods have in common; one object, shared by all of them. */
export interface PodPlacement {
  readonly switchUuid: Uuid;
  readonly block: number;
  /** Where the port may be bound, so that a second claim of the same name on another node changes nothing. */
  readonly requestedChassis: string;
  readonly ipv4Base: number | undefined;
  readonly ipv4Prefix: string;
  /** The eight groups of the IPv6 block's address. */
  readonly ipv6Base: Uint16Array | undefined;
  readonly ipv6Prefix: string;
  readonly ipv4Router: string | undefined;
  readonly ipv6Router: string | undefined;
}

/** What a node's pods need to know of their node. */
export function podPlacement(network: NetworkConfig, { name, block, chassis }: NodeTopology): PodPlacement {
  const [ipv4, ipv6] = ([4, 6] as const).map((wanted) => network.families.find(({ family }) => family === wanted));
  const families = nodeFamilies(network, block);
  return Object.freeze({
    switchUuid: nodeSwitchUuid(name),
    block,
    requestedChassis: chassis?.systemId ?? name,
    ipv4Base: ipv4 && Number(blockCidr(ipv4, block).base),
    ipv4Prefix: `/${ipv4?.nodePrefixLength}`,
    ipv6Base: ipv6 && ipv6Groups(blockCidr(ipv6, block).base),
    ipv6Prefix: `/${ipv6?.nodePrefixLength}`,
    ipv4Router: families.find(({ family }) => family === 4)?.router,
    ipv6Router: families.find(({ family }) => family === 6)?.router,
  });
}

export function samePlacement(a: PodPlacement, b: PodPlacement): boolean {
  return a.switchUuid === b.switchUuid && a.block === b.block && a.requestedChassis === b.requestedChassis;
}

/** A row that pods of a class are members of: a port group by their ports, or an address set by their addresses of one family. */
export type PodPlace =
  | {
      readonly table: "Port_Group";
      readonly row: Uuid;
      /** Whether those who aren't in it are open to more: it is left last. */
      readonly guards: boolean;
    }
  | {
      readonly table: "Address_Set";
      readonly row: Uuid;
      readonly family: Family;
      /** The address that the pod has in its tenant, instead of the one that is one of a kind in the cluster. */
      readonly own?: true;
    }
  /** One that nobody asks for any more: the pods may stay in it until it goes, since they are still those that it means. */
  | { readonly table: "going"; readonly row: Uuid };

/** The rows that pods are to be in. */
export function joinedRows(places: readonly PodPlace[]): readonly Uuid[] {
  return places.flatMap(({ table, row }) => (table === "going" ? [] : [row]));
}

export const noPlaces: readonly PodPlace[] = Object.freeze([]);
const guardsPods = (place: PodPlace): boolean => place.table === "Port_Group" && place.guards;

/** Of the places that a port had, those that shut pods and that it shall not have any more. */
export function keptGuards(places: readonly PodPlace[], former: readonly PodPlace[]): readonly PodPlace[] {
  const own = new Set(joinedRows(places));
  return former.filter((place) => guardsPods(place) && !own.has(place.row));
}

/** Whether places are, with those kept, what they were. */
export function areSameWith(
  places: readonly PodPlace[],
  kept: readonly PodPlace[],
  former: readonly PodPlace[],
): boolean {
  const own = new Set(joinedRows(places));
  const had = new Set(joinedRows(former));
  return kept.length + own.size === had.size && [...own].every((row) => had.has(row));
}

const scratch = new Uint16Array(8);

/** The address at an offset below 2^16 · 2^16 in a block whose own address ends in as many zero bits. */
function ipv6Text(base: Uint16Array, offset: number): string {
  scratch.set(base);
  const low = (scratch[7] ?? 0) + offset;
  scratch[7] = low & 0xffff;
  scratch[6] = (scratch[6] ?? 0) + (low >>> 16);
  return formatIpv6(scratch);
}

/**
 * A pod's port: what the controller keeps for each pod. It holds what the rows are made of, some 100 bytes, instead of
 * the rows, which are over 700 and are made anew whenever they are read: keep the bundle, not its rows.
 */
export class PodBundle implements PodPort {
  readonly uuid: Uuid;
  readonly key: string;
  readonly placement: PodPlacement;
  readonly reservation: PodReservation;
  /** Shared by all pods of a class. */
  readonly places: readonly PodPlace[];
  /** Most pods ask for none. */
  readonly qos: PodQos | undefined;

  constructor(
    key: string,
    placement: PodPlacement,
    reservation: PodReservation,
    places: readonly PodPlace[] = noPlaces,
    uuid: Uuid = rowUuid("Logical_Switch_Port", ownerText(podOwner(key))),
    qos?: PodQos,
  ) {
    this.uuid = uuid;
    this.key = key;
    this.placement = placement;
    this.reservation = reservation;
    this.places = places;
    this.qos = qos;
  }

  get subnet(): undefined {
    return undefined;
  }

  get tenant(): string {
    return defaultTenant;
  }

  /** The same port in other groups and sets. */
  at(places: readonly PodPlace[]): PodBundle {
    return new PodBundle(this.key, this.placement, this.reservation, places, this.uuid, this.qos);
  }

  /** This port, but still in the groups that shut pods in which the former one was; the former one where that is all that differs. */
  keepingGuards(former: PodPort): PodPort {
    const kept = keptGuards(this.places, former.places);
    if (kept.length === 0) return this;
    const isAsBefore = this.placement === former.placement && this.qos === former.qos;
    if (isAsBefore && areSameWith(this.places, kept, former.places)) return former;
    return this.at([...this.places, ...kept]);
  }

  get rows(): readonly DesiredRow[] {
    const { requestedChassis } = this.placement;
    // One list for both columns: what the port may send is what it is reached at.
    const addresses = [[this.mac, ...this.addresses].join(" ")];
    return [
      {
        table: "Logical_Switch_Port",
        uuid: this.uuid,
        owner: ownerText(podOwner(this.key)),
        columns: {
          name: podPort(this.key),
          addresses,
          port_security: addresses,
          options: { "iface-id-ver": this.reservation.uid, "requested-chassis": requestedChassis },
        },
      },
      ...podQosRows(podOwner(this.key), podPort(this.key), this.qos),
    ];
  }

  get memberships(): readonly Membership[] {
    const { uuid } = this;
    const memberships: Membership[] = [
      { table: "Logical_Switch", row: this.placement.switchUuid, column: "ports", member: uuid },
      ...podQosMemberships(this.placement.switchUuid, podOwner(this.key), podPort(this.key), this.qos),
    ];
    if (this.places.length === 0) return memberships;
    const addresses = this.addresses;
    for (const place of this.places) {
      const { row } = place;
      if (place.table === "Port_Group") memberships.push({ table: "Port_Group", row, column: "ports", member: uuid });
      if (place.table !== "Address_Set") continue;
      const member = addresses.find((address) => address.includes(":") === (place.family === 6));
      if (member !== undefined) memberships.push({ table: "Address_Set", row, column: "addresses", member });
    }
    return memberships;
  }

  /** Without prefix length, IPv4 first. */
  get addresses(): string[] {
    const { ipv4Base, ipv6Base } = this.placement;
    const { ipv4Offset, ipv6Offset } = this.reservation;
    const addresses: string[] = [];
    if (ipv4Base !== undefined && ipv4Offset !== undefined) addresses.push(formatIpv4(ipv4Base + ipv4Offset));
    if (ipv6Base !== undefined && ipv6Offset !== undefined) addresses.push(ipv6Text(ipv6Base, ipv6Offset));
    return addresses;
  }

  get ownAddresses(): readonly string[] {
    return this.addresses;
  }

  get mac(): string {
    const { ipv4Base } = this.placement;
    const { block, ipv4Offset, ipv6Offset } = this.reservation;
    return ipv4Base !== undefined && ipv4Offset !== undefined
      ? macOfIpv4(ipv4Base + ipv4Offset)
      : macOfIpv6Place(block, ipv6Offset ?? 0);
  }

  mayStayIn({ row, member }: Membership): boolean {
    const isGoing = this.places.some((place) => place.table === "going" && place.row === row);
    return isGoing && (member === this.uuid || this.addresses.includes(member));
  }

  toJSON(): Bundle {
    return { rows: this.rows, memberships: this.memberships };
  }
}

/** What the pod's node agent is told once the port is committed. */
export function podNetworkOf(network: NetworkConfig, bundle: PodBundle): PodNetworkAnnotation {
  const { ipv4Base, ipv4Prefix, ipv6Prefix, ipv4Router, ipv6Router } = bundle.placement;
  const { uid, ipv4Offset, ipv6Offset } = bundle.reservation;
  const hasIpv4 = ipv4Base !== undefined && ipv4Offset !== undefined;
  const prefixes = hasIpv4 ? [ipv4Prefix, ipv6Prefix] : [ipv6Prefix];
  return {
    uid,
    port: podPort(bundle.key),
    addresses: bundle.addresses.map((address, position) => `${address}${prefixes[position]}`),
    gateways: [
      ...(hasIpv4 && ipv4Router !== undefined ? [ipv4Router] : []),
      ...(ipv6Offset !== undefined && ipv6Router !== undefined ? [ipv6Router] : []),
    ],
    mac: bundle.mac,
    mtuBytes: network.mtuBytes,
  };
}
