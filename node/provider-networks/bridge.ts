import { randomUUID } from "node:crypto";
import type { OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import { type BridgeMemory, memoryKey } from "../gateway/memory.ts";
import type { Link } from "../netlink/index.ts";
import { type Datapath, insertBridge, insertPort, openVswitchRow, type VswitchdSession } from "../vswitchd/index.ts";
import { bondName, ownerKey, ownerOf } from "./names.ts";

/** On a bridge: the uplink that gets the host's addresses back when the bridge goes. */
export const homeKey = "ovenbird.io/address-uplink";

/** ovs-vswitchd.conf.db(5): a link that is cut is given up within this time. */
const bondSettings = { "bond-detect-mode": "carrier", "bond-miimon-interval": "100" };

export type BondMode = NonNullable<OpenVswitchRows.Port["bond_mode"]>;

/**
 * Makes a provider network's bridge with its uplinks in one transaction. The bridge takes the hardware address of the
 * uplink that bears the host's addresses, so that no neighbour notices, and remembers those addresses and routes, so that
 * the move can be finished by whoever starts next.
 * @param home the uplink that bears the host's addresses, else the first
 */
export async function makeBridge(
  session: VswitchdSession,
  bridge: {
    readonly network: string;
    readonly name: string;
    readonly datapath: Datapath;
    readonly uplinks: readonly Link[];
    readonly home: Link;
    readonly bondMode: BondMode | undefined;
    readonly memory: BridgeMemory;
  },
): Promise<void> {
  const { network, name, datapath, uplinks, home, bondMode, memory } = bridge;
  const openVswitch = openVswitchRow(session.replica);
  if (!openVswitch) throw new Error("the Open_vSwitch database is empty");
  const transaction = session.client
    .transaction()
    .comment(`ovenbird: put ${uplinks.map((link) => link.name).join(", ")} onto ${name}`);
  const port = randomUUID();
  if (bondMode === undefined) {
    insertBridge(transaction, openVswitch._uuid, {
      ...settingsOf(network, name, datapath, home, memory),
      ports: [insertPort(transaction, { name: home.name, type: "" })],
    });
  } else {
    const interfaces = uplinks.map((link) => {
      const uuid = randomUUID();
      transaction.insert("Interface", { name: link.name, type: "" }, uuid);
      return uuid;
    });
    transaction.insert(
      "Port",
      { name: bondName(network), interfaces, bond_mode: bondMode, other_config: bondSettings },
      port,
    );
    insertBridge(transaction, openVswitch._uuid, {
      ...settingsOf(network, name, datapath, home, memory),
      ports: [port],
    });
  }
  await transaction.commit();
}

const settingsOf = (network: string, name: string, datapath: Datapath, home: Link, memory: BridgeMemory) => ({
  name,
  datapath,
  ...(home.mac === undefined ? {} : { otherConfig: { hwaddr: home.mac } }),
  externalIds: {
    [ownerKey]: ownerOf(network),
    [homeKey]: home.name,
    [memoryKey]: JSON.stringify(memory),
  },
});

/** Takes a bridge away, with all its ports. */
export async function removeBridge(session: VswitchdSession, bridge: OpenVswitchRows.Bridge): Promise<void> {
  const openVswitch = openVswitchRow(session.replica);
  if (!openVswitch) return;
  await session.client
    .transaction()
    .comment(`ovenbird: take ${bridge.name} away`)
    .mutate("Open_vSwitch", openVswitch._uuid, { bridges: { delete: [bridge._uuid] } })
    .commit();
}

export async function setBondMode(
  session: VswitchdSession,
  port: OpenVswitchRows.Port,
  bondMode: BondMode,
): Promise<void> {
  await session.client.transaction().update("Port", port._uuid, { bond_mode: bondMode }).commit();
}

export async function remember(
  session: VswitchdSession,
  bridge: OpenVswitchRows.Bridge,
  memory: BridgeMemory,
): Promise<void> {
  const text = JSON.stringify(memory);
  await session.client
    .transaction()
    .mutate("Bridge", bridge._uuid, { external_ids: { insert: { [memoryKey]: text } } })
    .commit();
}
