import { join } from "node:path";
import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { Replica } from "ovsdb-client-ts";
import type { Logger } from "../logger.ts";
import { connectOpenFlow, type FlowUpdate, type OpenFlowConnection } from "../openflow/index.ts";
import type { PodSource } from "../pods/index.ts";
import { type Datapath, forgetConfusedFlows } from "../vswitchd/index.ts";
import { addressOctets } from "./address-key.ts";
import { readBackend } from "./backends.ts";
import { type Changes, createChanges, isOfPolicy } from "./changes.ts";
import { createConntrack } from "./conntrack.ts";
import { peerOf } from "./judge.ts";
import { judgeConnections } from "./judge-connections.ts";
import { type FlowPort, type LocalPort, learnPort, localPorts, physicalToLogicalTable } from "./local-ports.ts";
import { createMovedFlows } from "./moved-flows.ts";
import { createSecondLooks } from "./second-looks.ts";
import { askForOutputPort, egressTableOf, monitors } from "./session.ts";

export interface EstablishedConnectionsMetrics {
  /** A look at connections after a change of policies: how many were judged, how many cut, how long it took. */
  judged(connections: number, cut: number, seconds: number): void;
  /** Connections to Services that were forgotten since they stood still with a backend that is gone. */
  forgotten(connections: number): void;
  /** Whether changes of flows, and so of policies, are seen. */
  followed(isFollowed: boolean): void;
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
/** Between two times at which the datapath forgets its cached flows: each packet takes the long way then, once for each connection. */
const leastForgetMs = 1_000;
/** After a look, vswitchd is left alone for this many times as long as the look took, but for no longer than a verdict may wait. */
const restShare = 4;
const longestRestMs = 400;
/** After a look that failed. */
const retryMs = 5_000;
const reconnectMs = { first: 200, last: 10_000 } as const;

/** The table that is looked for among the flows of a port. */
interface EgressLookup {
  readonly port: LocalPort;
  table: number | undefined;
}

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
  let warned = false;
  let lastProblem: string | undefined;
  const stopping = new AbortController();

  let sought: EgressLookup | undefined;

  let fresh = createChanges();
  const secondLooks = createSecondLooks({ afterMs: secondLookMs, leastForgetMs });
  let gatheringSince: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let restUntil = 0;
  let running: Promise<void> | undefined;

  let lastForget: NodeJS.Timeout | undefined;

  const conntrack = createConntrack(rundir, datapath);

  const moved = createMovedFlows({
    conntrack,
    // Those of ports go, and come, with all the others when ovn-controller is started anew.
    areFlowsThere: () => flowPorts.size > 0,
    forgotten: (count) => metrics?.forgotten(count),
    logger,
  });

  function onUpdates(updates: Iterable<FlowUpdate>): void {
    for (const update of updates) {
      if (update.table === physicalToLogicalTable) learnPort(flowPorts, update);
      else if (update.event === "initial") {
        if (sought !== undefined) sought.table ??= egressTableOf(update, sought.port);
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
    const again = secondLooks.take();
    const asked = createChanges();
    if (isFresh) asked.merge(changes);
    if (again !== undefined) asked.merge(again);
    if (isFresh) secondLooks.add(changes);
    running = judge(asked, again !== undefined)
      .then(() => {
        lastProblem = undefined;
      })
      .catch((error: unknown) => {
        const problem = error instanceof Error ? error.message : String(error);
        if (!closed && problem !== lastProblem)
          logger.warn({ err: error }, "established connections could not be judged, will try again");
        lastProblem = problem;
        secondLooks.postpone(asked, retryMs);
      })
      .finally(() => {
        running = undefined;
        const end = performance.now();
        restUntil = end + Math.min(longestRestMs, (end - now) * restShare);
        if (!fresh.isEmpty) gather();
        else if (secondLooks.dueAt !== undefined) arm(Math.max(secondLooks.dueAt, restUntil));
      });
  }

  /** @param isSettled whether the change is old enough for vswitchd to have looked at all flows of its datapath since */
  async function judge(changes: Changes, isSettled: boolean): Promise<void> {
    const begin = performance.now();
    const ports = localPorts(replica, flowPorts, pods).filter((port) => changes.mayConcern(port.datapath, port.key));
    const [first] = ports;
    if (changes.isEmpty || first === undefined || openFlow === undefined || !isOpen) return;
    // What passes by flows that a faulty datapath has left as they were would go on passing.
    if (isSettled) await forgetFlows("and once more");
    const result = await judgeConnections({
      conntrack,
      openFlow,
      ports,
      egressTable: await findEgressTable(openFlow, first),
      isConcerned: (candidate) =>
        changes.concerns(candidate.port.datapath, candidate.port.key, addressOctets(peerOf(candidate))),
    });
    metrics?.judged(result.judged, result.cut, (performance.now() - begin) / 1_000);
    if (result.cut > 0) logger.info(result, "cut UDP connections that policies no longer allow");
  }

  /** On a busy machine vswitchd may confuse flows even after the change has settled, so the last change of all has it done twice. */
  async function forgetFlows(times: "and once more" | "for the last time"): Promise<void> {
    clearTimeout(lastForget);
    if ((await forgetConfusedFlows(rundir, datapath())) !== "forgotten" || closed) return;
    secondLooks.forgot();
    if (times === "for the last time") return;
    lastForget = setTimeout(() => {
      forgetFlows("for the last time").catch((error: unknown) => {
        if (!closed) logger.warn({ err: error }, "cached flows could not be forgotten");
      });
    }, leastForgetMs);
  }

  /** Asked for each time: another version of ovn-controller may have taken over. */
  async function findEgressTable(connection: OpenFlowConnection, port: LocalPort): Promise<number> {
    const lookup: EgressLookup = { port, table: undefined };
    sought = lookup;
    askForOutputPort(connection, port);
    await connection.barrier();
    sought = undefined;
    if (lookup.table === undefined) throw new Error("ovn-controller's flows for the local ports are not there");
    return lookup.table;
  }

  /** What changed meanwhile was not seen. */
  function lookAtAll(): void {
    fresh.noteAll();
    gather();
  }

  function following(): void {
    if (closed) return;
    if (warned) logger.info({ bridge: integrationBridge }, "the bridge's flows are followed again");
    warned = false;
    lastReason = undefined;
    reconnectAfterMs = reconnectMs.first;
    metrics?.followed(true);
  }

  function open(): void {
    if (closed) return;
    openFlow = connectOpenFlow(join(rundir, `${integrationBridge}.mgmt`), {
      opened() {
        isOpen = true;
        flowPorts.clear();
        openFlow?.follow(monitors.ports);
        openFlow?.follow(monitors.flows);
        // Not before the bridge has taken that: one that can't follow flows ends each connection that asks for it.
        openFlow?.barrier().then(following, () => undefined); // Told when the connection is closed.
        lookAtAll();
      },
      updates: onUpdates,
      closed(reason) {
        isOpen = false;
        flowPorts.clear();
        moved.reset();
        if (closed) return;
        metrics?.followed(false);
        if (reason !== lastReason)
          logger.debug({ bridge: integrationBridge, reason }, "flows are not followed for now");
        lastReason = reason;
        if (reconnectAfterMs === reconnectMs.last && !warned) {
          warned = true;
          logger.warn(
            { bridge: integrationBridge, reason },
            "the bridge's flows can't be followed: UDP connections that policies no longer allow go on while only answers flow",
          );
        }
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
      clearTimeout(lastForget);
      moved.close();
      openFlow?.close();
      await running;
    },
  };
}
