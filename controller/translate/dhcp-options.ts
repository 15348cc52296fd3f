import type { Family } from "../ipam/address.ts";
import type { DesiredRow, Owner } from "./desired.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import type { SubnetSwitch } from "./tenancy.ts";

const leaseSeconds = 3600;

/** The DHCP_Options of a switch and a family, which pods' ports name. */
export function dhcpOptionsUuid(owner: Owner, family: Family): string {
  return rowUuid("DHCP_Options", ownerText(owner, `dhcp.ipv${family}`));
}

/** What OVN answers to DHCP on a switch: the port's own address, and its router. */
export function dhcpOptionsRows(owner: Owner, on: SubnetSwitch, routerMac: string): readonly DesiredRow[] {
  if (!on.dhcp) return [];
  return on.networks.map(({ family, cidr, gateway }) =>
    desiredRow("DHCP_Options", owner, `dhcp.ipv${family}`, {
      cidr,
      options:
        family === 4
          ? {
              lease_time: String(leaseSeconds),
              mtu: String(on.mtuBytes),
              router: gateway,
              server_id: gateway,
              server_mac: routerMac,
            }
          : { server_id: routerMac },
    }),
  );
}

/**
 * The router's advertisements: that addresses are given by DHCP, and the MTU. In an underlay the physical router says what is to
 * be said.
 */
export function routerAdvertisements({
  dhcp,
  mode,
  networks,
  mtuBytes,
}: SubnetSwitch): Readonly<Record<string, string>> {
  if (!dhcp || mode === "Underlay" || !networks.some(({ family }) => family === 6)) return {};
  return { address_mode: "dhcpv6_stateful", mtu: String(mtuBytes), send_periodic: "true" };
}
