import { isDeepStrictEqual } from "node:util";
import type { OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import { mergeHostNetworks, readHostNetwork } from "../gateway/host-network.ts";
import type { Logger } from "../logger.ts";
import {
  getLink,
  type Link,
  listLinks,
  type NetfilterSocket,
  type RouteSocket,
  unguardDevice,
} from "../netlink/index.ts";
import { type Datapath, datapathOf, findBridge, openVswitchRow, type VswitchdSession } from "../vswitchd/index.ts";
import { makeBridge, removeBridge, setBondMode } from "./bridge.ts";
import { holdsTheLast, settleOnUplink } from "./host-side.ts";
import { speakIpv6 } from "./ipv6-of-uplink.ts";
import { selects } from "./label-selector.ts";
import { mappedName, mappingChanges } from "./mappings.ts";
import { bridgeName, networkOfBridge } from "./names.ts";
import { type Plan, type PlanInputs, planOf, uplinkInterfaces, uplinksOn } from "./plan.ts";
import type { NodeStatus, ProviderNetworkView } from "./provider-network-view.ts";
import { createBridgeSettling } from "./settle-bridge.ts";

/** How long vswitchd may take to open a new bridge's uplinks before that is told to anybody, in ms. */
const patienceMs = 3_000;
/** What the resource's schema takes of a message. */
const mostCharacters = 1_024;

export interface ProviderNetworksOptions {
  readonly session: VswitchdSession;
  readonly socket: RouteSocket;
  readonly netfilter: NetfilterSocket;
  readonly systemId: string;
  readonly integrationBridge: string;
  readonly gatewayBridge: string;
  /** The interface that the agent was told to move onto the gateway bridge. */
  readonly gatewayUplink: string | undefined;
  /** Of bridges that have to be made. */
  readonly datapath: Datapath;
  readonly networks: ReadonlyMap<string, ProviderNetworkView>;
  /** Writes what this node says in a network's status; undefined takes it out. */
  readonly report: (network: string, status: NodeStatus | undefined) => Promise<void>;
  /** Reconciles once more, after so long at most. */
  readonly lookAgain: (afterMs: number) => void;
  readonly logger: Logger;
}

export interface ProviderNetworks {
  /** Brings bridges, mappings, addresses and what the objects say of this node to what they should be; idempotent. */
  reconcile(labels: Readonly<Record<string, string>>): Promise<void>;
  /**
   * Sees to it that bridges which are there bear what the node has by them, and no more: before the objects are known, which
   * may be reached by one of these bridges alone.
   */
  keep(): Promise<void>;
  /** vswitchd has restarted: its devices are still being set up. */
  vswitchdRestarted(): void;
  /** Whether a change of an interface, port or bridge can concern a provider network. */
  concerns(row: { readonly name: string }): boolean;
  /** What of the node's links matters, to be compared with what it was: of those that are there now, or of these. */
  describeLinks(links?: readonly Link[]): string;
}

/** The node's part in physical networks: a bridge for each, of which OVN's `localnet` ports know by its name. */
export function createProviderNetworks(options: ProviderNetworksOptions): ProviderNetworks {
  const { session, socket, netfilter, networks, logger } = options;
  const { replica } = session;
  const parts = { session, socket, logger };
  /** Devices that were looked at the last time. */
  let watched: ReadonlySet<string> = new Set();
  /** Whether an uplink was missing, so that any link that comes may be it. */
  let isMissing = false;
  /** When each bridge was made. */
  const madeAtMs = new Map<string, number>();
  /** When each bridge that may be made anew was taken out of the database; its device goes a little later. */
  const leftAtMs = new Map<string, number>();
  /** Bridges that should go, but bear addresses of the host that nobody else could take. */
  let stranded: ReadonlySet<string> = new Set();
  const settling = createBridgeSettling({ session, socket, netfilter, logger });

  const inputs = (): PlanInputs => ({
    replica,
    links: listLinks(socket),
    integrationBridge: options.integrationBridge,
    gatewayBridge: options.gatewayBridge,
    gatewayUplink: options.gatewayUplink,
    systemId: options.systemId,
    holdsTheLast: (bridge, uplinks) => holdsTheLast(socket, bridge, uplinks),
  });

  /** Those that have their bridge keep their uplinks; of the others the first by name has what several want. */
  function plansOf(labels: Readonly<Record<string, string>>): Map<string, Plan> {
    if (networks.size === 0) return new Map();
    const given = inputs();
    const hasBridge = ({ name }: ProviderNetworkView) =>
      networkOfBridge(findBridge(replica, bridgeName(name))?.external_ids ?? new Map()) === name ||
      leftAtMs.has(bridgeName(name));
    const selected = [...networks.values()]
      .filter(({ nodeSelector }) => selects(nodeSelector, labels))
      .sort((a, b) => Number(hasBridge(b)) - Number(hasBridge(a)) || (a.name < b.name ? -1 : 1));
    const claimed = new Map<string, string>();
    const plans = new Map<string, Plan>();
    for (const network of selected) {
      const plan = planOf(network, given, claimed);
      plans.set(network.name, plan);
      if (plan.kind !== "refused") for (const { name } of plan.links) claimed.set(name, network.name);
    }
    return plans;
  }

  /**
   * @param failures gets what went wrong with one bridge, which is no reason to leave the others
   * @returns whether a bridge was taken away, which may let others have its uplinks
   */
  async function takeAway(plans: ReadonlyMap<string, Plan>, failures: unknown[]): Promise<boolean> {
    const ours = [...replica.table("Bridge").values()].flatMap((bridge) => {
      const network = networkOfBridge(bridge.external_ids);
      return network === undefined ? [] : [{ bridge, network }];
    });
    const links = ours.length === 0 ? [] : listLinks(socket);
    const left = new Set<string>();
    let isChanged = false;
    for (const { bridge, network } of ours) {
      if (stays(bridge, plans.get(network), networks.get(network), links)) continue;
      const uplinks = uplinksOn(replica, bridge, links);
      try {
        if (holdsTheLast(socket, bridge, uplinks)) {
          left.add(bridge.name);
          if (!stranded.has(bridge.name)) {
            logger.warn(
              { network, bridge: bridge.name },
              "the bridge of a provider network stays until its uplink is back: it has the node's addresses",
            );
          }
          continue;
        }
        for (const { name } of uplinks) {
          if (datapathOf(bridge) === "netdev") unguardDevice(netfilter, name);
          speakIpv6(name);
        }
        await settleOnUplink(parts, bridge, uplinks);
        await removeBridge(session, bridge);
      } catch (error) {
        failures.push(error);
        continue;
      }
      settling.forget(bridge.name);
      madeAtMs.delete(bridge.name);
      if (plans.has(network)) leftAtMs.set(bridge.name, performance.now());
      logger.info({ network, bridge: bridge.name }, "took the bridge of a provider network away");
      isChanged = true;
    }
    stranded = left;
    return isChanged;
  }

  /** Whether vswitchd has yet to delete the device of a bridge that is to be made anew. */
  function isLeaving(bridge: string): boolean {
    const sinceMs = leftAtMs.get(bridge);
    if (sinceMs === undefined) return false;
    const leftMs = patienceMs - (performance.now() - sinceMs);
    const isThere = leftMs > 0 && getLink(socket, bridge) !== undefined;
    if (isThere) options.lookAgain(leftMs);
    else leftAtMs.delete(bridge);
    return isThere;
  }

  function stays(
    bridge: OpenVswitchRows.Bridge,
    plan: Plan | undefined,
    network: ProviderNetworkView | undefined,
    links: readonly Link[],
  ): boolean {
    if (plan?.kind === "kept") return true;
    if (plan?.kind !== "own" || plan.bridge !== bridge.name) return false;
    const names = (some: readonly Link[]) => some.map(({ name }) => name).sort();
    const isBond = uplinkInterfaces(replica, bridge).some(({ port }) => port.interfaces.size > 1);
    return (
      isDeepStrictEqual(names(plan.links), names(uplinksOn(replica, bridge, links))) &&
      isBond === (network?.bondMode !== undefined)
    );
  }

  async function make(network: ProviderNetworkView, plan: Plan & { readonly kind: "own" }): Promise<void> {
    const { links, bridge: name } = plan;
    const held = links.map((link) => ({ link, network: readHostNetwork(socket, link) }));
    const home = held.find((one) => one.network.addresses.length > 0)?.link ?? links[0];
    if (home === undefined) return;
    await makeBridge(session, {
      network: network.name,
      name,
      datapath: options.datapath,
      uplinks: links,
      home,
      bondMode: network.bondMode,
      memory: {
        phase: "moving",
        network: held.map((one) => one.network).reduce(mergeHostNetworks),
      },
    });
    madeAtMs.set(name, performance.now());
    logger.info(
      { network: network.name, bridge: name, uplinks: links.map((link) => link.name) },
      "made the bridge of a provider network",
    );
  }

  /** @returns undefined when it is too early to say anything */
  async function carryOut(network: ProviderNetworkView, plan: Plan): Promise<NodeStatus | undefined> {
    if (plan.kind === "refused") return { ready: false, message: plan.message.slice(0, mostCharacters) };
    const interfaces = plan.links.map(({ name }) => name).sort();
    if (plan.kind === "shared") {
      return { ready: true, interfaces, ...(plan.message === undefined ? {} : { message: plan.message }) };
    }
    if (plan.kind === "own") {
      const bridge = findBridge(replica, plan.bridge);
      if (bridge === undefined) await make(network, plan);
      else if (network.bondMode !== undefined) await correctBond(bridge, network.bondMode);
    }
    const problem = await settling.settle(plan.bridge, plan.links);
    const ageMs = performance.now() - (madeAtMs.get(plan.bridge) ?? 0);
    if (problem !== undefined && ageMs < patienceMs) {
      options.lookAgain(patienceMs - ageMs);
      return undefined;
    }
    const messages = [...(plan.kind === "kept" ? [plan.message] : []), ...(problem === undefined ? [] : [problem])];
    return {
      ready: problem === undefined && interfaces.length > 0,
      interfaces,
      ...(messages.length === 0 ? {} : { message: messages.join("; ").slice(0, mostCharacters) }),
    };
  }

  async function correctBond(
    bridge: OpenVswitchRows.Bridge,
    mode: NonNullable<ProviderNetworkView["bondMode"]>,
  ): Promise<void> {
    const bond = uplinkInterfaces(replica, bridge).find(({ port }) => port.interfaces.size > 1)?.port;
    if (bond !== undefined && bond.bond_mode !== mode) await setBondMode(session, bond, mode);
  }

  async function writeMappings(plans: ReadonlyMap<string, Plan>): Promise<void> {
    const row = openVswitchRow(replica);
    if (!row) return;
    const wanted = new Map(
      [...plans].flatMap(([network, plan]) =>
        plan.kind === "refused" ? [] : [[mappedName(network, options.systemId), plan.bridge] as const],
      ),
    );
    const { insert, remove } = mappingChanges(row.external_ids, options.systemId, wanted);
    if (Object.keys(insert).length === 0 && remove.length === 0) return;
    await session.client
      .transaction()
      .comment("ovenbird: map provider networks")
      .mutate("Open_vSwitch", row._uuid, { external_ids: { insert, delete: remove } })
      .commit();
    logger.info({ networks: Object.fromEntries(wanted) }, "mapped the provider networks");
  }

  return {
    async reconcile(labels) {
      let plans = plansOf(labels);
      const failures: unknown[] = [];
      if (await takeAway(plans, failures)) plans = plansOf(labels);
      const statuses = new Map<string, NodeStatus>();
      const early = new Set<string>();
      for (const [name, plan] of plans) {
        const network = networks.get(name);
        if (network === undefined) continue;
        if (plan.kind !== "refused") leftAtMs.delete(bridgeName(name));
        else if (isLeaving(bridgeName(name))) {
          early.add(name);
          continue;
        }
        try {
          const status = await carryOut(network, plan);
          if (status === undefined) early.add(name);
          else statuses.set(name, status);
        } catch (error) {
          failures.push(error);
          // An uplink went in the midst of it: the next look, which that brings, says so, and what it means.
          if (plan.kind !== "refused" && plan.links.some((link) => getLink(socket, link.name) === undefined)) {
            early.add(name);
            continue;
          }
          const message = error instanceof Error ? error.message : String(error);
          statuses.set(name, { ready: false, message: message.slice(0, mostCharacters) });
        }
      }
      await writeMappings(plans);
      watched = new Set(
        [...plans.values()].flatMap((plan) =>
          plan.kind === "refused" ? [] : [plan.bridge, ...plan.links.map(({ name }) => name)],
        ),
      );
      isMissing = stranded.size > 0 || [...plans.values()].some(({ kind }) => kind === "refused" || kind === "kept");
      for (const network of networks.values()) {
        const status = statuses.get(network.name);
        if (early.has(network.name)) continue;
        if (!isDeepStrictEqual(status, network.status)) await options.report(network.name, status);
      }
      if (failures.length > 0) throw failures[0];
    },

    async keep() {
      const links = listLinks(socket);
      const ours = [...replica.table("Bridge").values()].filter(
        ({ external_ids }) => networkOfBridge(external_ids) !== undefined,
      );
      watched = new Set(
        ours.flatMap((bridge) => [bridge.name, ...uplinkInterfaces(replica, bridge).map(({ row }) => row.name)]),
      );
      const failures: unknown[] = [];
      for (const bridge of ours) {
        try {
          const problem = await settling.settle(bridge.name, uplinksOn(replica, bridge, links));
          if (problem !== undefined) logger.debug({ bridge: bridge.name, problem }, "a bridge is not in order yet");
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },

    vswitchdRestarted() {
      settling.unsettle();
    },

    concerns: ({ name }) => watched.has(name),

    describeLinks(links) {
      const names = isMissing
        ? (links ?? listLinks(socket)).map(({ name }) => name).filter((name) => !/^ovb[0-9a-f]{12}$/.test(name))
        : [...watched];
      return names
        .map((name) => (links === undefined ? getLink(socket, name) : links.find((link) => link.name === name)))
        .map((link) => `${link?.name} ${link?.index} ${link?.up} ${link?.mac}`)
        .join();
    },
  };
}
