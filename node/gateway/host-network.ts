import * as z from "zod";
import {
  addAddress,
  deleteAddress,
  type Link,
  listAddresses,
  listRoutes,
  type RouteSocket,
  replaceRoute,
} from "../netlink/index.ts";

/** The host's addresses and routes on one link: what has to move with the uplink and to come back after vswitchd. */
export const hostNetwork = z.object({
  /** With prefix lengths. */
  addresses: z.array(z.string()),
  /** Of the main table, those to the addresses' own prefixes too. */
  routes: z.array(
    z.object({
      destination: z.string(),
      gateway: z.string().optional(),
      source: z.string().optional(),
      metric: z.number().optional(),
      mtuBytes: z.number().optional(),
      onLink: z.boolean().optional(),
    }),
  ),
});
export type HostNetwork = z.infer<typeof hostNetwork>;

/** Prefixes that the kernel keeps by itself on every link with IPv6. */
const linkOwnPrefix = /^(fe80:|ff00:)/;

/** What a link bears now: its addresses of global scope, and the main table's routes through it. */
export function readHostNetwork(socket: RouteSocket, link: Link): HostNetwork {
  return {
    addresses: listAddresses(socket, link.index)
      .filter((address) => address.linkIndex === link.index && address.scope === "global")
      .map(({ address }) => address),
    routes: listRoutes(socket)
      .filter((route) => route.linkIndex === link.index && !linkOwnPrefix.test(route.destination))
      .map(({ destination, gateway, source, metric, mtuBytes, onLink }) => ({
        destination,
        ...(gateway === undefined ? {} : { gateway }),
        ...(source === undefined ? {} : { source }),
        ...(metric === undefined ? {} : { metric }),
        ...(mtuBytes === undefined ? {} : { mtuBytes }),
        ...(onLink === undefined ? {} : { onLink }),
      })),
  };
}

/** The link-local addresses of a link, without prefix lengths. */
export function readLinkLocalAddresses(socket: RouteSocket, link: Link): readonly string[] {
  return listAddresses(socket, link.index)
    .filter((address) => address.linkIndex === link.index && address.scope === "link")
    .map(({ address }) => address.split("/")[0] ?? address);
}

/**
 * Gives a link the addresses and routes, and takes the addresses off another one. All within one turn and in an order in
 * which every packet finds its way at any moment: the address stands on both links while the routes are turned over, and
 * leaves the old one last.
 * @param from the link that bears them now, if any
 * @throws {NetlinkError} when a route could not be set; all else is done nevertheless
 */
export function moveHostNetwork(socket: RouteSocket, network: HostNetwork, to: string, from?: string): void {
  for (const address of network.addresses) {
    // The prefix routes are in the list: the kernel's own would stand beside those of the old link.
    addAddress(socket, to, address, { noDad: true, noPrefixRoute: true });
  }
  let failure = applyRoutes(socket, network, to);
  if (from !== undefined) {
    for (const address of network.addresses) deleteAddress(socket, from, address);
    // With its last address a link's routes go, and in IPv6 also what was replaced in its name: put them in once more.
    failure = applyRoutes(socket, network, to);
  }
  if (failure !== undefined) throw failure;
}

/**
 * Routes without a gateway come first: they are how the gateways are reached.
 * @returns the first failure; one route that the kernel no longer takes must not cost the others
 */
function applyRoutes(socket: RouteSocket, network: HostNetwork, link: string): unknown {
  const direct = network.routes.filter((route) => route.gateway === undefined);
  const indirect = network.routes.filter((route) => route.gateway !== undefined);
  let failure: unknown;
  for (const { destination, gateway, source, metric, mtuBytes, onLink } of [...direct, ...indirect]) {
    try {
      replaceRoute(socket, {
        destination,
        link,
        ...(gateway === undefined ? {} : { gateway }),
        ...(source === undefined ? {} : { source }),
        ...(metric === undefined ? {} : { metric }),
        ...(mtuBytes === undefined ? {} : { mtuBytes }),
        ...(onLink === undefined ? {} : { onLink }),
      });
    } catch (error) {
      failure ??= error;
    }
  }
  return failure;
}

/** The gateways of the default routes with the lowest metric, at most one per family, IPv4 first. */
export function defaultGateways(network: HostNetwork): readonly string[] {
  return ["0.0.0.0/0", "::/0"].flatMap((destination) => {
    const [best] = network.routes
      .filter((route) => route.destination === destination && route.gateway !== undefined)
      .sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
    return best?.gateway ?? [];
  });
}

/** Both together; of two routes to the same destination with the same metric the second counts. */
export function mergeHostNetworks(first: HostNetwork, second: HostNetwork): HostNetwork {
  const routes = new Map(
    [...first.routes, ...second.routes].map((route) => [`${route.destination} ${route.metric}`, route]),
  );
  return { addresses: [...new Set([...first.addresses, ...second.addresses])], routes: [...routes.values()] };
}

/** Whether all addresses and routes of the second are in the first. */
export function holdsHostNetwork(first: HostNetwork, second: HostNetwork): boolean {
  const routes = new Set(first.routes.map((route) => JSON.stringify(route)));
  return (
    second.addresses.every((address) => first.addresses.includes(address)) &&
    second.routes.every((route) => routes.has(JSON.stringify(route)))
  );
}

export function sameHostNetwork(first: HostNetwork, second: HostNetwork): boolean {
  const text = ({ addresses, routes }: HostNetwork) =>
    JSON.stringify([[...addresses].sort(), routes.map((route) => JSON.stringify(route)).sort()]);
  return text(first) === text(second);
}
