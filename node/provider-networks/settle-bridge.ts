import type { Logger } from "../logger.ts";
import {
  disableTxOffload,
  getLink,
  guardDevice,
  type Link,
  type NetfilterSocket,
  NetlinkError,
  type RouteSocket,
} from "../netlink/index.ts";
import { datapathOf, findBridge, interfacesOf, type VswitchdSession } from "../vswitchd/index.ts";
import { settleOnBridge } from "./host-side.ts";
import { speakIpv6 } from "./ipv6-of-uplink.ts";

/** As on the gateway bridge: how long after its start vswitchd may still take a device down and up again, in ms. */
const settlingMs = 10_000;
/** Each repair is itself a change of links: what can't be repaired must not be tried without end. */
const mostLooksWhileUnsettled = 100;
/** Whoever puts an address onto an uplink whenever it is taken off would keep both at it for ever. */
const mostMovesPerMinute = 10;
const minuteMs = 60_000;

export interface BridgeSettling {
  /** Brings the host's side of a bridge in order, with those of its uplinks that are there. @returns why it does not work yet */
  settle(name: string, links: readonly Link[]): Promise<string | undefined>;
  /** The bridge is gone. */
  forget(name: string): void;
  /** vswitchd has restarted: all devices are still being set up. */
  unsettle(): void;
}

/** The host's side of provider networks' bridges: addresses and routes, guards, checksums. */
export function createBridgeSettling(parts: {
  readonly session: VswitchdSession;
  readonly socket: RouteSocket;
  readonly netfilter: NetfilterSocket;
  readonly logger: Logger;
}): BridgeSettling {
  const { socket, netfilter, logger } = parts;
  const { replica } = parts.session;
  const movesMs = new Map<string, readonly number[]>();
  const settling = new Map<string, { index: number; untilMs: number; looks: number; mac: string | undefined }>();

  async function settle(name: string, links: readonly Link[]): Promise<string | undefined> {
    const bridge = findBridge(replica, name);
    const device = getLink(socket, name);
    if (bridge === undefined || device === undefined) return `ovs-vswitchd has not made the device ${name} yet`;
    const rows = interfacesOf(replica, bridge).filter(({ row }) => links.some((link) => link.name === row.name));
    const open = rows.filter(({ row }) => Number(row.ofport ?? -1) > 0);
    const closed = rows.filter(({ row }) => Number(row.ofport ?? -1) <= 0);
    const problem = closed
      .map(({ row }) => `ovs-vswitchd has not opened ${row.name}${row.error ? `: ${row.error}` : " yet"}`)
      .join("; ");
    // Not before: the host's addresses would lead nowhere.
    if (open.length === 0) return problem || `${name} has no uplink`;
    const userspace = datapathOf(bridge) === "netdev";
    const isSettling = looks(name, device);
    const present = links.filter((link) => open.some(({ row }) => row.name === link.name));
    if (userspace) for (const device of [name, ...present.map((link) => link.name)]) completeChecksums(device, logger);
    const nowMs = performance.now();
    const moves = (movesMs.get(name) ?? []).filter((atMs) => nowMs - atMs < minuteMs);
    const hasMoved = await settleOnBridge(
      parts,
      bridge,
      device,
      present,
      isSettling,
      moves.length < mostMovesPerMinute,
    );
    movesMs.set(name, hasMoved ? [...moves, nowMs] : moves);
    for (const link of present) {
      if (userspace) guardDevice(netfilter, link.name);
      speakIpv6(link.name, false);
    }
    return problem === "" ? undefined : problem;
  }

  function looks(name: string, device: Link): boolean {
    const known = settling.get(name);
    // Another index is another device: vswitchd has restarted, which is not always seen elsewhere.
    const state = (known?.index === device.index ? known : undefined) ?? {
      index: device.index,
      untilMs: performance.now() + settlingMs,
      looks: mostLooksWhileUnsettled,
      mac: undefined,
    };
    settling.set(name, state);
    const isSettling = state.looks > 0 && (performance.now() < state.untilMs || device.mac !== state.mac);
    if (isSettling) state.looks -= 1;
    state.mac = device.mac;
    return isSettling;
  }

  return {
    settle,
    forget(name) {
      settling.delete(name);
      movesMs.delete(name);
    },
    unsettle: () => settling.clear(),
  };
}

/** A network card that has no such offload can't switch it off either, and needs not. */
function completeChecksums(device: string, logger: Logger): void {
  try {
    disableTxOffload(device);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EOPNOTSUPP")) throw error;
    logger.debug({ device }, "the device's checksum offload can't be switched");
  }
}
