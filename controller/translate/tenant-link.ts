import { bitsOf, type Family, formatAddress } from "../ipam/address.ts";
import { linkNumbers } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { hubToTenant, tenantToHub } from "./names.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterUuid } from "./router-policies.ts";
import { members, routerUuidOf } from "./router-rows.ts";

/** How many bits of an address tell the ends of a link apart. */
const linkBits = 2;

/** The end of a link, by its number: hardware address, and an address of each family. */
export interface LinkEnd {
  readonly mac: string;
  /** IPv4 first, without prefix length. */
  readonly addresses: Readonly<Partial<Record<Family, string>>>;
  readonly networks: readonly string[];
}

const byte = (value: number): string => (value & 255).toString(16).padStart(2, "0");

/** The hardware address of who has a number of the infrastructure networks and is no pod. */
function macOfNumber(number: number): string {
  return `0a:5d:00:${byte(number >>> 16)}:${byte(number >>> 8)}:${byte(number)}`;
}

export function linkEnd({ infrastructure }: NetworkConfig, number: number): LinkEnd {
  const addresses: Partial<Record<Family, string>> = {};
  const networks = infrastructure.map(({ family, base }) => {
    const address = formatAddress({ family, value: base + BigInt(number) });
    addresses[family] = address;
    return `${address}/${bitsOf(family) - linkBits}`;
  });
  return { mac: macOfNumber(number), addresses, networks };
}

/** The tenant's end and the other one, of the link between its router and the default tenant's. */
export function tenantLink(
  network: NetworkConfig,
  number: number,
): { readonly hub: LinkEnd; readonly tenant: LinkEnd } {
  const numbers = linkNumbers(number);
  return { hub: linkEnd(network, numbers.hub), tenant: linkEnd(network, numbers.tenant) };
}

/** Both ends of a tenant's link to the default tenant's router; the tenant owns both. */
export function tenantLinkBundle(network: NetworkConfig, owner: Owner, tenant: string, number: number): Bundle {
  const link = tenantLink(network, number);
  const end = (part: string, name: string, peer: string, { mac, networks }: LinkEnd): DesiredRow =>
    desiredRow("Logical_Router_Port", owner, part, { name, mac, networks, peer });
  const hub = end("link.default", hubToTenant(tenant), tenantToHub(tenant), link.hub);
  const own = end("link", tenantToHub(tenant), hubToTenant(tenant), link.tenant);
  return {
    rows: [hub, own],
    memberships: [
      ...members("Logical_Router", tenantRouterUuid, "ports", [hub]),
      ...members("Logical_Router", routerUuidOf(tenant), "ports", [own]),
    ],
  };
}
