import type { Standing } from "./election.ts";
import type { Heartbeat, Phase } from "./heartbeat.ts";

export interface LivenessTimes {
  /** A node sends this often. */
  readonly intervalMs: number;
  /** A node that was not heard of for so long is gone. */
  readonly deadAfterMs: number;
  /** A node that (re)joined takes addresses from others after so long. */
  readonly settleMs: number;
}

/** What this node knows of itself and its peers. All times are of one monotonic clock, in ms. */
export interface Liveness {
  /** This node's own, as it tells the others. */
  readonly phase: Phase;
  /** True for a moment after joining: who else is there is not known yet. */
  isListening(nowMs: number): boolean;
  standingOf(node: string): Standing;
  /** Whether a peer became one only now and was not heard yet: it may well be there. */
  isAwaited(node: string): boolean;
  /** Peers that are there. */
  readonly alive: number;
  /** Takes a heartbeat of a known peer. @returns whether anything changed by it */
  hear(heartbeat: Heartbeat, nowMs: number): boolean;
  /** Lets time pass; to be called once per interval. @returns whether anything changed by it */
  tick(nowMs: number): boolean;
  /** Forgets all peers but these, and awaits those that are new for as long as it takes to have one for gone. */
  keep(peers: ReadonlySet<string>, nowMs: number): void;
  /** Stands for no address any more. */
  leave(): void;
}

interface Peer {
  heardAtMs: number;
  /** Gone peers are remembered by their lives: who comes back with the same one was there all the time. */
  gone: boolean;
  phase: Phase;
  /** It was settled before this node joined, so it may have what this node would take. */
  elder: boolean;
  life: bigint;
  sequence: number;
}

/**
 * Liveness by heartbeats, without a clock and a network of its own.
 *
 * A node tells itself whether it is settled, so that all others see it alike. It is not for the first while after it
 * joined, so that a node that comes and goes does not draw its addresses to and fro; but nodes that join together, with
 * nobody settled before them, are settled as soon as they have listened, else the first one would have all for a moment.
 * It joins anew when it stood still
 * for so long that the others have taken it for gone, and when the first that it hears again after it had heard nobody
 * was there all the time: then it was cut off, and others have its addresses.
 */
export function createLiveness(self: string, times: LivenessTimes, startMs: number): Liveness {
  const { intervalMs, deadAfterMs, settleMs } = times;
  const peers = new Map<string, Peer>();
  /** Since when, by node. */
  const awaited = new Map<string, number>();
  let names: ReadonlySet<string> = new Set();
  let phase: Phase = "joining";
  let joinedAtMs = startMs;
  let tickedAtMs = startMs;
  let listensUntilMs = startMs + deadAfterMs;
  let wasListening = true;
  let wasCutOff = false;

  function join(nowMs: number): void {
    if (phase === "leaving") return;
    phase = "joining";
    joinedAtMs = nowMs;
  }
  const isThere = (peer: Peer | undefined): peer is Peer =>
    peer !== undefined && !peer.gone && peer.phase !== "leaving";
  const alive = () => [...peers.values()].filter(isThere).length;

  return {
    get phase() {
      return phase;
    },
    isListening: (nowMs) => nowMs < listensUntilMs,
    standingOf(node) {
      if (node === self) return phase === "leaving" ? "gone" : phase;
      const peer = peers.get(node);
      return isThere(peer) && peer.phase !== "leaving" ? peer.phase : "gone";
    },
    isAwaited: (node) => awaited.has(node),
    get alive() {
      return alive();
    },
    hear({ node, phase: told, life, sequence }, nowMs) {
      awaited.delete(node);
      const known = peers.get(node);
      if (known?.life === life && ((sequence - known.sequence) | 0) <= 0) return false;
      const rejoins = wasCutOff && known?.life === life && told === "settled";
      if (told !== "leaving") wasCutOff = false;
      if (rejoins) join(nowMs);
      const isNews = !isThere(known) || known.life !== life;
      const elder = told === "settled" && (rejoins || isNews || known.elder);
      peers.set(node, { heardAtMs: nowMs, gone: false, phase: told, elder, life, sequence });
      return rejoins || !known || known.gone || known.phase !== told;
    },
    tick(nowMs) {
      const stoodStill = nowMs - tickedAtMs > deadAfterMs;
      tickedAtMs = nowMs;
      if (stoodStill) {
        join(nowMs);
        listensUntilMs = nowMs + deadAfterMs;
        wasListening = true;
        // What they sent meanwhile may still lie in the socket: they are given the time to be heard.
        for (const peer of peers.values()) {
          peer.heardAtMs = Math.max(peer.heardAtMs, nowMs - intervalMs);
          peer.elder = peer.phase === "settled";
        }
        return true;
      }
      let changed = wasListening && nowMs >= listensUntilMs;
      if (changed) wasListening = false;
      for (const [node, sinceMs] of awaited) {
        if (nowMs - sinceMs >= deadAfterMs) changed = awaited.delete(node);
      }
      let lost = false;
      for (const peer of peers.values()) {
        if (!isThere(peer) || nowMs - peer.heardAtMs <= deadAfterMs) continue;
        peer.gone = true;
        lost = true;
      }
      if (lost && alive() === 0) wasCutOff = true;
      const isFirst = nowMs >= listensUntilMs && ![...peers.values()].some((peer) => isThere(peer) && peer.elder);
      if (phase === "joining" && (isFirst || nowMs - joinedAtMs >= settleMs)) {
        phase = "settled";
        changed = true;
      }
      return changed || lost;
    },
    keep(known, nowMs) {
      for (const node of peers.keys()) if (!known.has(node)) peers.delete(node);
      for (const node of awaited.keys()) if (!known.has(node)) awaited.delete(node);
      for (const node of known) if (!names.has(node)) awaited.set(node, nowMs);
      names = new Set(known);
    },
    leave() {
      phase = "leaving";
    },
  };
}
