/**
 * The kernel's network configuration, by netlink: links, addresses, routes, neighbours, settings, in any namespace.
 * Every call is synchronous and takes 20 to 100 µs; open one socket per namespace and keep it as long as it is needed:
 *
 * ```ts
 * using socket = openRouteSocket();            // this namespace; openRouteSocket(path) for another
 * setLink(socket, "ovenbird0", { up: true, mtuBytes: 1400 });
 * addAddress(socket, "ovenbird0", "10.244.0.2/24", { noDad: true });
 * replaceRoute(socket, { destination: "10.244.0.0/16", gateway: "10.244.0.1", link: "ovenbird0" });
 * ```
 * Errors are {@link NetlinkError} with the errno's name as `code`.
 */
export { type Address, type AddressOptions, addAddress, deleteAddress, listAddresses } from "./addresses.ts";
export { disableTxOffload } from "./checksum-offload.ts";
export { guardDevice, listGuardedDevices, unguardDevice } from "./device-guard.ts";
export { isGone, NetlinkError } from "./error.ts";
export { type FrameReader, readFrames } from "./frame-reader.ts";
export { hasGenericFamily } from "./generic.ts";
export {
  createVeth,
  deleteLink,
  deleteLinkInBackground,
  getLink,
  type Link,
  type LinkChanges,
  linkIndex,
  listLinks,
  setLink,
  type VethEnd,
} from "./links.ts";
export { addressBytes, addressText, canonicalPrefix } from "./message.ts";
export { inNamespace, setSysctl } from "./namespace.ts";
export { deleteNeighbor, replaceNeighbor } from "./neighbors.ts";
export { type NetworkChange, type NetworkWatchOptions, watchNetwork } from "./network-watch.ts";
export { betweenServers, type FilterInstruction, mostFilterAddresses } from "./packet-filter.ts";
export { openPacketSocket, type PacketSocket } from "./packet-socket.ts";
export { deleteRoute, type ListedRoute, listRoutes, mainTable, type Route, replaceRoute } from "./routes.ts";
export { addRule, deleteRule, listRules, localTable, type Rule, ruleKey } from "./rules.ts";
export { type NetfilterSocket, openNetfilterSocket, openRouteSocket, type RouteSocket } from "./socket.ts";
