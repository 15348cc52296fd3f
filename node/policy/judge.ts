import {
  conntrack,
  field,
  type OpenFlowConnection,
  type PacketOut,
  packetOut,
  resubmit,
  setField,
} from "../openflow/index.ts";
import { addressKey } from "./address-key.ts";
import type { Endpoint, UdpConnection } from "./connection.ts";
import { udpFrame } from "./frame.ts";
import type { LocalPort } from "./local-ports.ts";

/** `ingress`: somebody opened it to the pod. `egress`: the pod opened it. */
export type Direction = "ingress" | "egress";
export const directions: readonly Direction[] = ["ingress", "egress"];

/** A connection that may have lost its verdict. */
export interface Candidate {
  readonly connection: UdpConnection;
  readonly port: LocalPort;
  readonly direction: Direction;
}

/** OVN's `ct_mark.blocked`: no packet of this connection passes any more, in either direction. */
const blockedMark = 1;

export const isBlocked = ({ mark }: UdpConnection): boolean => (mark & blockedMark) !== 0;

/**
 * Zones of connection tracking in which verdicts are found out, so that real connections stay as they are; one per
 * direction, for between two pods of a node both ends are asked about the same tuple. OVN counts its zones from 1 up, the
 * gateway bridge has 64000.
 */
export const trialZones: Readonly<Record<Direction, number>> = { ingress: 65_001, egress: 65_002 };

/** OVN's registers: the port's zone, the logical input port, the logical output port (ovn-architecture(7)). */
const register = { zone: 13, inputPort: 14, outputPort: 15 } as const;

/** A hardware address that no port has. */
const nobody = Buffer.from([0x02, 0, 0, 0, 0, 0]);

/** @returns undefined for what policies don't judge: a pod that reaches itself */
export function candidateOf(connection: UdpConnection, port: LocalPort): Candidate | undefined {
  const isOwn = (endpoint: Endpoint) => port.addresses.has(addressKey(endpoint.address));
  const opened = isOwn(connection.from);
  const answers = isOwn(connection.answeredBy);
  if (opened === answers) return undefined;
  return { connection, port, direction: opened ? "egress" : "ingress" };
}

/** The other end, as policies see it. */
export const peerOf = ({ connection, direction }: Candidate): string =>
  direction === "egress" ? connection.answeredBy.address : connection.from.address;

/** The tuple that policies judge: what was asked of a Service's address is judged by its backend. */
function judgedTuple({ connection, direction }: Candidate): { readonly from: Endpoint; readonly to: Endpoint } {
  return { from: connection.from, to: direction === "egress" ? connection.answeredBy : connection.to };
}

const keyOf = (from: Endpoint, to: Endpoint): string => `${from.address} ${from.port} ${to.address} ${to.port}`;

/** The same of a candidate and of its trial's connection. */
export function trialKey(candidate: Candidate): string {
  const { from, to } = judgedTuple(candidate);
  return keyOf(from, to);
}
export const keyOfTrial = ({ from, to }: UdpConnection): string => keyOf(from, to);

/** How the packets of a port's trials are handled. */
interface Trial {
  readonly open: PacketOut;
  readonly answer: PacketOut;
  readonly judge: PacketOut;
  readonly cut: PacketOut;
}

/** Has connections judged by OVN's own flows. */
export interface Judge {
  /**
   * Has OVN judge a connection as if who opened it sent once more, in a zone for trials: there the connection is made,
   * and answered once, so that it counts as established; then a datagram goes through the policies of its direction. A
   * drop leaves OVN's mark on the trial's connection. The datagram can reach nobody: it bears a hardware address that
   * leads nowhere, and `in_port` is the one port that it could leave by, where OpenFlow sends nothing back.
   */
  putOnTrial(candidate: Candidate): void;
  /** Puts OVN's mark on the connection itself, as OVN does when who opened it sends again. */
  cut(candidate: Candidate): void;
}

/** @param egressTable where a packet for a port of this node begins the second half of its way */
export function createJudge(openFlow: OpenFlowConnection, egressTable: number): Judge {
  const trials = new Map<string, Trial>();

  function trialOf({ port, direction }: Candidate): Trial {
    const key = `${port.openFlowPort} ${direction}`;
    const known = trials.get(key);
    if (known !== undefined) return known;
    const zone = trialZones[direction];
    const inPort = field.inPort(port.openFlowPort);
    const isEgress = direction === "egress";
    const trial: Trial = {
      open: packetOut([inPort], [conntrack(zone, { commit: true })]),
      answer: packetOut([inPort], [conntrack(zone)]),
      judge: packetOut(
        [
          inPort,
          field.metadata(port.datapath),
          field.register(register.zone, zone),
          field.register(isEgress ? register.inputPort : register.outputPort, port.key),
        ],
        [resubmit(isEgress ? port.ingressTable : egressTable)],
      ),
      cut: packetOut(
        [inPort],
        [conntrack(port.zone, { commit: true, exec: [setField(field.conntrackMark(blockedMark, blockedMark))] })],
      ),
    };
    trials.set(key, trial);
    return trial;
  }

  return {
    putOnTrial(candidate) {
      const { port, direction } = candidate;
      const { from, to } = judgedTuple(candidate);
      const trial = trialOf(candidate);
      // From the pod to the pod itself: the switch sends nothing back where it came from.
      const macs =
        direction === "egress" ? { source: port.mac, destination: port.mac } : { source: nobody, destination: nobody };
      const question = udpFrame(macs, from, to);
      // Each by itself: within one packet's actions connection tracking looks it up only once.
      openFlow.send(trial.open, question);
      openFlow.send(trial.answer, udpFrame(macs, to, from));
      openFlow.send(trial.judge, question);
    },
    cut(candidate) {
      const { from, to } = candidate.connection;
      openFlow.send(trialOf(candidate).cut, udpFrame({ source: nobody, destination: nobody }, from, to));
    },
  };
}
