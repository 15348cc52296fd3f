import { getLink, type RouteSocket } from "../netlink/index.ts";
import {
  bridgeOf,
  type Datapath,
  findBridge,
  insertBridge,
  insertPort,
  openVswitchRow,
  type VswitchdSession,
} from "../vswitchd/index.ts";
import { mergeHostNetworks, readHostNetwork } from "./host-network.ts";
import { type BridgeMemory, memoryKey, readMemory } from "./memory.ts";

/**
 * Makes the uplink a port of the gateway bridge, and the bridge itself where there is none, in one transaction: the
 * bridge takes the uplink's hardware address, so that no neighbour notices, and remembers the uplink's addresses and
 * routes, so that the move can be finished by whoever starts next.
 * @throws Error when the uplink doesn't exist or belongs to something else
 */
export async function takeUplink(options: {
  readonly session: VswitchdSession;
  readonly socket: RouteSocket;
  readonly bridgeName: string;
  readonly uplink: string;
  readonly datapath: Datapath;
}): Promise<void> {
  const { session, socket, bridgeName, uplink, datapath } = options;
  const { client, replica } = session;
  const link = getLink(socket, uplink);
  if (!link) throw new Error(`the uplink ${uplink} does not exist`);
  const other = bridgeOf(replica, uplink);
  if (other) throw new Error(`the uplink ${uplink} is a port of the bridge ${other.name}`);
  if (link.masterIndex !== undefined)
    throw new Error(`the uplink ${uplink} is a port of a bridge, bond or VRF of the kernel`);
  if (!link.mac) throw new Error(`the uplink ${uplink} has no hardware address`);
  const openVswitch = openVswitchRow(replica);
  if (!openVswitch) throw new Error("the Open_vSwitch database is empty");

  const transaction = client.transaction().comment(`ovenbird: move ${uplink} onto ${bridgeName}`);
  const port = insertPort(transaction, { name: uplink, type: "" });
  const onUplink = readHostNetwork(socket, link);
  const bridge = findBridge(replica, bridgeName);
  if (!bridge) {
    const memory: BridgeMemory = { phase: "moving", network: onUplink };
    insertBridge(transaction, openVswitch._uuid, {
      name: bridgeName,
      datapath,
      otherConfig: { hwaddr: link.mac },
      externalIds: { [memoryKey]: JSON.stringify(memory) },
      ports: [port],
    });
  } else {
    const before = readMemory(bridge.external_ids);
    const network = before ? mergeHostNetworks(before.network, onUplink) : onUplink;
    const memory: BridgeMemory = { phase: "moving", network };
    transaction.mutate("Bridge", bridge._uuid, {
      ports: { insert: [port] },
      external_ids: { insert: { [memoryKey]: JSON.stringify(memory) } },
      ...(bridge.other_config.has("hwaddr") ? {} : { other_config: { insert: { hwaddr: link.mac } } }),
    });
  }
  await transaction.commit();
}
