import type { PodNetworkAnnotation } from "@ovenbird/kube";
import type { Uuid } from "ovsdb-client-ts";
import { infrastructureAddresses } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { SubnetReservation } from "../ipam/subnet-reservation.ts";
import type { PodQos } from "../state/pod-network-request.ts";
import type { DesiredRow, Membership } from "./desired.ts";
import { dhcpOptionsUuid } from "./dhcp-options.ts";
import { infrastructureRoutes } from "./infrastructure-routes.ts";
import { podPort } from "./names.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { areSameWith, keptGuards, noPlaces, type PodPlace, podOwner } from "./pod-port.ts";
import type { PodPort } from "./pod-port-kinds.ts";
import { podQosMemberships, podQosRows } from "./pod-qos.ts";
import { subnetSwitchOwner, subnetSwitchUuid } from "./subnet-switch.ts";
import type { SubnetPlacement } from "./tenancy.ts";

/** The key in a port's `external_ids` that names the Subnet which its addresses are of. */
export const subnetKey = "ovenbird.io/subnet";

/** What pods of a switch and a node have in common; keep it, it is shared by all of them. */
export function subnetPlacement(
  { infrastructure }: NetworkConfig,
  on: SubnetPlacement["on"],
  node: string,
  requestedChassis: string,
): SubnetPlacement {
  return Object.freeze({ on, infrastructure, node, requestedChassis });
}

/** The port of a pod whose addresses are of a Subnet: as PodBundle, it holds what the rows are made of. */
export class SubnetPodBundle implements PodPort {
  readonly uuid: Uuid;
  readonly key: string;
  readonly placement: SubnetPlacement;
  readonly reservation: SubnetReservation;
  readonly qos: PodQos | undefined;
  readonly places: readonly PodPlace[];

  constructor(
    key: string,
    placement: SubnetPlacement,
    reservation: SubnetReservation,
    qos?: PodQos,
    places: readonly PodPlace[] = noPlaces,
    uuid: Uuid = rowUuid("Logical_Switch_Port", ownerText(podOwner(key))),
  ) {
    this.uuid = uuid;
    this.key = key;
    this.placement = placement;
    this.reservation = reservation;
    this.qos = qos;
    this.places = places;
  }

  get subnet(): string {
    return this.reservation.subnet;
  }

  get tenant(): string {
    return this.placement.on.tenant;
  }

  get ownAddresses(): readonly string[] {
    return this.reservation.addresses;
  }

  get addresses(): readonly string[] {
    const { infrastructure } = this.reservation;
    return infrastructure === undefined
      ? this.ownAddresses
      : infrastructureAddresses(this.placement.infrastructure, infrastructure);
  }

  /** The same port in other groups and sets. */
  at(places: readonly PodPlace[]): SubnetPodBundle {
    return new SubnetPodBundle(this.key, this.placement, this.reservation, this.qos, places, this.uuid);
  }

  /** This port, but still in the groups that shut pods in which the former one was; the former one where that is all that differs. */
  keepingGuards(former: PodPort): PodPort {
    const kept = keptGuards(this.places, former.places);
    if (kept.length === 0) return this;
    const isAsBefore =
      former instanceof SubnetPodBundle &&
      this.placement === former.placement &&
      this.reservation === former.reservation &&
      this.qos === former.qos;
    if (isAsBefore && areSameWith(this.places, kept, former.places)) return former;
    return this.at([...this.places, ...kept]);
  }

  get rows(): readonly DesiredRow[] {
    const { key, reservation, placement, qos } = this;
    const { on, requestedChassis } = placement;
    const own = this.ownAddresses;
    const others = reservation.infrastructure === undefined ? [] : this.addresses;
    // One list for both columns: what the port may send is what it is reached at. Its own come first: DHCP gives those.
    const addresses = [[reservation.mac, ...own, ...others].join(" ")];
    const dhcp = (family: 4 | 6): string | undefined =>
      on.dhcp &&
      on.networks.some((network) => network.family === family) &&
      own.some((address) => address.includes(":") === (family === 6))
        ? dhcpOptionsUuid(subnetSwitchOwner(on), family)
        : undefined;
    const [dhcp4, dhcp6] = [dhcp(4), dhcp(6)];
    return [
      {
        table: "Logical_Switch_Port",
        uuid: this.uuid,
        owner: ownerText(podOwner(key)),
        columns: {
          name: podPort(key),
          addresses,
          port_security: addresses,
          options: { "iface-id-ver": reservation.uid, "requested-chassis": requestedChassis },
          external_ids: { [subnetKey]: reservation.subnet },
          dhcpv4_options: dhcp4,
          dhcpv6_options: dhcp6,
        },
      },
      ...podQosRows(podOwner(key), podPort(key), qos),
    ];
  }

  get memberships(): readonly Membership[] {
    const { uuid } = this;
    const switchUuid = subnetSwitchUuid(this.placement.on);
    const memberships: Membership[] = [
      { table: "Logical_Switch", row: switchUuid, column: "ports", member: uuid },
      ...podQosMemberships(switchUuid, podOwner(this.key), podPort(this.key), this.qos),
    ];
    if (this.places.length === 0) return memberships;
    const addresses = this.addresses;
    for (const place of this.places) {
      const { row } = place;
      if (place.table === "Port_Group") memberships.push({ table: "Port_Group", row, column: "ports", member: uuid });
      if (place.table !== "Address_Set") continue;
      const candidates = place.own === true ? this.ownAddresses : addresses;
      const member = candidates.find((address) => address.includes(":") === (place.family === 6));
      if (member !== undefined) memberships.push({ table: "Address_Set", row, column: "addresses", member });
    }
    return memberships;
  }

  mayStayIn({ row, member }: Membership): boolean {
    const isGoing = this.places.some((place) => place.table === "going" && place.row === row);
    return isGoing && (member === this.uuid || this.addresses.includes(member) || this.ownAddresses.includes(member));
  }

  toJSON(): { readonly rows: readonly DesiredRow[]; readonly memberships: readonly Membership[] } {
    return { rows: this.rows, memberships: this.memberships };
  }
}

/** What the pod's node agent is told once the port is committed. */
export function subnetPodNetworkOf(network: NetworkConfig, bundle: SubnetPodBundle): PodNetworkAnnotation {
  const { reservation, placement } = bundle;
  const { on } = placement;
  const networks = reservation.addresses.flatMap((address) => {
    const own = on.networks.find(({ family }) => (family === 6) === address.includes(":"));
    return own === undefined ? [] : { address: `${address}/${own.prefixLength}`, gateway: own.gateway };
  });
  const { infrastructure } = reservation;
  return {
    uid: reservation.uid,
    port: podPort(bundle.key),
    addresses: networks.map(({ address }) => address),
    gateways: networks.map(({ gateway }) => gateway),
    mac: reservation.mac,
    mtuBytes: on.mtuBytes,
    subnet: reservation.subnet,
    ...(infrastructure === undefined
      ? {}
      : {
          infrastructure: [...bundle.addresses],
          routes: [...infrastructureRoutes(network, on, infrastructure, reservation.addresses)],
        }),
  };
}
