import { isGone } from "./error.ts";
import { linkIndex } from "./links.ts";
import {
  AF_INET,
  AF_INET6,
  type Attribute,
  addressBytes,
  addressText,
  attribute,
  attributesOf,
  familyOf,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  nested,
  parsePrefix,
  uint32,
  uint32Of,
} from "./message.ts";
import type { RouteSocket } from "./socket.ts";

/** rtnetlink(7), linux/rtnetlink.h */
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTAX_MTU = 2;
const RTNH_F_ONLINK = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const RTPROT_STATIC = 4;
export const mainTable = 254;
const rtmsgBytes = 12;

export interface Route {
  /** A prefix; `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: string;
  readonly gateway?: string;
  /** The outgoing link's name; needed without a gateway. */
  readonly link?: string;
  /** The source address that the node's own packets get by this route. */
  readonly source?: string;
  readonly mtuBytes?: number;
  readonly metric?: number;
  /** The main table (254) when absent. */
  readonly table?: number;
  /** The gateway is reached through `link` even though no prefix of the link covers it. */
  readonly onLink?: boolean;
}

/** A route as the kernel lists it; `link` is the outgoing link's index. */
export type ListedRoute = Omit<Route, "link"> & {
  readonly table: number;
  readonly linkIndex: number | undefined;
  /** Who put it there: 2 kernel, 3 boot, 4 static (ours and administrators'), 9 router advertisement, 16 DHCP, … */
  readonly protocol: number;
  readonly type: number;
};

/**
 * Adds a route, or replaces the one with the same destination, table and metric.
 * @throws {NetlinkError} ENODEV no such link, ENETUNREACH or EINVAL the gateway can't be reached, ENETDOWN the link is down
 */
export function replaceRoute(socket: RouteSocket, route: Route): void {
  socket.request(
    `set the route to ${route.destination}`,
    message(
      RTM_NEWROUTE,
      NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
      routeHeader(
        route,
        route.gateway === undefined && familyOf(route.destination.split("/")[0] ?? "") === AF_INET
          ? RT_SCOPE_LINK
          : RT_SCOPE_UNIVERSE,
      ),
      routeAttributes(socket, route),
    ),
  );
}

/** Deletes a route. @returns false when there was none */
export function deleteRoute(socket: RouteSocket, route: Route): boolean {
  try {
    socket.request(
      `delete the route to ${route.destination}`,
      message(
        RTM_DELROUTE,
        NLM_F_REQUEST | NLM_F_ACK,
        routeHeader(route, RT_SCOPE_NOWHERE),
        routeAttributes(socket, route),
      ),
    );
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** The unicast routes of one table in both families (multipath routes appear without gateway and link). */
export function listRoutes(socket: RouteSocket, table = mainTable): readonly ListedRoute[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const header = Buffer.alloc(rtmsgBytes);
    header[0] = family;
    return socket
      .dump("list routes", message(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, header, [uint32(RTA_TABLE, table)]))
      .filter((answer) => answer.type === RTM_NEWROUTE)
      .map(({ payload }) => routeOf(payload))
      .filter((route) => route.type === RTN_UNICAST && route.table === table);
  });
}

function routeOf(payload: Buffer): ListedRoute {
  const attributes = attributesOf(payload, rtmsgBytes);
  const family = payload[0] ?? AF_INET;
  const address = (type: number) => {
    const bytes = attributes.get(type);
    return bytes === undefined ? undefined : addressText(bytes);
  };
  const gateway = address(RTA_GATEWAY);
  const source = address(RTA_PREFSRC);
  const metric = uint32Of(attributes.get(RTA_PRIORITY));
  const metrics = attributes.get(RTA_METRICS);
  const mtuBytes = metrics === undefined ? undefined : uint32Of(attributesOf(metrics, 0).get(RTAX_MTU));
  return {
    destination: `${address(RTA_DST) ?? (family === AF_INET ? "0.0.0.0" : "::")}/${payload[1] ?? 0}`,
    ...(gateway === undefined ? {} : { gateway }),
    ...(source === undefined ? {} : { source }),
    ...(metric === undefined ? {} : { metric }),
    ...(mtuBytes === undefined ? {} : { mtuBytes }),
    ...((payload.readUInt32LE(8) & RTNH_F_ONLINK) === 0 ? {} : { onLink: true }),
    table: uint32Of(attributes.get(RTA_TABLE)) ?? payload[4] ?? 0,
    linkIndex: uint32Of(attributes.get(RTA_OIF)),
    protocol: payload[5] ?? 0,
    type: payload[7] ?? 0,
  };
}

/** struct rtmsg */
function routeHeader(route: Route, scope: number): Buffer {
  const { address, prefixLength } = parsePrefix(route.destination);
  const header = Buffer.alloc(rtmsgBytes);
  header[0] = familyOf(address);
  header[1] = prefixLength;
  header[5] = scope === RT_SCOPE_NOWHERE ? 0 : RTPROT_STATIC;
  header[6] = scope;
  header[7] = RTN_UNICAST;
  header.writeUInt32LE(route.onLink === true ? RTNH_F_ONLINK : 0, 8);
  return header;
}

function routeAttributes(socket: RouteSocket, route: Route): Attribute[] {
  const { address, prefixLength } = parsePrefix(route.destination);
  const attributes = [uint32(RTA_TABLE, route.table ?? mainTable)];
  if (prefixLength > 0) attributes.push(attribute(RTA_DST, addressBytes(address)));
  if (route.gateway !== undefined) attributes.push(attribute(RTA_GATEWAY, addressBytes(route.gateway)));
  if (route.link !== undefined) attributes.push(uint32(RTA_OIF, linkIndex(socket, route.link)));
  if (route.source !== undefined) attributes.push(attribute(RTA_PREFSRC, addressBytes(route.source)));
  if (route.metric !== undefined) attributes.push(uint32(RTA_PRIORITY, route.metric));
  if (route.mtuBytes !== undefined) attributes.push(nested(RTA_METRICS, [uint32(RTAX_MTU, route.mtuBytes)]));
  return attributes;
}
