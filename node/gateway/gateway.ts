import type { NodeChassisAnnotation } from "@ovenbird/kube";
import type { OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import type { Logger } from "../logger.ts";
import {
  disableTxOffload,
  getLink,
  guardDevice,
  type Link,
  type NetfilterSocket,
  NetlinkError,
  type RouteSocket,
  setLink,
} from "../netlink/index.ts";
import {
  type BridgeInterface,
  bridgeProblem,
  convertCommand,
  type Datapath,
  datapathOf,
  findBridge,
  findInterface,
  interfacesOf,
  type VswitchdSession,
} from "../vswitchd/index.ts";
import { type BridgeFlow, bridgeFlows, flowKey } from "./bridge-flows.ts";
import {
  defaultGateways,
  type HostNetwork,
  holdsHostNetwork,
  mergeHostNetworks,
  moveHostNetwork,
  readHostNetwork,
  readLinkLocalAddresses,
  sameHostNetwork,
} from "./host-network.ts";
import { type FlowTable, installFlows } from "./install-flows.ts";
import { type BridgeMemory, memoryKey, readMemory } from "./memory.ts";
import { type BridgeServices, noServices } from "./service-flows.ts";
import { takeUplink } from "./take-uplink.ts";

/**
 * How long after its start vswitchd may still take a device down and up again (it does to set a hardware address), which
 * costs the device its routes and IPv6 addresses. What goes missing within this time was taken by nobody on purpose.
 */
const settlingMs = 10_000;
/** Each repair is itself a change of routes: what can't be repaired must not be tried without end. */
const mostLooksWhileUnsettled = 100;

const noFlows: FlowTable = new Map();

export interface GatewayOptions {
  readonly session: VswitchdSession;
  readonly socket: RouteSocket;
  readonly netfilter: NetfilterSocket;
  readonly bridgeName: string;
  /** Moved onto the bridge if it isn't there; undefined = the bridge is used as it is. */
  readonly uplink: string | undefined;
  readonly physicalNetwork: string;
  /** Of a bridge that has to be made. */
  readonly datapath: Datapath;
  /** Where vswitchd has its sockets. */
  readonly rundir: string;
  readonly logger: Logger;
}

export type GatewayState =
  /** The node has no gateway bridge. */
  | { readonly kind: "absent" }
  /** There is a bridge, and something on it is still missing. */
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "present"; readonly gateway: NonNullable<NodeChassisAnnotation["gateway"]> };

export interface Gateway {
  readonly state: GatewayState;
  /** What is reached from outside through the bridge; undefined = not known yet, flows that are there for it stay. */
  services: BridgeServices | undefined;
  /** Networks of pods that come in and leave by the bridge untranslated. */
  routed: readonly string[];
  /** Brings bridge, addresses, routes, guard and flows to what they should be; idempotent. */
  reconcile(): Promise<void>;
  /** vswitchd has restarted: its flows are gone, and its devices are still being set up. */
  vswitchdRestarted(): void;
  /** Whether a change of an interface, port or bridge can concern the gateway. */
  concerns(row: { readonly name: string; readonly type?: string }): boolean;
}

/** The way out of the cluster: the bridge that host and gateway router share. */
export function createGateway(options: GatewayOptions): Gateway {
  const { session, socket, netfilter, bridgeName, uplink, logger } = options;
  let state: GatewayState = { kind: "waiting", reason: "not looked at yet" };
  /** What is on the bridge; not `isWhole` while flows of a former agent may be there as well. */
  let installed: { readonly flows: FlowTable; readonly isWhole: boolean } | undefined;
  /** Since the reconciliation under way began. */
  let restarted = false;
  let settledAtMs = performance.now() + settlingMs;
  let looksWhileUnsettled = mostLooksWhileUnsettled;
  let lastMac: string | undefined;
  let mismatch: Datapath | undefined;
  let services: BridgeServices | undefined;
  let routed: readonly string[] = [];

  async function next(): Promise<GatewayState> {
    let bridge = findBridge(session.replica, bridgeName);
    if (uplink !== undefined && !(bridge && hasInterface(session, bridge, uplink))) {
      await takeUplink({ ...options, uplink });
      logger.info({ bridge: bridgeName, uplink }, "moved the uplink onto the gateway bridge");
      bridge = findBridge(session.replica, bridgeName);
    }
    if (!bridge) return { kind: "absent" };
    const device = getLink(socket, bridgeName);
    tellMismatch(bridge);
    if (!device) {
      const problem = bridgeProblem(session.replica, socket, bridgeName);
      return { kind: "waiting", reason: problem ?? `the device ${bridgeName} is not there` };
    }
    const uplinkInterface = findUplink(session, bridge, uplink);
    if (!uplinkInterface) return { kind: "waiting", reason: `${bridgeName} has no working uplink` };
    const userspace = datapathOf(bridge) === "netdev";
    if (userspace) {
      disableTxOffload(bridgeName);
      completeChecksums(uplinkInterface.row.name, logger);
    }
    const unsettled = looksWhileUnsettled > 0 && (performance.now() < settledAtMs || device.mac !== lastMac);
    if (unsettled) looksWhileUnsettled -= 1;
    const network = await settleHostNetwork(options, bridge, device, uplinkInterface.row.name, unsettled);
    lastMac = device.mac;
    // Not before the addresses have left the uplink: until then the host's stack still hears through it.
    if (userspace) guardDevice(netfilter, uplinkInterface.row.name);
    return present(bridge, uplinkInterface, unsettled ? network : undefined);
  }

  /** @param promised what the bridge has to bear before it is told to anybody: half of it would move the way out */
  async function present(
    bridge: OpenVswitchRows.Bridge,
    uplinkInterface: BridgeInterface,
    promised: HostNetwork | undefined,
  ): Promise<GatewayState> {
    const device = getLink(socket, bridgeName);
    if (!device?.mac) return { kind: "waiting", reason: `the device ${bridgeName} has no hardware address` };
    const network = readHostNetwork(socket, device);
    await install(
      bridgeFlows({
        uplinkPort: Number(uplinkInterface.row.ofport),
        patchPort: findPatchPort(session, bridge, isGatewayPatch),
        outletPort: findPatchPort(session, bridge, isOutletPatch),
        routed,
        mac: device.mac,
        nodeAddresses: [
          ...network.addresses.map((address) => address.split("/")[0] ?? address),
          ...readLinkLocalAddresses(socket, device),
        ],
        services: services ?? noServices,
      }),
    );
    if (network.addresses.length === 0) return { kind: "waiting", reason: `${bridgeName} has no address` };
    if (promised !== undefined && !(holdsHostNetwork(network, promised) && bearsItsOwnMac(device)))
      return { kind: "waiting", reason: `vswitchd is still setting up ${bridgeName}` };
    return {
      kind: "present",
      gateway: {
        mac: device.mac,
        addresses: [...network.addresses],
        nextHops: [...defaultGateways(network)],
        physicalNetwork: options.physicalNetwork,
      },
    };
  }

  /** Warns once of a bridge that can't be patched to the integration bridge, since their datapaths differ. */
  function tellMismatch(bridge: OpenVswitchRows.Bridge): void {
    const found = datapathOf(bridge);
    const wanted = options.datapath;
    if (found === wanted || found === mismatch) return;
    mismatch = found;
    const command = convertCommand(wanted, undefined, [bridgeName]);
    logger.warn(
      { bridge: bridgeName, datapath: found, integrationBridgeHas: wanted, command },
      "the gateway bridge has another datapath than the integration bridge, so nothing passes between them; run the command to convert it",
    );
  }

  /**
   * A bridge's device is born with a hardware address of chance and gets its own a moment later; vswitchd tells the
   * database only of that one.
   */
  function bearsItsOwnMac(device: Link): boolean {
    return findInterface(session.replica, bridgeName)?.mac_in_use === device.mac;
  }

  async function install(flows: readonly BridgeFlow[]): Promise<void> {
    const wanted = new Map(flows.map((flow) => [flowKey(flow), flow.actions]));
    const before = installed;
    // Until it is done, and if it fails, nobody knows what is there.
    installed = undefined;
    const isWhole = services !== undefined;
    const known = isWhole && before?.isWhole !== true ? undefined : (before?.flows ?? noFlows);
    const changed = await installFlows(options.rundir, bridgeName, wanted, known);
    // A restart of vswitchd meanwhile has emptied the tables again.
    if (!restarted) installed = { flows: wanted, isWhole };
    if (changed === 0) return;
    const level = before === undefined ? "info" : "debug";
    logger[level]({ bridge: bridgeName, flows: wanted.size, changed }, "installed the gateway bridge's flows");
  }

  return {
    get state() {
      return state;
    },
    get services() {
      return services;
    },
    set services(value) {
      services = value;
    },
    get routed() {
      return routed;
    },
    set routed(value) {
      routed = value;
    },
    async reconcile() {
      restarted = false;
      const before = state;
      state = await next();
      if (state.kind === "waiting" && (before.kind !== "waiting" || before.reason !== state.reason)) {
        logger.info({ reason: state.reason }, "the gateway waits");
      }
    },
    vswitchdRestarted() {
      installed = undefined;
      restarted = true;
      settledAtMs = performance.now() + settlingMs;
      looksWhileUnsettled = mostLooksWhileUnsettled;
    },
    concerns: ({ name, type }) => name === bridgeName || name === uplink || type === "patch",
  };
}

/** A network card that has no such offload can't switch it off either, and needs not. */
function completeChecksums(uplink: string, logger: Logger): void {
  try {
    disableTxOffload(uplink);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EOPNOTSUPP")) throw error;
    logger.debug({ uplink }, "the uplink's checksum offload can't be switched");
  }
}

/**
 * Sees to it that the bridge's device bears the host's addresses and routes, and remembers them.
 * A device that is new, or down, or one whose move was interrupted gets what is remembered, and so does one that vswitchd
 * is still setting up; otherwise what it bears is the truth and is remembered anew.
 * @returns what the bridge is to bear
 */
async function settleHostNetwork(
  options: GatewayOptions,
  bridge: OpenVswitchRows.Bridge,
  device: Link,
  uplinkName: string,
  unsettled: boolean,
): Promise<HostNetwork> {
  const { session, socket, bridgeName, uplink, logger } = options;
  const memory = readMemory(bridge.external_ids);
  const uplinkLink = getLink(socket, uplinkName);
  if (uplinkLink && !uplinkLink.up) setLink(socket, uplinkName, { up: true });
  const onBridge = readHostNetwork(socket, device);
  // Only an uplink that was named is ours to strip of its addresses.
  const onUplink = uplink !== undefined && uplinkLink ? readHostNetwork(socket, uplinkLink) : undefined;
  const moving = onUplink !== undefined && onUplink.addresses.length > 0;
  if (!device.up) setLink(socket, bridgeName, { up: true });
  if (moving) {
    // What the bridge bears, or has to get back, stays beside what somebody has put onto the uplink now.
    const before =
      memory !== undefined && isFresh(memory, device) ? mergeHostNetworks(memory.network, onBridge) : onBridge;
    const network = mergeHostNetworks(before, onUplink);
    await remember(session, bridge, memory, { phase: "moving", network });
    moveHostNetwork(socket, network, bridgeName, uplinkName);
    await remember(session, bridge, undefined, { phase: "settled", linkIndex: device.index, network });
    logger.info({ bridge: bridgeName, uplink, addresses: network.addresses }, "moved the host's addresses and routes");
    return network;
  }
  const restored = memory && (isFresh(memory, device) || (unsettled && !holdsHostNetwork(onBridge, memory.network)));
  if (restored) {
    moveHostNetwork(socket, memory.network, bridgeName);
    logger.info(
      { bridge: bridgeName, addresses: memory.network.addresses },
      "put the host's addresses and routes back",
    );
  }
  // Not what is read back at once: vswitchd may have taken the device down in between.
  const network = memory && (restored || unsettled) ? mergeHostNetworks(memory.network, onBridge) : onBridge;
  await remember(session, bridge, memory, { phase: "settled", linkIndex: device.index, network });
  return network;
}

function isFresh(memory: BridgeMemory, device: Link): boolean {
  return memory.phase === "moving" || memory.linkIndex !== device.index || !device.up;
}

async function remember(
  session: VswitchdSession,
  bridge: OpenVswitchRows.Bridge,
  before: BridgeMemory | undefined,
  memory: BridgeMemory,
): Promise<void> {
  if (
    before?.phase === memory.phase &&
    before.linkIndex === memory.linkIndex &&
    sameHostNetwork(before.network, memory.network)
  ) {
    return;
  }
  await session.client
    .transaction()
    .mutate("Bridge", bridge._uuid, { external_ids: { insert: { [memoryKey]: JSON.stringify(memory) } } })
    .commit();
}

function hasInterface(session: VswitchdSession, bridge: OpenVswitchRows.Bridge, name: string): boolean {
  return interfacesOf(session.replica, bridge).some(({ row }) => row.name === name);
}

/** The named uplink, else the bridge's only port that is neither internal nor a patch; with a working OpenFlow port. */
function findUplink(
  session: VswitchdSession,
  bridge: OpenVswitchRows.Bridge,
  name: string | undefined,
): BridgeInterface | undefined {
  const candidates = interfacesOf(session.replica, bridge).filter(
    ({ row }) =>
      Number(row.ofport ?? -1) > 0 &&
      (name === undefined ? row.type !== "internal" && row.type !== "patch" : row.name === name),
  );
  return candidates.length === 1 ? candidates[0] : undefined;
}

/** By the names that the controller gives to localnet ports: the node's gateway router's switch. */
const isGatewayPatch = (localnet: string): boolean => /^external\..+-localnet$/.test(localnet);
/** The switch that all nodes share, of routers with addresses of their own. */
const isOutletPatch = (localnet: string): boolean => localnet === "external-localnet";

/** The OpenFlow port of one of ovn-controller's patches to the integration bridge, which come with localnet ports. */
function findPatchPort(
  session: VswitchdSession,
  bridge: OpenVswitchRows.Bridge,
  isWanted: (localnet: string) => boolean,
): number | undefined {
  const [patch] = interfacesOf(session.replica, bridge)
    .filter(
      ({ row, port }) =>
        row.type === "patch" &&
        isWanted(port.external_ids.get("ovn-localnet-port") ?? "") &&
        Number(row.ofport ?? -1) > 0,
    )
    .sort((a, b) => (a.row.name < b.row.name ? -1 : 1));
  return patch ? Number(patch.row.ofport) : undefined;
}
