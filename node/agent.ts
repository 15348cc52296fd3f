import { isDeepStrictEqual } from "node:util";
import type { KubeClient } from "@ovenbird/kube";
import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { RowChange } from "ovsdb-client-ts";
import { createAlarm } from "./alarm.ts";
import { type AnnouncerMetrics, createAnnouncer, sendAnnouncement } from "./announcer/index.ts";
import { createPortBinding, removeLeftovers } from "./binding/index.ts";
import { chassisChange } from "./chassis.ts";
import { type CniMetrics, type CniServer, createCniServer } from "./cni-server/index.ts";
import type { AgentConfig } from "./config.ts";
import { conflistName, installPlugin, writeConflist } from "./conflist/index.ts";
import { concernsOf } from "./database-changes.ts";
import { createDnsObserver, type DnsMetrics } from "./dns/index.ts";
import { encapAddresses } from "./encap-addresses.ts";
import { createGateway, type Gateway } from "./gateway/index.ts";
import { createHealthCheckServers } from "./health-check/index.ts";
import { followNode, patchChassis } from "./kubernetes-node.ts";
import { createPodLinks } from "./links/index.ts";
import type { Logger } from "./logger.ts";
import { createManagementPort, type ManagementPort } from "./management/index.ts";
import {
  getLink,
  listAddresses,
  listLinks,
  openNetfilterSocket,
  openRouteSocket,
  watchNetwork,
} from "./netlink/index.ts";
import { reflectPodsOfNode } from "./pods/index.ts";
import { createEstablishedConnections, type EstablishedConnectionsMetrics } from "./policy/index.ts";
import { createProviderNetworks, followProviderNetworks, type ProviderNetworks } from "./provider-networks/index.ts";
import { type AgentConditions, readinessOf } from "./readiness.ts";
import { createReconciler } from "./reconciler.ts";
import { createServiceView, hostServicesOf, nodeAddressesOf } from "./services/index.ts";
import { tunnelProblem } from "./tunnels.ts";
import {
  askVswitchd,
  bridgeProblem,
  configureOpenVswitch,
  convertCommand,
  findBridge,
  type OpenVswitchState,
  openVswitchdSession,
  openVswitchRow,
  type VswitchdSession,
  watchBridgeSocket,
  withholdAllZeroSnat,
} from "./vswitchd/index.ts";

/** How long a bridge may take to be opened, or the tunnels' address to arrive on one, before it is worth a warning, in ms. */
const problemPatienceMs = 5_000;
/** How long the first chassis annotation waits for the gateway bridge, in ms. */
const gatewayPatienceMs = 5_000;

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly kube: KubeClient;
  readonly logger: Logger;
  /** Kept up to date from the start, so that they can be asked while the agent is still starting. */
  readonly conditions: AgentConditions;
  /** The plugin's executable to install, if any. */
  readonly pluginPath: string | undefined;
  readonly metrics?: {
    readonly cni: CniMetrics;
    readonly announcer: AnnouncerMetrics;
    readonly dns: DnsMetrics;
    readonly established: EstablishedConnectionsMetrics;
  };
  /** Gives up starting, and stops what runs. */
  readonly signal: AbortSignal;
}

export interface Agent {
  /** Resolves when pods can be attached and the runtime has been told so. */
  readonly ready: Promise<void>;
  /** Takes no more calls, finishes what is under way; running pods and their network stay as they are. */
  stop(): Promise<void>;
}

/**
 * The node agent. Five reconcilers, each level-triggered and idempotent, work on one OVSDB session:
 *
 *     OVSDB changes ─┬─▶ open-vswitch   external_ids and br-int
 *     Node watch ────┼─▶ gateway        br-ex: uplink, addresses, flows    ──┐
 *     link events ───┼─▶ management     ovenbird0: addresses, routes, rules ◀┤
 *     vswitchd start ┤   chassis        the Node's chassis annotation     ◀──┘
 *     networks ──────┤   provider-networks   bridges of physical networks
 *     Services ──────┤
 *     announcer ─────┘   (which addresses this node answers for)
 *
 *     pod watch ─▶ pods ─▶ CNI server ─▶ links, binding
 *     flows of br-int ───▶ established connections (cuts those that policies no longer allow)
 *     DNS answers to pods ─▶ domain names of policies ─▶ DomainName
 *
 * The CNI server listens from the start, so that a call gets a clear answer; the network configuration, which makes the
 * runtime call at all, is written when everything holds.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { config, kube, logger, conditions, signal } = options;
  let databaseProblem: string | undefined;
  conditions.follow("ovsdb", () => databaseProblem ?? `no connection to ${config.ovsDb} yet`);
  const session = await openVswitchdSession({
    endpoint: config.ovsDb,
    logger,
    signal,
    onWait(reason) {
      // Once: the client tries again all the time, and /readyz has the latest reason.
      if (databaseProblem === undefined) {
        logger.warn({ endpoint: config.ovsDb, reason }, "no connection to the local Open_vSwitch database yet");
      }
      databaseProblem = reason;
    },
  });
  const { client, replica } = session;
  const socket = openRouteSocket();
  const netfilter = openNetfilterSocket();
  let openVswitch: OpenVswitchState | undefined;
  let management: ManagementPort | undefined;
  let gateway: Gateway | undefined;
  let providerNetworks: ProviderNetworks | undefined;
  let secondLook: NodeJS.Timeout | undefined;
  let leftoversRemoved = false;
  let listening = false;
  let patient = true;
  let isReady = false;
  const firstReady = Promise.withResolvers<void>();
  const stopping = new AbortController();

  const openVswitchTask = createReconciler({
    name: "open-vswitch",
    logger,
    async task() {
      const encapIp =
        config.encapIp === undefined ? missingEncapIp(session, node.view?.internalIp) : addressesIn(config.encapIp);
      if (encapIp === undefined && !hasEncapIp(session)) {
        if (node.isSynced) logger.warn({}, "no address for tunnels: give --encap-ip, or the Node an InternalIP");
        if (openVswitch === undefined) return;
      }
      const before = openVswitch;
      openVswitch = await configureOpenVswitch(
        session,
        {
          systemId: config.systemId,
          encapType: config.encapType,
          encapIp,
          ovnRemote: config.ovnRemote,
          datapath: config.datapath,
          bridgeMapping: findBridge(replica, config.gatewayBridge)
            ? { network: config.physicalNetwork, bridge: config.gatewayBridge }
            : undefined,
        },
        logger,
      );
      if (before?.datapath !== openVswitch.datapath) tellDatapath(openVswitch);
      alarms.look();
      gateway ??= createGateway({
        session,
        socket,
        netfilter,
        bridgeName: config.gatewayBridge,
        uplink: config.uplink,
        physicalNetwork: config.physicalNetwork,
        get datapath() {
          return openVswitch?.datapath ?? config.datapath ?? "system";
        },
        rundir: config.ovsRundir,
        logger,
      });
      management ??= createManagementPort({
        session,
        socket,
        integrationBridge: openVswitch.integrationBridge,
        interfaceName: config.managementInterface,
        logger,
      });
      providerNetworks ??= createProviderNetworks({
        session,
        socket,
        netfilter,
        systemId: openVswitch.systemId,
        integrationBridge: openVswitch.integrationBridge,
        gatewayBridge: config.gatewayBridge,
        gatewayUplink: config.uplink,
        get datapath() {
          return openVswitch?.datapath ?? config.datapath ?? "system";
        },
        networks: networks.networks,
        report: networks.report,
        lookAgain: (afterMs) => {
          clearTimeout(secondLook);
          secondLook = setTimeout(() => providerNetworksTask.trigger(), afterMs);
        },
        logger,
      });
      gatewayTask.trigger();
      managementTask.trigger();
      providerNetworksTask.trigger();
      // Last: where vswitchd can't be asked it is tried again, which is no reason for the others to wait.
      await withholdAllZeroSnat(session, config.ovsRundir, logger);
    },
  });
  const gatewayTask = createReconciler({
    name: "gateway",
    logger,
    async task() {
      if (!gateway) return;
      const before = gateway.state;
      if (services.synced) {
        gateway.services = {
          services: [...services.services.values()],
          nodeAddresses: nodeAddressesOf(services),
          announced: announcer.announced,
        };
      }
      const network = node.view?.network;
      if (network?.kind === "valid") gateway.routed = network.value.routed ?? [];
      await gateway.reconcile();
      if (!isDeepStrictEqual(before, gateway.state)) {
        managementTask.trigger();
        announcer.look();
      }
      alarms.look();
      chassisTask.trigger();
    },
  });
  const managementTask = createReconciler({
    name: "management",
    logger,
    async task() {
      if (!management) return;
      const network = node.view?.network;
      if (network?.kind === "invalid") {
        logger.warn({ reason: network.reason }, "the Node's network annotation can't be understood, it is ignored");
      }
      if (network?.kind === "valid") management.network = network.value;
      // Before the gateway is known NodePorts are nowhere, which is no reason to take away what leads to them.
      if (services.synced && gateway && gateway.state.kind !== "waiting") {
        management.services = hostServicesOf(services, ownGateway());
      }
      await management.reconcile();
      readyTask.trigger();
    },
  });
  const chassisTask = createReconciler({
    name: "chassis",
    logger,
    async task() {
      if (!openVswitch || !gateway || !node.view) return;
      const change = chassisChange(node.view, openVswitch.systemId, gateway.state, patient);
      if (!change) return;
      node.learn(await patchChassis(kube, config.node, change));
      logger.info({ chassis: change }, "told the controller of this chassis");
    },
  });
  function addressesIn(encapIp: string): string | undefined {
    const onNode = listAddresses(socket).filter(({ scope }) => scope === "global");
    const found = encapAddresses(
      encapIp,
      onNode.map(({ address }) => address),
    );
    if (found === undefined) logger.warn({ encapIp }, "the node has no address in a network for tunnels");
    return found;
  }
  const providerNetworksTask = createReconciler({
    name: "provider-networks",
    logger,
    async task() {
      if (!providerNetworks) return;
      const labels = node.view?.labels;
      // As they were before: what changes meanwhile has to be looked at again.
      const [own, links] = [describeOwnDevices(), listLinks(socket)];
      if (networks.isSynced && labels !== undefined) await providerNetworks.reconcile(labels);
      else await providerNetworks.keep();
      lastDevices = `${own} ${providerNetworks.describeLinks(links)}`;
      alarms.look();
    },
  });
  const readyTask = createReconciler({
    name: "ready",
    logger,
    async task() {
      if (readinessOf(conditions).kind === "unavailable") return;
      if (options.pluginPath !== undefined && (await installPlugin(options.pluginPath, config.cniBinDir))) {
        logger.info({ folder: config.cniBinDir }, "installed the CNI plugin");
      }
      if (await writeConflist(config.cniConfDir, config.cniSocket)) {
        logger.info({ folder: config.cniConfDir, file: conflistName }, "wrote the network configuration");
      }
      if (!isReady) logger.info({}, "ready to attach pods");
      isReady = true;
      firstReady.resolve();
    },
  });
  const leftoversTask = createReconciler({
    name: "leftovers",
    logger,
    async task() {
      if (leftoversRemoved) return;
      await removeLeftovers({ binding, links, pods, logger, signal: stopping.signal });
      leftoversRemoved = true;
      readyTask.trigger();
    },
  });

  const tunnels = () => (openVswitch ? tunnelProblem(session, socket, openVswitch.integrationBridge) : undefined);
  const bridgeAlarm = createAlarm({
    afterMs: problemPatienceMs,
    problem: () =>
      openVswitch &&
      (bridgeProblem(replica, socket, openVswitch.integrationBridge) ??
        bridgeProblem(replica, socket, config.gatewayBridge)),
    warn: (reason) => logger.warn({ reason }, "a bridge does not work"),
  });
  const tunnelAlarm = createAlarm({
    afterMs: problemPatienceMs,
    problem: tunnels,
    warn: (reason) => logger.warn({ reason }, "pods can't reach pods of other nodes"),
  });
  const alarms = {
    look() {
      bridgeAlarm.look();
      tunnelAlarm.look();
      readyTask.trigger();
    },
    stop() {
      bridgeAlarm.stop();
      tunnelAlarm.stop();
    },
  };

  function tellDatapath({ datapath, datapathReason, integrationBridge }: OpenVswitchState): void {
    logger.info({ datapath, reason: datapathReason }, "chose the datapath of bridges");
    if (config.datapath === undefined || config.datapath === datapath) return;
    logger.warn(
      {
        datapath,
        asked: config.datapath,
        command: convertCommand(config.datapath, integrationBridge, [integrationBridge]),
      },
      "the integration bridge keeps its datapath, for converting it cuts off the pods of this node; drain the node and run the command to convert it",
    );
  }

  const node = followNode(kube, config.node, logger, () => {
    openVswitchTask.trigger();
    gatewayTask.trigger();
    managementTask.trigger();
    chassisTask.trigger();
    providerNetworksTask.trigger();
  });
  const networks = followProviderNetworks(kube, config.node, logger, () => providerNetworksTask.trigger());
  const services = createServiceView({ client: kube, nodeName: config.node, logger });
  const announcer = createAnnouncer({
    nodeName: config.node,
    view: services,
    port: config.heartbeatPort,
    settleMs: config.announcerSettleSeconds * 1_000,
    hasGateway: () => gateway?.state.kind === "present",
    announce: (address) => sendAnnouncement(socket, config.gatewayBridge, address),
    logger,
    ...(options.metrics ? { metrics: options.metrics.announcer } : {}),
  });
  const stopAnnouncer = announcer.onChange(() => gatewayTask.trigger());
  const healthChecks = createHealthCheckServers({ isHealthy: () => management?.ready === true, logger });
  const stopServices = services.onChange((changes) => {
    if (changes.has("services")) healthChecks.serve(services.services.values());
    gatewayTask.trigger();
    managementTask.trigger();
  });
  const ownGateway = () => (gateway?.state.kind === "present" ? gateway.state.gateway : undefined);
  const pods = reflectPodsOfNode(kube, config.node, logger);
  const binding = createPortBinding({
    client,
    replica,
    logger,
    integrationBridge: integrationBridgeOf(session),
  });
  const datapath = () => openVswitch?.datapath ?? config.datapath ?? "system";
  const domainNames = createDnsObserver({
    client: kube,
    servers: config.dnsServers.split(","),
    devices: () => binding.list().map(({ hostDevice }) => hostDevice),
    socket,
    connections: () =>
      askVswitchd(config.ovsRundir, "dpctl/dump-conntrack", [
        datapath() === "netdev" ? "netdev@ovs-netdev" : "system@ovs-system",
      ]),
    logger,
    ...(options.metrics ? { metrics: options.metrics.dns } : {}),
  });
  const links = createPodLinks({ datapath });
  const established = createEstablishedConnections({
    rundir: config.ovsRundir,
    integrationBridge: integrationBridgeOf(session),
    datapath,
    replica,
    pods,
    logger,
    ...(options.metrics ? { metrics: options.metrics.established } : {}),
  });

  conditions.follow("ovsdb", () =>
    replica.synced ? undefined : `no connection to ${config.ovsDb}: ${databaseProblem ?? "it is being made"}`,
  );
  conditions.follow("open-vswitch", () => {
    if (!openVswitch) return "Open vSwitch is not configured yet";
    return bridgeProblem(replica, socket, openVswitch.integrationBridge);
  });
  conditions.follow("kubernetes", () =>
    pods.isSynced && node.isSynced ? undefined : (node.problem ?? "the Kubernetes API has not answered yet"),
  );
  conditions.follow("management-port", () => {
    if (management?.ready) return undefined;
    return node.view?.network.kind === "valid"
      ? `the device ${config.managementInterface} is not in place yet`
      : `the controller has not annotated the Node ${config.node} yet`;
  });
  conditions.follow("leftovers", () => (leftoversRemoved ? undefined : "ports of former pods are still being removed"));
  conditions.follow("cni-socket", () => (listening ? undefined : "the CNI socket is not open"));
  conditions.follow("tunnels", tunnels);

  const server: CniServer = createCniServer({
    socketPath: config.cniSocket,
    binding,
    pods,
    links,
    logger,
    ready: () => readinessOf(conditions),
    ...(options.metrics ? { metrics: options.metrics.cni } : {}),
  });

  const stopWatches = [
    replica.subscribe(onDatabaseChanges),
    client.on((event) => {
      if (event.kind === "connected") openVswitchTask.trigger();
      else databaseProblem = event.error.message;
    }),
    watchNetwork(
      (kinds) => {
        // Links of pods come and go: only those that the reconcilers look after are of interest.
        const devices = describeDevices();
        if (kinds.size === 1 && kinds.has("link") && devices === lastDevices) return;
        lastDevices = devices;
        managementTask.trigger();
        if (kinds.size === 1 && kinds.has("rule")) return;
        gatewayTask.trigger();
        providerNetworksTask.trigger();
        // Where tunnels end follows from the node's addresses.
        if (config.encapIp?.includes("/") && kinds.has("address")) openVswitchTask.trigger();
      },
      { logger },
    ),
    watchBridgeSocket(
      config.ovsRundir,
      config.gatewayBridge,
      () => {
        gateway?.vswitchdRestarted();
        providerNetworks?.vswitchdRestarted();
        gatewayTask.trigger();
        providerNetworksTask.trigger();
      },
      logger,
    ),
  ];

  let lastDevices = "";
  function describeOwnDevices(): string {
    const names = [config.gatewayBridge, config.managementInterface, ...(config.uplink ? [config.uplink] : [])];
    return names
      .map((name) => getLink(socket, name))
      .map((link) => `${link?.index} ${link?.up} ${link?.mac}`)
      .join();
  }

  function describeDevices(): string {
    return `${describeOwnDevices()} ${providerNetworks?.describeLinks()}`;
  }

  function onDatabaseChanges(changes: readonly RowChange<OpenVswitch>[]): void {
    const parts = {
      gateway,
      management,
      providerNetworks,
      gatewayBridge: config.gatewayBridge,
      integrationBridge: openVswitch?.integrationBridge,
    };
    // Before the pod can ask anything: it is told of its interface later than this.
    if (changes.some(({ table, kind }) => table === "Interface" && kind !== "modify")) domainNames.look();
    const concerns = new Set(changes.flatMap((change) => concernsOf(change, parts)));
    if (concerns.has("vswitchd-restarted")) {
      gateway?.vswitchdRestarted();
      providerNetworks?.vswitchdRestarted();
    }
    if (concerns.has("provider-networks")) providerNetworksTask.trigger();
    if (concerns.has("open-vswitch")) openVswitchTask.trigger();
    if (concerns.has("gateway")) gatewayTask.trigger();
    if (concerns.has("management")) managementTask.trigger();
  }

  const patience = setTimeout(() => {
    patient = false;
    chassisTask.trigger();
  }, gatewayPatienceMs);
  openVswitchTask.trigger();
  leftoversTask.trigger();
  pods.synced(stopping.signal).then(
    () => readyTask.trigger(),
    () => undefined,
  );
  await server.listen();
  listening = true;
  readyTask.trigger();

  return {
    ready: firstReady.promise,
    async stop() {
      clearTimeout(patience);
      clearTimeout(secondLook);
      alarms.stop();
      stopping.abort(new Error("the agent is stopping"));
      for (const stopWatch of stopWatches) stopWatch();
      if (listening) await server.close();
      listening = false;
      // Others may have what was learnt, but need not wait for addresses of this node until the API has answered.
      const learntIsWritten = domainNames.close();
      await announcer.leave();
      // What others have taken is no longer answered for from here.
      await gatewayTask.run().catch(() => undefined); // The reconciler has logged it.
      stopAnnouncer();
      await learntIsWritten;
      await healthChecks.close();
      const tasks = [openVswitchTask, gatewayTask, managementTask, providerNetworksTask];
      tasks.push(chassisTask, leftoversTask, readyTask);
      await Promise.all(tasks.map((task) => task.stop()));
      await established.close();
      stopServices();
      networks.close();
      services.close();
      node.close();
      pods.close();
      binding.close();
      links.close();
      await session.close();
      socket.close();
      netfilter.close();
    },
  };
}

function integrationBridgeOf({ replica }: VswitchdSession): string {
  return openVswitchRow(replica)?.external_ids.get("ovn-bridge") ?? "br-int";
}

function hasEncapIp({ replica }: VswitchdSession): boolean {
  return openVswitchRow(replica)?.external_ids.has("ovn-encap-ip") ?? false;
}

/** The Node's address, where Open_vSwitch has none for tunnels yet. */
function missingEncapIp(session: VswitchdSession, internalIp: string | undefined): string | undefined {
  return hasEncapIp(session) ? undefined : internalIp;
}
