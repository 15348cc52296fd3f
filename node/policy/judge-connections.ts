import type { OpenFlowConnection } from "../openflow/index.ts";
import type { Conntrack } from "./conntrack.ts";
import {
  type Candidate,
  candidateOf,
  createJudge,
  type Direction,
  directions,
  isBlocked,
  type Judge,
  keyOfTrial,
  trialKey,
  trialZones,
} from "./judge.ts";
import type { LocalPort } from "./local-ports.ts";

/** Connections on trial at a time. */
const batchSize = 500;
/** Up to that many ports are asked for one by one, more all at once. */
const fewPorts = 4;

/**
 * Has the connections of some ports judged, and cuts those that lost.
 * @param options.egressTable see `createJudge`
 * @param options.isConcerned whether a connection is to be judged at all
 * @returns how many were judged and cut
 * @throws Error when vswitchd does not answer
 */
export async function judgeConnections(options: {
  readonly conntrack: Conntrack;
  readonly openFlow: OpenFlowConnection;
  readonly ports: readonly LocalPort[];
  readonly egressTable: number;
  readonly isConcerned: (candidate: Candidate) => boolean;
}): Promise<{ readonly judged: number; readonly cut: number }> {
  const { conntrack, openFlow, egressTable, isConcerned } = options;
  const portOfZone = new Map(options.ports.map((port) => [port.zone, port]));
  const judge = createJudge(openFlow, egressTable);
  let judged = 0;
  let cut = 0;
  let batch: Candidate[] = [];

  async function judgeBatch(): Promise<void> {
    // Switches apart: in two of them the same addresses may be somebody else's.
    for (const candidates of Map.groupBy(batch, ({ port }) => port.datapath).values()) cut += await tryAll(candidates);
    judged += batch.length;
    batch = [];
  }

  /** @returns how many were cut */
  async function tryAll(candidates: readonly Candidate[]): Promise<number> {
    for (const candidate of candidates) judge.putOnTrial(candidate);
    await openFlow.barrier();
    let lost = 0;
    for (const direction of directions) {
      const ofDirection = candidates.filter((candidate) => candidate.direction === direction);
      if (ofDirection.length > 0) lost += await cutLosers(conntrack, judge, direction, ofDirection);
      openFlow.flushZone(trialZones[direction]);
    }
    await openFlow.barrier();
    return lost;
  }

  const zones = portOfZone.size <= fewPorts ? [...portOfZone.keys()] : [undefined];
  for (const zone of zones) {
    for await (const some of conntrack.connections((one) => portOfZone.has(one), zone)) {
      for (const connection of some) {
        const port = portOfZone.get(connection.zone);
        if (port === undefined || isBlocked(connection)) continue;
        const candidate = candidateOf(connection, port);
        if (candidate !== undefined && isConcerned(candidate)) batch.push(candidate);
      }
      if (batch.length >= batchSize) await judgeBatch();
    }
  }
  await judgeBatch();
  return { judged, cut };
}

/** @returns how many */
async function cutLosers(
  conntrack: Conntrack,
  judge: Judge,
  direction: Direction,
  candidates: readonly Candidate[],
): Promise<number> {
  const onTrial = Map.groupBy(candidates, trialKey);
  const zone = trialZones[direction];
  let lost = 0;
  for await (const trials of conntrack.connections((one) => one === zone, zone)) {
    for (const trial of trials.filter(isBlocked)) {
      for (const candidate of onTrial.get(keyOfTrial(trial)) ?? []) {
        judge.cut(candidate);
        lost += 1;
      }
    }
  }
  return lost;
}
