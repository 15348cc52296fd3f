import type { NodeNetworkAnnotation } from "@ovenbird/kube";
import type { OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import type { Logger } from "../logger.ts";
import { disableTxOffload, getLink, type RouteSocket, setLink } from "../netlink/index.ts";
import {
  bridgeOf,
  datapathOf,
  findBridge,
  findInterface,
  insertPort,
  type VswitchdSession,
} from "../vswitchd/index.ts";
import { applyAddresses, applyRoutes, applySysctls } from "./host-side.ts";
import { applyPolicyRouting, type HostServices } from "./policy-routing.ts";

/** Marks the interface as the agent's own. */
const ownerKey = "ovenbird.io/owner";
const owner = "management";

export interface ManagementPortOptions {
  readonly session: VswitchdSession;
  readonly socket: RouteSocket;
  readonly integrationBridge: string;
  /** The device's name, `ovenbird0` by default. */
  readonly interfaceName: string;
  readonly logger: Logger;
}

export interface ManagementPort {
  /** Whether the port stood as it should when it was last looked at. */
  readonly ready: boolean;
  /** What the controller wants; undefined = not told yet, what stands is left as it is. */
  network: NodeNetworkAnnotation | undefined;
  /** How the host reaches Services; undefined = not known yet, what stands for them is left as it is. */
  services: HostServices | undefined;
  /** Brings the interface, its addresses, settings and routes to what the controller wants; idempotent. */
  reconcile(): Promise<void>;
  concerns(row: { readonly name: string }): boolean;
}

/**
 * The node's own door to the pods: an internal interface on the integration bridge, bound to the node's management port
 * in OVN. Its device is made anew, without addresses, whenever vswitchd restarts (userspace datapath).
 */
export function createManagementPort(options: ManagementPortOptions): ManagementPort {
  const { session, socket, integrationBridge, interfaceName, logger } = options;
  let network: NodeNetworkAnnotation | undefined;
  let services: HostServices | undefined;
  let ready = false;
  let configuredIndex: number | undefined;

  return {
    get ready() {
      return ready;
    },
    get network() {
      return network;
    },
    set network(value) {
      network = value;
    },
    get services() {
      return services;
    },
    set services(value) {
      services = value;
    },
    async reconcile() {
      if (!network) return;
      await ensureInterface(options, network);
      const link = getLink(socket, interfaceName);
      if (!link) {
        // vswitchd makes the device when it sees the row; its link event brings us back.
        ready = false;
        return;
      }
      const bridge = findBridge(session.replica, integrationBridge);
      if (bridge && datapathOf(bridge) === "netdev") disableTxOffload(interfaceName);
      applySysctls(interfaceName, logger);
      const { mtuBytes } = network;
      if (!link.up || link.mtuBytes !== mtuBytes) setLink(socket, interfaceName, { up: true, mtuBytes });
      applyAddresses(socket, link, network);
      applyRoutes(socket, link, network, services?.routedAddresses);
      applyPolicyRouting(socket, link, network, services);
      ready = true;
      if (configuredIndex !== link.index) {
        configuredIndex = link.index;
        logger.info(
          { interface: interfaceName, addresses: network.managementPort.addresses, routes: network.routes },
          "configured the management port",
        );
      }
    },
    concerns: ({ name }) => name === interfaceName || name === integrationBridge,
  };
}

/** @throws Error when an interface of that name exists and is not ours */
async function ensureInterface(options: ManagementPortOptions, network: NodeNetworkAnnotation): Promise<void> {
  const { session, integrationBridge, interfaceName } = options;
  const { client, replica } = session;
  const { port, mac } = network.managementPort;
  const { mtuBytes } = network;
  const row = findInterface(replica, interfaceName);
  if (!row) {
    const bridge = findBridge(replica, integrationBridge);
    if (!bridge) throw new Error(`the integration bridge ${integrationBridge} does not exist`);
    const transaction = client.transaction().comment("ovenbird: add the management port");
    const portId = insertPort(transaction, {
      name: interfaceName,
      type: "internal",
      mac,
      mtuBytes,
      externalIds: { "iface-id": port, [ownerKey]: owner },
    });
    await transaction.mutate("Bridge", bridge._uuid, { ports: { insert: [portId] } }).commit();
    return;
  }
  if (row.external_ids.get(ownerKey) !== owner) {
    throw new Error(
      `an interface ${interfaceName} exists on ${bridgeOf(replica, interfaceName)?.name} and is not ours`,
    );
  }
  if (isRight(row, { port, mac, mtuBytes })) return;
  await client
    .transaction()
    .comment("ovenbird: correct the management port")
    .update("Interface", row._uuid, { mac, mtu_request: mtuBytes })
    .mutate("Interface", row._uuid, { external_ids: { insert: { "iface-id": port } } })
    .commit();
}

function isRight(
  row: OpenVswitchRows.Interface,
  wanted: { readonly port: string; readonly mac: string; readonly mtuBytes: number },
): boolean {
  return (
    row.external_ids.get("iface-id") === wanted.port &&
    row.mac === wanted.mac &&
    Number(row.mtu_request) === wanted.mtuBytes
  );
}
