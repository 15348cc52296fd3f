import { join } from "node:path";
import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { Replica } from "ovsdb-client-ts";
import type { Logger } from "../logger.ts";
import { connectOpenFlow, type FlowUpdate, type OpenFlowConnection } from "../openflow/index.ts";
import type { PodSource } from "../pods/index.ts";
import { askVswitchd, type Datapath } from "../vswitchd/index.ts";
import { addressOctets } from "./address-key.ts";
import { readBackend } from "./backends.ts";
import { type Changes, createChanges, isOfPolicy } from "./changes.ts";
import { readUdpConnection, type UdpConnection } from "./connection.ts";
import {
  type Candidate,
  candidateOf,
  createJudge,
  directions,
  isBlocked,
  keyOfTrial,
  peerOf,
  trialKey,
  trialZones,
} from "./judge.ts";
import { type FlowPort, type LocalPort, learnPort, localPorts, physicalToLogicalTable } from "./local-ports.ts";
import { createMovedFlows } from "./moved-flows.ts";
import { askForOutputPort, egressTableOf, monitors } from "./session.ts";

export interface EstablishedConnectionsMetrics {
  /** A look at connections after a change of policies: how many were judged, how many cut, how long it took. */
  judged(connections: number, cut: number, seconds: number): void;
  /** Connections to Services that were forgotten since they stood still with a backend that is gone. */
  forgotten(connections: number): void;
}

export interface EstablishedConnectionsOptions {
  /** Where vswitchd has its sockets. */
  readonly rundir: string;
  readonly integrationBridge: string;
  readonly datapath: () => Datapath;
  readonly replica: Replica<OpenVswitch>;
  readonly pods: Pick<PodSource, "get" | "synced">;
  readonly metrics?: EstablishedConnectionsMetrics;
  readonly logger: Logger;
}

export interface EstablishedConnections {
  /** Resolves when what was under way has ended. */
  close(): Promise<void>;
}

/** Changes come in bursts: as long as more come within this time they are looked at together … */
const quietMs = 20;
/** … but not for longer than this. */
const longestGatherMs = 100;
/**
 * Everything is looked at once more then: what passed by flows that the datapath had still cached when OVN's had changed
 * already is known by then, and those are gone.
 */
const secondLookMs = 500;
/** After a look, vswitchd is left alone for this many times as long as the look took, but for no longer than a verdict may wait. */
const restShare = 4;
const longestRestMs = 400;
/** After a look that failed. */
const retryMs = 5_000;
/** Connections on trial at a time. */
const batchSize = 500;
const reconnectMs = { first: 200, last: 10_000 } as const;
/** Up to that many ports are asked for one by one, more all at once. */
const fewZones = 4;

/**
 * Sees to it that an established UDP connection that policies no longer allow ends in both directions. OVN judges what
 * the opener of a connection sends, packet by packet; answers it lets pass until then. TCP acknowledges, so it is cut in
 * an instant; a UDP stream of answers alone would go on for ever.
 *
 *     flows of br-int ─▶ changes ─▶ (settled) ─▶ connections of these ports ─▶ trial ─▶ cut
 *       (monitor)        bounded                  (dump of connection tracking)   (packets into OVN's tables)
 *
 * The policies are judged by OVN's own flows, none of them is understood here: see `Judge`.
 */
export function createEstablishedConnections(options: EstablishedConnectionsOptions): EstablishedConnections {
  const { rundir, integrationBridge, datapath, replica, pods, metrics, logger } = options;
  const flowPorts = new Map<number, FlowPort>();
  let openFlow: OpenFlowConnection | undefined;
  let isOpen = false;
  let closed = false;
  let reconnect: NodeJS.Timeout | undefined;
  let reconnectAfterMs: number = reconnectMs.first;
  let lastReason: string | undefined;
  let lastProblem: string | undefined;
  const stopping = new AbortController();

  let egressTable: number | undefined;
  let soughtPort: LocalPort | undefined;

  let fresh = createChanges();
  /** Looked at once already, to be looked at again. */
  let seen: { readonly changes: Changes; readonly dueAt: number } | undefined;
  let gatheringSince: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let restUntil = 0;
  let running: Promise<void> | undefined;

  const datapathName = () => (datapath() === "netdev" ? "netdev@ovs-netdev" : "system@ovs-system");

  /** @returns those of the zones that are wanted, some at a time */
  async function* connections(
    isWanted: (zone: number) => boolean,
    only?: number,
  ): AsyncGenerator<readonly UdpConnection[]> {
    const filter = only === undefined ? [] : [`zone=${only}`];
    for await (const lines of askVswitchd(rundir, "dpctl/dump-conntrack", [datapathName(), ...filter])) {
      const found: UdpConnection[] = [];
      for (const line of lines) {
        const connection = readUdpConnection(line, isWanted);
        if (connection !== undefined) found.push(connection);
      }
      yield found;
    }
  }

  const moved = createMovedFlows({
    connections: () => connections(() => true),
    async forget({ zone, from, to }) {
      const family = from.address.includes(":") ? "ct_ipv6" : "ct_nw";
      const tuple = [
        `${family}_src=${from.address},${family}_dst=${to.address}`,
        `ct_nw_proto=17,ct_tp_src=${from.port},ct_tp_dst=${to.port}`,
      ].join();
      for await (const _ of askVswitchd(rundir, "dpctl/flush-conntrack", [`zone=${zone}`, tuple]));
    },
    forgotten: (count) => metrics?.forgotten(count),
    logger,
  });

  function onUpdates(updates: Iterable<FlowUpdate>): void {
    for (const update of updates) {
      if (update.table === physicalToLogicalTable) learnPort(flowPorts, update);
      else if (update.event === "initial") {
        if (soughtPort !== undefined) egressTable ??= egressTableOf(update, soughtPort);
      } else if (isOfPolicy(update.priority)) fresh.note(update.match());
      else {
        const backend = readBackend(update.match());
        if (backend !== undefined) moved.note(backend, update.event !== "removed");
      }
    }
    if (!fresh.isEmpty) gather();
  }

  /** Waits for the burst to end. */
  function gather(): void {
    const now = performance.now();
    gatheringSince ??= now;
    const settled = Math.min(now + quietMs, gatheringSince + longestGatherMs);
    arm(Math.max(settled, restUntil));
  }

  function arm(at: number): void {
    clearTimeout(timer);
    if (closed || running !== undefined) return;
    timer = setTimeout(look, Math.max(0, at - performance.now()));
  }

  function look(): void {
    const now = performance.now();
    const isFresh = !fresh.isEmpty && gatheringSince !== undefined;
    const changes = fresh;
    if (isFresh) {
      fresh = createChanges();
      gatheringSince = undefined;
    }
    const again = seen !== undefined && seen.dueAt <= now ? seen.changes : undefined;
    if (again !== undefined) seen = undefined;
    const asked = createChanges();
    if (isFresh) asked.merge(changes);
    if (again !== undefined) asked.merge(again);
    if (isFresh) {
      const both = createChanges();
      both.merge(changes);
      if (seen !== undefined) both.merge(seen.changes);
      seen = { changes: both, dueAt: now + secondLookMs };
    }
    running = judge(asked)
      .then(() => {
        lastProblem = undefined;
      })
      .catch((error: unknown) => {
        const problem = error instanceof Error ? error.message : String(error);
        if (!closed && problem !== lastProblem)
          logger.warn({ err: error }, "established connections could not be judged, will try again");
        lastProblem = problem;
        seen = { changes: mergeOf(asked, seen?.changes), dueAt: performance.now() + retryMs };
      })
      .finally(() => {
        running = undefined;
        const end = performance.now();
        restUntil = end + Math.min(longestRestMs, (end - now) * restShare);
        if (!fresh.isEmpty) gather();
        else if (seen !== undefined) arm(Math.max(seen.dueAt, restUntil));
      });
  }

  async function judge(changes: Changes): Promise<void> {
    const begin = performance.now();
    const ports = new Map<number, LocalPort>();
    for (const port of localPorts(replica, flowPorts, pods)) {
      if (changes.mayConcern(port.datapath, port.key)) ports.set(port.zone, port);
    }
    const [first] = ports.values();
    if (changes.isEmpty || first === undefined || openFlow === undefined || !isOpen) return;
    await findEgressTable(openFlow, first);
    const zones = ports.size <= fewZones ? [...ports.keys()] : [undefined];
    let judged = 0;
    let lost = 0;
    let batch: Candidate[] = [];
    const flush = async () => {
      for (const part of byDatapath(batch)) lost += await tryAll(part);
      judged += batch.length;
      batch = [];
    };
    for (const zone of zones) {
      for await (const some of connections((one) => ports.has(one), zone)) {
        for (const connection of some) {
          const port = ports.get(connection.zone);
          if (port === undefined || isBlocked(connection)) continue;
          const candidate = candidateOf(connection, port);
          if (candidate !== undefined && isConcerned(changes, candidate)) batch.push(candidate);
        }
        if (batch.length >= batchSize) await flush();
      }
    }
    await flush();
    metrics?.judged(judged, lost, (performance.now() - begin) / 1_000);
    if (lost > 0) logger.info({ connections: judged, cut: lost }, "cut UDP connections that policies no longer allow");
  }

  /** @returns how many were cut */
  async function tryAll(candidates: readonly Candidate[]): Promise<number> {
    const connection = openFlow;
    if (connection === undefined || egressTable === undefined || candidates.length === 0) return 0;
    const judge = createJudge(connection, egressTable);
    for (const candidate of candidates) judge.putOnTrial(candidate);
    await connection.barrier();
    let lost = 0;
    for (const direction of directions) {
      const onTrial = new Map<string, Candidate[]>();
      for (const candidate of candidates) {
        if (candidate.direction !== direction) continue;
        const key = trialKey(candidate);
        const same = onTrial.get(key);
        if (same === undefined) onTrial.set(key, [candidate]);
        else same.push(candidate);
      }
      if (onTrial.size === 0) continue;
      const zone = trialZones[direction];
      for await (const trials of connections((one) => one === zone, zone)) {
        for (const trial of trials.filter(isBlocked)) {
          for (const candidate of onTrial.get(keyOfTrial(trial)) ?? []) {
            judge.cut(candidate);
            lost += 1;
          }
        }
      }
      connection.flushZone(zone);
    }
    await connection.barrier();
    return lost;
  }

  async function findEgressTable(connection: OpenFlowConnection, port: LocalPort): Promise<void> {
    soughtPort = port;
    egressTable = undefined;
    askForOutputPort(connection, port);
    await connection.barrier();
    soughtPort = undefined;
    if (egressTable === undefined) throw new Error("ovn-controller's flows for the local ports are not there");
  }

  /** What changed meanwhile was not seen. */
  function lookAtAll(): void {
    fresh.noteAll();
    gather();
  }

  function open(): void {
    if (closed) return;
    openFlow = connectOpenFlow(join(rundir, `${integrationBridge}.mgmt`), {
      opened() {
        isOpen = true;
        reconnectAfterMs = reconnectMs.first;
        lastReason = undefined;
        flowPorts.clear();
        openFlow?.follow(monitors.ports);
        openFlow?.follow(monitors.flows);
        lookAtAll();
      },
      updates: onUpdates,
      closed(reason) {
        isOpen = false;
        flowPorts.clear();
        if (closed) return;
        if (reason !== lastReason)
          logger.debug({ bridge: integrationBridge, reason }, "flows are not followed for now");
        lastReason = reason;
        reconnect = setTimeout(open, reconnectAfterMs);
        reconnectAfterMs = Math.min(reconnectAfterMs * 2, reconnectMs.last);
      },
    });
  }

  open();
  pods.synced(stopping.signal).then(lookAtAll, () => undefined);
  return {
    async close() {
      closed = true;
      stopping.abort(new Error("the agent is stopping"));
      clearTimeout(timer);
      clearTimeout(reconnect);
      moved.close();
      openFlow?.close();
      await running;
    },
  };
}

function isConcerned(changes: Changes, candidate: Candidate): boolean {
  const { datapath, key } = candidate.port;
  return changes.concerns(datapath, key, addressOctets(peerOf(candidate)));
}

function byDatapath(candidates: readonly Candidate[]): Iterable<readonly Candidate[]> {
  return Map.groupBy(candidates, ({ port }) => port.datapath).values();
}

function mergeOf(one: Changes, other: Changes | undefined): Changes {
  const both = createChanges();
  both.merge(one);
  if (other !== undefined) both.merge(other);
  return both;
}
