import { getLink, openPacketSocket, type RouteSocket } from "../netlink/index.ts";
import { neighbourAnnouncement } from "./neighbour-announcement.ts";

/**
 * Sends an address's announcement out of the gateway bridge: as a frame of the bridge's own device, which its flows pass
 * to the uplink, with the hardware address that host and gateway router share.
 * @throws {NetlinkError} ENETDOWN, ENXIO; Error when the bridge has no device
 */
export function sendAnnouncement(socket: RouteSocket, bridge: string, address: string): void {
  const link = getLink(socket, bridge);
  if (link?.mac === undefined) throw new Error(`the device ${bridge} is not there`);
  using packets = openPacketSocket(link.index);
  packets.send(neighbourAnnouncement(address, link.mac));
}
