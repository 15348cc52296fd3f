import type { OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import { sendAnnouncement } from "../announcer/index.ts";
import {
  type HostNetwork,
  holdsHostNetwork,
  mergeHostNetworks,
  moveHostNetwork,
  readHostNetwork,
  sameHostNetwork,
} from "../gateway/host-network.ts";
import { type BridgeMemory, readMemory } from "../gateway/memory.ts";
import type { Logger } from "../logger.ts";
import { getLink, type Link, listAddresses, type RouteSocket, setLink } from "../netlink/index.ts";
import type { VswitchdSession } from "../vswitchd/index.ts";
import { homeKey, remember } from "./bridge.ts";

interface Parts {
  readonly session: VswitchdSession;
  readonly socket: RouteSocket;
  readonly logger: Logger;
}

/**
 * Sees to it that a provider network's bridge bears the addresses and routes that the host had on its uplinks, and
 * remembers them. As on the gateway bridge: a device that is new, or whose move was interrupted, gets what is remembered,
 * and so does one that vswitchd is still setting up; otherwise what it bears is the truth and is remembered anew.
 * @param device the bridge's own
 * @param unsettled vswitchd may still take the device down and up again
 * @param mayMove whether addresses are taken from the uplinks, which somebody else may put there again and again
 * @returns whether addresses were moved
 * @throws {Error} when there is something to move and that may not be
 */
export async function settleOnBridge(
  { session, socket, logger }: Parts,
  bridge: OpenVswitchRows.Bridge,
  device: Link,
  uplinks: readonly Link[],
  unsettled: boolean,
  mayMove: boolean,
): Promise<boolean> {
  const memory = readMemory(bridge.external_ids);
  for (const link of uplinks) if (!link.up) setLink(socket, link.name, { up: true });
  const onBridge = readHostNetwork(socket, device);
  const onUplinks = uplinks.map((link) => readHostNetwork(socket, link));
  const moving = onUplinks.some(({ addresses }) => addresses.length > 0);
  if (moving) {
    if (!mayMove) {
      const names = uplinks.map(({ name }) => name).join(" and ");
      throw new Error(`somebody puts addresses onto ${names} again and again: let him give them to ${bridge.name}`);
    }
    // What the bridge bears, or has to get back, stays beside what somebody has put onto the uplink now.
    const before =
      memory !== undefined && isFresh(memory, device) ? mergeHostNetworks(memory.network, onBridge) : onBridge;
    const network = onUplinks.reduce(mergeHostNetworks, before);
    await write(session, bridge, memory, { phase: "moving", network });
    if (!device.up) setLink(socket, bridge.name, { up: true });
    for (const link of uplinks) moveHostNetwork(socket, network, bridge.name, link.name);
    await write(session, bridge, undefined, { phase: "settled", linkIndex: device.index, network });
    announce(socket, bridge.name, network);
    logger.info(
      { bridge: bridge.name, uplinks: uplinks.map(({ name }) => name), addresses: network.addresses },
      "moved the host's addresses and routes",
    );
    return true;
  }
  const restored =
    memory !== undefined &&
    memory.network.addresses.length > 0 &&
    (isFresh(memory, device) || (unsettled && !holdsHostNetwork(onBridge, memory.network)));
  if (restored) {
    if (!device.up) setLink(socket, bridge.name, { up: true });
    moveHostNetwork(socket, memory.network, bridge.name);
    logger.info(
      { bridge: bridge.name, addresses: memory.network.addresses },
      "put the host's addresses and routes back",
    );
  }
  const network = memory && (restored || unsettled) ? mergeHostNetworks(memory.network, onBridge) : onBridge;
  await write(session, bridge, memory, { phase: "settled", linkIndex: device.index, network });
  return false;
}

/** What the host has by a bridge, or is to have by it again. */
function belongingsOf(socket: RouteSocket, bridge: OpenVswitchRows.Bridge) {
  const device = getLink(socket, bridge.name);
  const memory = readMemory(bridge.external_ids);
  const onBridge = device === undefined ? nothing : readHostNetwork(socket, device);
  const isTruth = memory === undefined || (device !== undefined && !isFresh(memory, device));
  return { device, memory, network: isTruth ? onBridge : mergeHostNetworks(memory.network, onBridge) };
}

/** Whether addresses of the host would go with a bridge: no uplink is there to take them, and no other link has them. */
export function holdsTheLast(socket: RouteSocket, bridge: OpenVswitchRows.Bridge, uplinks: readonly Link[]): boolean {
  if (uplinks.length > 0) return false;
  const { device, network } = belongingsOf(socket, bridge);
  const elsewhere = new Set(
    listAddresses(socket)
      .filter(({ linkIndex }) => linkIndex !== device?.index)
      .map(({ address }) => address),
  );
  return network.addresses.some((address) => !elsewhere.has(address));
}

/**
 * Gives the host's addresses and routes back to the uplink that had them. The bridge has to go right after: until then
 * with the userspace datapath frames reach the host by both devices, and with the kernel's by the bridge alone.
 */
export async function settleOnUplink(
  { session, socket, logger }: Parts,
  bridge: OpenVswitchRows.Bridge,
  uplinks: readonly Link[],
): Promise<void> {
  const home = uplinks.find(({ name }) => name === bridge.external_ids.get(homeKey)) ?? uplinks[0];
  const { device, memory, network } = belongingsOf(socket, bridge);
  if (home === undefined || (network.addresses.length === 0 && network.routes.length === 0)) return;
  await write(session, bridge, memory, { phase: "moving", network });
  if (!home.up) setLink(socket, home.name, { up: true });
  moveHostNetwork(socket, network, home.name, device === undefined ? undefined : bridge.name);
  announce(socket, home.name, network);
  logger.info(
    { bridge: bridge.name, uplink: home.name, addresses: network.addresses },
    "gave the host's addresses and routes back to the uplink",
  );
}

/** Of several uplinks another one may have been at work: switches outside have to learn where the address is now. */
function announce(socket: RouteSocket, device: string, { addresses }: HostNetwork): void {
  for (const address of addresses) sendAnnouncement(socket, device, address.split("/")[0] ?? address);
}

const nothing: HostNetwork = { addresses: [], routes: [] };

const isFresh = (memory: BridgeMemory, device: Link): boolean =>
  memory.phase === "moving" || memory.linkIndex !== device.index || !device.up;

async function write(
  session: VswitchdSession,
  bridge: OpenVswitchRows.Bridge,
  before: BridgeMemory | undefined,
  memory: BridgeMemory,
): Promise<void> {
  const isSame =
    before?.phase === memory.phase &&
    before.linkIndex === memory.linkIndex &&
    sameHostNetwork(before.network, memory.network);
  if (!isSame) await remember(session, bridge, memory);
}
