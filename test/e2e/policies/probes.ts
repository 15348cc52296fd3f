import { sendProbes } from "../../../lab/control/client.ts";
import type { ControlProbe, ControlResult } from "../../../lab/control/protocol.ts";
import type { Lab } from "../../../lab/index.ts";
import { nodePort, outsidePort } from "../../../lab/topology/host-ports.ts";
import { paths } from "../../../lab/topology/layout.ts";
import type { Family } from "../../policies/address-blocks.ts";
import type { Answer, Evaluator } from "../../policies/evaluator.ts";
import { keyOf } from "../../policies/objects.ts";
import {
  type Ask,
  hostPodPort,
  nodeNames,
  openPorts,
  outsideAddresses,
  scenePods,
  serviceObjects,
} from "../../policies/scene.ts";
import type { LabTown } from "./town.ts";

/** The pod that is asked for or asks, at whichever of its addresses. */
export const podOf = (name: string): string => name.replace(/^own:/, "");

/** One packet that is sent, with what has to become of it. */
export interface PlannedProbe {
  readonly ask: Ask;
  readonly family: Family;
  readonly answer: Answer;
  /** The host whose prober sends it. */
  readonly host: string;
  readonly request: Omit<ControlProbe, "timeoutMs">;
}

const families = ["ipv4", "ipv6"] as const;
const protocols = ["tcp", "udp", "sctp"] as const;
const ownPods = scenePods.filter(({ hostNetwork }) => hostNetwork !== true);

/** Each with all that is asked of one pair. */
type Alternatives = readonly Ask[];

interface Candidate {
  readonly ask: Ask;
  readonly answer: Answer;
}

const pairs = ownPods.flatMap(({ key: from }) => ownPods.flatMap(({ key: to }) => (from === to ? [] : [{ from, to }])));

/** At which of their addresses pods ask each other: those in their status, or those that their tenant alone knows. */
type Names = (key: string) => string;
const inStatus: Names = (key) => key;
const inTenant: Names = (key) => `own:${key}`;

const byAddress = (protocol: Ask["protocol"], called: Names): readonly Alternatives[] =>
  pairs.map(({ from, to }) => {
    const ends = { from: called(from), to: called(to) };
    return protocol === "icmp"
      ? [{ ...ends, protocol, port: undefined }]
      : openPorts.map((port) => ({ ...ends, protocol, port }));
  });

const clients = [...ownPods.map(({ key }) => key), ...nodeNames.map((name) => `node:${name}`)];

/** Also to oneself. */
const byService = (protocol: Ask["protocol"]): readonly Alternatives[] =>
  clients.flatMap((from) =>
    serviceObjects.map((service) =>
      service.spec.ports
        .filter((port) => port.protocol?.toLowerCase() === protocol)
        .map(({ port }) => ({ from, to: `service:${keyOf(service)}`, protocol, port })),
    ),
  );

const fromNodes = (sctpWay: SctpWay): readonly Alternatives[] =>
  nodeNames.flatMap((name) =>
    ownPods.map(({ key: to }): Alternatives => {
      const from = `node:${name}`;
      return [
        ...protocols
          .filter((protocol) => protocol !== "sctp" || sctpWay === "address")
          .flatMap((protocol) => openPorts.map((port): Ask => ({ from, to, protocol, port }))),
        { from, to, protocol: "icmp", port: undefined },
      ];
    }),
  );
/** No UDP: a host of several addresses answers from another than it was asked at. */
const toNodes: readonly Alternatives[] = ownPods.flatMap(({ key: from }) => [
  ...nodeNames.map((name): Alternatives => {
    const to = `node:${name}`;
    return [
      { from, to, protocol: "tcp", port: nodePort },
      { from, to, protocol: "icmp", port: undefined },
    ];
  }),
  [{ from, to: "play/host", protocol: "tcp", port: hostPodPort }],
  [
    { from, to: "outside", protocol: "tcp", port: outsidePort },
    { from, to: "outside", protocol: "icmp", port: undefined },
  ],
]);

/**
 * How SCTP is asked for. The userspace datapath's connection tracking knows none of its ports: for it all associations between two
 * addresses are one, whichever side began, so within the life of an entry they may go by the backend's address or by a service of one of
 * the two.
 */
export const sctpWays = ["address", "service", "service of the other"] as const;
export type SctpWay = (typeof sctpWays)[number];

const tcpAndUdp = (called: Names) =>
  (["tcp", "udp"] as const).flatMap((protocol) => [...byAddress(protocol, called), ...byService(protocol)]);

function sctpBy(way: SctpWay, called: Names): readonly Alternatives[] {
  if (way === "address") return byAddress("sctp", called);
  const order = (name: string | undefined) => clients.indexOf(name?.replace("service:", "") ?? "");
  return byService("sctp").filter(([ask]) => order(ask?.from) > order(ask?.to) === (way === "service"));
}

const inBothFamilies = (way: SctpWay, called: Names): readonly Alternatives[] => [
  ...tcpAndUdp(called),
  ...sctpBy(way, called),
];
const inOneFamily = (way: SctpWay, called: Names): readonly Alternatives[] => [
  ...byAddress("icmp", called),
  ...fromNodes(way),
  ...toNodes,
];

/**
 * What is sent in a state: all pairs of pods at all ports in all protocols, by address and by service, in both families. What else is
 * asked, of nodes, of the outside and by ICMP, takes turns from state to state; where ports of a pair have different verdicts, one of
 * each is asked.
 */
export function planProbes(
  town: LabTown,
  evaluator: Evaluator,
  turn: number,
  sctpWay: SctpWay,
): readonly PlannedProbe[] {
  const planned: PlannedProbe[] = [];
  const hostOf = (from: string): string =>
    from.startsWith("node:")
      ? from.slice("node:".length)
      : (scenePods.find(({ key }) => key === podOf(from))?.node ?? from);
  // Pods of tenants have two names for each other, which take turns.
  const called = town.places.ownAddresses !== undefined && turn % 2 === 0 ? inTenant : inStatus;

  function addressOf(to: string, family: Family, answer: Answer): string {
    const [, service] = /^service:(.*)$/.exec(to) ?? [];
    return service === undefined ? answer.packet.destination.address : town.serviceAddress(service, family);
  }

  function candidatesOf(alternatives: Alternatives, family: Family): readonly Candidate[] {
    return alternatives.flatMap((ask) => {
      const to = ask.to === "outside" ? outsideAddresses[family] : ask.to;
      const answers = evaluator.answer({ ...ask, to, family });
      return answers.map((answer) => ({ ask, answer }));
    });
  }

  /** The one whose turn it is, and one that has another verdict if there is. */
  function chosen(candidates: readonly Candidate[], place: number): readonly Candidate[] {
    const first = candidates[(turn + place) % candidates.length];
    if (first === undefined) return [];
    const other = candidates.find(({ answer }) => answer.allowed !== first.answer.allowed);
    return other === undefined ? [first] : [first, other];
  }

  function add(candidates: readonly Candidate[], family: Family): void {
    for (const { ask, answer } of candidates) {
      planned.push({
        ...{ ask, family, answer, host: hostOf(ask.from) },
        request: {
          from: ask.from.startsWith("node:") ? "host" : podOf(ask.from),
          to: addressOf(ask.to, family, answer),
          protocol: ask.protocol,
          ...(ask.port === undefined ? {} : { port: ask.port }),
        },
      });
    }
  }

  for (const family of families)
    for (const one of inBothFamilies(sctpWay, called)) add(candidatesOf(one, family), family);
  for (const [place, one] of inOneFamily(sctpWay, called).entries()) {
    const family = families[(turn + place) % 2] ?? "ipv4";
    add(chosen(candidatesOf(one, family), place), family);
  }
  return planned;
}

/** What a host at once sends: about all of a state, as each batch waits for the silence of what is dropped. */
const atOnce = 750;

/** Sends probes, up to 750 at once from each host. @returns their results in the same order */
export async function send(
  lab: Lab,
  probes: readonly PlannedProbe[],
  timeoutMs: (probe: PlannedProbe) => number,
): Promise<readonly ControlResult[]> {
  const results = new Map<PlannedProbe, ControlResult>();
  const byHost = Map.groupBy(probes, ({ host }) => host);
  await Promise.all(
    [...byHost].map(async ([name, ofHost]) => {
      const host = lab.layout.nodes.find((node) => node.name === name);
      if (host === undefined) throw new Error(`there is no host ${name}`);
      const socket = paths(lab.folder).controlSocket(host);
      for (let start = 0; start < ofHost.length; start += atOnce) {
        const part = ofHost.slice(start, start + atOnce);
        const answers = await sendProbes(
          socket,
          part.map((probe) => ({ ...probe.request, timeoutMs: timeoutMs(probe) })),
        );
        for (const [position, probe] of part.entries()) {
          results.set(probe, answers[position] ?? { verdict: "error", error: "no answer" });
        }
      }
    }),
  );
  return probes.map((probe) => results.get(probe) ?? { verdict: "error", error: "not sent" });
}

/**
 * Whether a result is what was expected. Nobody listens at some ports of nodes: their refusal shows that the packet came
 * there, and comes back only if it may.
 */
export function isAsExpected({ ask, answer }: PlannedProbe, { verdict, peer }: ControlResult): boolean {
  if (!answer.allowed) return verdict === "dropped";
  const { pod, node } = answer.packet.destination;
  if (pod === undefined && node !== undefined) return verdict === "connected" || verdict === "refused";
  if (verdict !== "connected") return false;
  return pod === undefined || ask.protocol === "icmp" || peer === undefined || peer === keyOf(pod);
}

export function textOf({ ask: { from, to, protocol, port }, family, answer }: PlannedProbe): string {
  const what = `${from} > ${to} ${protocol}${port === undefined ? "" : ` ${port}`} ${family}`;
  return `${what}: ${answer.allowed ? "passes" : "is dropped"} (${answer.reasons.join("; ")})`;
}
