import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { NodeNetworkAnnotation } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import {
  addAddress,
  canonicalPrefix,
  deleteAddress,
  deleteRoute,
  type Link,
  type ListedRoute,
  listAddresses,
  listRoutes,
  NetlinkError,
  type Route,
  type RouteSocket,
  replaceRoute,
  setSysctl,
} from "../netlink/index.ts";

/** `rtm_protocol` of routes that the kernel made for an address (linux/rtnetlink.h). */
const RTPROT_KERNEL = 2;
/** Prefixes that the kernel keeps by itself on every link with IPv6. */
const linkOwnPrefix = /^(fe80:|ff00:)/;

/**
 * Settings of the management interface. The node answers on it for its own addresses: packets with the node's source
 * address arrive there, by another way than replies would take.
 */
export function applySysctls(link: string, logger: Logger): void {
  const strictEverywhere = readSysctl("ipv4/conf/all/rp_filter") === "1";
  const settings: readonly (readonly [string, string])[] = [
    // The kernel takes the higher one of `all` and the link's: 2 (loose) is as near to off as a strict host lets us come.
    [`ipv4/conf/${link}/rp_filter`, strictEverywhere ? "2" : "0"],
    [`ipv4/conf/${link}/accept_local`, "1"],
    // Only for addresses of this very link: otherwise it would answer pods for the node's other addresses.
    [`ipv4/conf/${link}/arp_ignore`, "1"],
    [`ipv4/conf/${link}/arp_announce`, "2"],
    [`ipv6/conf/${link}/accept_ra`, "0"],
  ];
  for (const [name, value] of settings) {
    if (readSysctl(name) === value) continue;
    try {
      setSysctl(name, value);
    } catch (error) {
      // A node without IPv6 has no IPv6 settings.
      if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
      logger.debug({ sysctl: name }, "the kernel lacks a setting");
    }
  }
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${name}`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Adds what is missing and removes the node's former management addresses. */
export function applyAddresses(socket: RouteSocket, link: Link, network: NodeNetworkAnnotation): void {
  const wanted = network.managementPort.addresses;
  const present = listAddresses(socket, link.index)
    .filter((address) => address.linkIndex === link.index && address.scope === "global")
    .map(({ address }) => address);
  for (const address of wanted) {
    if (!present.some((candidate) => sameText(candidate, address))) {
      addAddress(socket, link.name, address, { noDad: true });
    }
  }
  for (const address of present) {
    if (!wanted.some((candidate) => sameText(candidate, address))) deleteAddress(socket, link.name, address);
  }
}

/**
 * All routes over the management port: each network by the gateway of its family, from the node's management address.
 * @param addresses Services' external addresses, which have to be reached the same way
 */
export function wantedRoutes(
  network: NodeNetworkAnnotation,
  link: string,
  addresses: readonly string[] = [],
): readonly Route[] {
  const { addresses: sources, gateways } = network.managementPort;
  const byFamily = new Map(
    [4, 6].map((family) => [
      family,
      {
        gateway: gateways.find((candidate) => isIP(candidate) === family),
        source: sources.find((candidate) => familyOf(candidate) === family)?.split("/")[0],
      },
    ]),
  );
  return [...network.routes, ...addresses.map(canonicalPrefix)].flatMap((destination) => {
    const { gateway, source } = byFamily.get(familyOf(destination)) ?? {};
    return gateway === undefined || source === undefined ? [] : [{ destination, gateway, source, link }];
  });
}

/**
 * Sets the wanted routes and removes every other one from the link, which carries nobody else's.
 * @param addresses Services' external addresses; undefined = not known yet, and no route is removed
 */
export function applyRoutes(
  socket: RouteSocket,
  link: Link,
  network: NodeNetworkAnnotation,
  addresses: readonly string[] | undefined,
): void {
  const wanted = new Map(
    wantedRoutes(network, link.name, addresses).map((route) => [canonicalPrefix(route.destination), route]),
  );
  const present = listRoutes(socket).filter(
    (route) =>
      route.linkIndex === link.index && route.protocol !== RTPROT_KERNEL && !linkOwnPrefix.test(route.destination),
  );
  const right = new Set<string>();
  for (const route of present) {
    const destination = canonicalPrefix(route.destination);
    const same = wanted.get(destination);
    if (same !== undefined && sameRoute(route, same)) right.add(destination);
  }
  for (const [destination, route] of wanted) if (!right.has(destination)) replaceRoute(socket, route);
  if (addresses === undefined) return;
  for (const route of present) {
    if (wanted.has(canonicalPrefix(route.destination))) continue;
    deleteRoute(socket, {
      destination: route.destination,
      link: link.name,
      ...(route.gateway === undefined ? {} : { gateway: route.gateway }),
      ...(route.metric === undefined ? {} : { metric: route.metric }),
    });
  }
}

function sameRoute(present: ListedRoute, wanted: Route): boolean {
  return (
    sameText(present.gateway, wanted.gateway) &&
    // The kernel does not list the source of an IPv6 route in every version: it is only compared where it does.
    (present.source === undefined || sameText(present.source, wanted.source))
  );
}

function familyOf(cidr: string): number {
  return isIP(cidr.split("/")[0] ?? "");
}

/** Compares addresses or prefixes whatever way IPv6 is spelt. */
function sameText(first: string | undefined, second: string | undefined): boolean {
  return first === second || (first !== undefined && second !== undefined && canonical(first) === canonical(second));
}

function canonical(text: string): string {
  const [address = "", prefix] = text.split("/");
  const spelt = isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
  return prefix === undefined ? spelt : `${spelt}/${prefix}`;
}
