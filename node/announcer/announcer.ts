import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { Logger } from "../logger.ts";
import type { ServiceView } from "../services/index.ts";
import { type AnnouncedAddress, announcedAddresses } from "./announced-addresses.ts";
import { electAnnouncer } from "./election.ts";
import { decodeHeartbeat, encodeHeartbeat } from "./heartbeat.ts";
import { createHeartbeatSockets } from "./heartbeat-sockets.ts";
import { createLiveness } from "./liveness.ts";

/** From a node's death until the others have it for gone: at most this and one interval. */
const deadAfterMs = 1_000;
const intervalMs = 250;
/** Neighbours are told three times: the first may come before the bridge lets questions through, and any may be lost. */
const announcementsMs = [0, 600, 1_800] as const;

export interface AnnouncerMetrics {
  /** Addresses that this node answers for, and peers that are alive. */
  observe(addresses: number, peersAlive: number): void;
  /** An address was taken over from a node that is gone. */
  failover(): void;
}

export interface AnnouncerOptions {
  readonly nodeName: string;
  readonly view: Pick<ServiceView, "services" | "nodes" | "pools" | "synced" | "onChange">;
  readonly port: number;
  readonly settleMs: number;
  /** Whether this node's gateway works: without it the node stands for no address. */
  readonly hasGateway: () => boolean;
  /** Tells the neighbours on the underlay that an address is here. @throws Error when it can't be sent now */
  readonly announce: (address: string) => void;
  readonly logger: Logger;
  readonly metrics?: AnnouncerMetrics;
}

export interface Announcer {
  /** The addresses that this node answers for; another set when it changes. */
  readonly announced: ReadonlySet<string>;
  /** @returns ends it */
  onChange(listener: (announced: ReadonlySet<string>) => void): () => void;
  /** The gateway may have come or gone. */
  look(): void;
  /**
   * Gives up the addresses that another node can take, and tells the others, so that they take them at once. What nobody
   * else can take is kept, so that it works on while the agent is away.
   */
  leave(): Promise<void>;
}

/** Decides with the agents of the other nodes which one answers for each address, and tells the underlay. */
export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { nodeName, view, port, settleMs, logger, metrics } = options;
  const now = () => performance.now();
  const liveness = createLiveness(nodeName, { intervalMs, deadAfterMs, settleMs }, now());
  const listeners = new Set<(announced: ReadonlySet<string>) => void>();
  const life = randomBytes(8).readBigUInt64BE();
  let sequence = 0;
  let announced: ReadonlySet<string> = new Set();
  let wanted: readonly AnnouncedAddress[] = [];
  /** Address to node, as last seen: whose death a failover is. */
  let holders = new Map<string, string>();
  /** Each peer's addresses that heartbeats may come from; the first of a family that we have is sent to. */
  let peers = new Map<string, readonly string[]>();
  const timers = new Map<string, NodeJS.Timeout>();
  let lastBeat = "";
  let left = false;

  const sockets = createHeartbeatSockets({ port, receive, logger });

  function receive(datagram: Buffer, address: string): void {
    const heartbeat = decodeHeartbeat(datagram);
    if (heartbeat === undefined || peers.get(heartbeat.node)?.includes(address) !== true) return;
    const was = liveness.standingOf(heartbeat.node);
    if (!liveness.hear(heartbeat, now())) return;
    decide();
    // It may have claimed our addresses while we could not hear each other.
    if (was === "gone" && heartbeat.phase !== "leaving") {
      const shared = wanted.filter(({ candidates }) => candidates.includes(heartbeat.node));
      for (const { address: kept } of shared) if (announced.has(kept)) tellNeighbours(kept);
    }
  }

  /** Whom to talk to: those that stand for an address together with this node. */
  function readView(): void {
    if (!view.synced || left) return;
    wanted = announcedAddresses(view);
    const names = new Set(
      wanted
        .flatMap(({ candidates }) => (candidates.includes(nodeName) ? candidates : []))
        .filter((n) => n !== nodeName),
    );
    peers = new Map([...names].map((name) => [name, view.nodes.get(name)?.addresses ?? []]));
    liveness.keep(names, now());
    listen();
    decide();
  }

  function listen(): void {
    const own = peers.size === 0 ? [] : (view.nodes.get(nodeName)?.addresses ?? []);
    sockets.listenOn([4, 6].flatMap((family) => own.find((address) => isIP(address) === family) ?? []));
  }

  function beat(): void {
    lastBeat = beatPhase();
    sequence += 1;
    const datagram = encodeHeartbeat({ node: nodeName, phase: beatPhase(), life, sequence });
    for (const addresses of peers.values()) {
      for (const family of [4, 6]) {
        const address = addresses.find((candidate) => isIP(candidate) === family);
        if (address !== undefined) sockets.send(datagram, address);
      }
    }
  }

  /** A node whose gateway does not work says goodbye, again and again. */
  function beatPhase() {
    return options.hasGateway() ? liveness.phase : "leaving";
  }

  function decide(): void {
    const standingOf = (node: string) =>
      node === nodeName && !options.hasGateway() ? ("gone" as const) : liveness.standingOf(node);
    const listening = liveness.isListening(now());
    const next = new Set<string>();
    const seen = new Map<string, string>();
    for (const { address, candidates } of wanted) {
      // Whoever just came must not claim what another one has, whom it has not heard yet.
      const isAlone = candidates.length === 1;
      const winner = electAnnouncer(address, candidates, standingOf);
      if (winner === undefined) {
        if (left && announced.has(address)) next.add(address);
        continue;
      }
      // Nodes that learn of an address at the same time must not all claim it because they have not heard each other yet.
      if (winner === nodeName && !announced.has(address) && candidates.some((node) => liveness.isAwaited(node)))
        continue;
      if (winner !== nodeName || !listening || isAlone) seen.set(address, winner);
      if (winner === nodeName && (!listening || isAlone)) next.add(address);
    }
    const gained = [...next].filter((address) => !announced.has(address));
    const lost = [...announced].filter((address) => !next.has(address));
    const takenOver = gained.filter((address) => {
      const holder = holders.get(address);
      return holder !== undefined && holder !== nodeName && liveness.standingOf(holder) === "gone";
    });
    for (const _ of takenOver) metrics?.failover();
    holders = seen;
    metrics?.observe(next.size, liveness.alive);
    if (beatPhase() !== lastBeat) beat();
    if (gained.length === 0 && lost.length === 0) return;
    announced = next;
    logger.info(
      { gained, lost, takenOver, peersAlive: liveness.alive },
      "the addresses that this node announces have changed",
    );
    for (const address of lost) stopTelling(address);
    for (const listener of listeners) listener(announced);
    for (const address of gained) tellNeighbours(address);
  }

  function tellNeighbours(address: string, round = 0): void {
    stopTelling(address);
    try {
      options.announce(address);
    } catch (error) {
      logger.warn({ address, err: error }, "the neighbours can't be told of an address");
    }
    const [at = 0, next] = announcementsMs.slice(round, round + 2);
    if (next === undefined) return;
    timers.set(
      address,
      setTimeout(() => tellNeighbours(address, round + 1), next - at),
    );
  }

  function stopTelling(address: string): void {
    clearTimeout(timers.get(address));
    timers.delete(address);
  }

  const ticking = setInterval(() => {
    if (liveness.tick(now())) decide();
    // An address of the node may have come only now.
    listen();
    beat();
  }, intervalMs);
  const stopFollowing = view.onChange(readView);
  readView();

  return {
    get announced() {
      return announced;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    look: decide,
    async leave() {
      if (left) return;
      left = true;
      stopFollowing();
      clearInterval(ticking);
      liveness.leave();
      // Twice, as a datagram may be lost; if both are, the others find out a second later.
      beat();
      decide();
      beat();
      for (const address of [...timers.keys()]) stopTelling(address);
      await sockets.close();
    },
  };
}
