import { isIP } from "node:net";
import { canonicalPrefix, getLink, listAddresses, listLinks, type RouteSocket } from "./netlink/index.ts";
import {
  bridgeOf,
  datapathOf,
  findBridge,
  findInterface,
  openVswitchRow,
  type VswitchdSession,
} from "./vswitchd/index.ts";

/**
 * Why tunnels to other nodes can't work; undefined when nothing speaks against them. The userspace datapath sends and
 * receives tunnels itself ("native tunneling", Documentation/howto/userspace-tunneling.rst of Open vSwitch): the tunnels'
 * address has to lie on an internal port of one of its bridges, or else packets to other nodes are lost in silence.
 */
export function tunnelProblem(
  { replica }: Pick<VswitchdSession, "replica">,
  socket: RouteSocket,
  integrationBridge: string,
): string | undefined {
  const bridge = findBridge(replica, integrationBridge);
  if (!bridge || datapathOf(bridge) !== "netdev") return undefined;
  const addresses = (openVswitchRow(replica)?.external_ids.get("ovn-encap-ip") ?? "")
    .split(",")
    .filter((address) => address !== "");
  const onLinks = listAddresses(socket);
  const names = new Map(listLinks(socket).map(({ index, name }) => [index, name]));
  for (const address of addresses) {
    if (isIP(address) === 0) return `the tunnels' address ${address} is no IP address`;
    const wanted = canonicalPrefix(address);
    const found = onLinks.find((candidate) => canonicalPrefix(candidate.address.replace(/\/.*/, "")) === wanted);
    const device = found && names.get(found.linkIndex);
    if (device === undefined) return `the tunnels' address ${address} lies on no device of this node`;
    if (isNative(replica, device) && getLink(socket, device)) continue;
    return (
      `the tunnels' address ${address} lies on ${device}, which is no internal port of Open vSwitch: with the datapath ` +
      `netdev packets to other nodes are lost; put ${device} onto a bridge, with --uplink ${device} or as docs/install.md says`
    );
  }
  return undefined;
}

function isNative(replica: VswitchdSession["replica"], device: string): boolean {
  if (findInterface(replica, device)?.type !== "internal") return false;
  const bridge = bridgeOf(replica, device);
  return bridge !== undefined && datapathOf(bridge) === "netdev";
}
