import type { Labels } from "../state/labels.ts";
import type { Direction, PolicyRecord } from "../state/policy.ts";
import { decide } from "./decision.ts";
import type { Party } from "./party.ts";
import { type PolicyStack, policiesOf } from "./policy-index.ts";
import { type PortSegment, segmentStarts, segmentsFrom } from "./port-segments.ts";
import { type DomainAddresses, namedPortsOf, type PacketProtocol, peersMatchBy } from "./rule-match.ts";

export const planProtocols = ["tcp", "udp", "sctp", "icmp"] as const satisfies readonly PacketProtocol[];

/** What holds for a run of ports, before the change and after it. */
export interface Run extends PortSegment {
  readonly before: boolean;
  readonly after: boolean;
}

/** What one direction, or both together, says of all ports; equal ones are the same object. */
export interface Vector {
  readonly id: number;
  readonly runs: Readonly<Record<PacketProtocol, readonly Run[]>>;
  readonly changes: boolean;
}

export interface Vectors {
  /** What allows all, before and after. */
  readonly open: Vector;
  make(runs: Record<PacketProtocol, Run[]>): Vector;
  /** Allowed where both allow. */
  both(a: Vector, b: Vector): Vector;
}

function joined(runs: readonly Run[]): Run[] {
  const result: Run[] = [];
  for (const run of runs) {
    const last = result.at(-1);
    if (last?.before === run.before && last.after === run.after) result.splice(-1, 1, { ...last, last: run.last });
    else result.push(run);
  }
  return result;
}

function runText({ first, last, before, after }: Run): string {
  return `${first}-${last}${before ? "a" : "d"}${after ? "a" : "d"}`;
}

function overlaid(a: readonly Run[], b: readonly Run[]): Run[] {
  const result: Run[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i], b[j]];
    if (one === undefined || other === undefined) break;
    const last = Math.min(one.last, other.last);
    result.push({
      first: Math.max(one.first, other.first),
      last,
      before: one.before && other.before,
      after: one.after && other.after,
    });
    if (one.last === last) i++;
    if (other.last === last) j++;
  }
  return result;
}

/** Keeps each vector once, so that what was computed for two of them needn't be again. */
export function createVectors(): Vectors {
  const byText = new Map<string, Vector>();
  const pairs = new Map<string, Vector>();
  function make(runs: Record<PacketProtocol, Run[]>): Vector {
    const merged = Object.fromEntries(planProtocols.map((protocol) => [protocol, joined(runs[protocol])])) as Record<
      PacketProtocol,
      Run[]
    >;
    const text = planProtocols.map((protocol) => merged[protocol].map(runText).join()).join(";");
    let vector = byText.get(text);
    if (vector === undefined) {
      const changes = planProtocols.some((protocol) => merged[protocol].some(({ before, after }) => before !== after));
      vector = { id: byText.size, runs: merged, changes };
      byText.set(text, vector);
    }
    return vector;
  }
  const all = (): Run[] => [{ first: 0, last: 65_535, before: true, after: true }];
  const open = make({ tcp: all(), udp: all(), sctp: all(), icmp: all() });
  return {
    open,
    make,
    both(a, b) {
      if (a === open) return b;
      if (b === open) return a;
      const key = a.id < b.id ? `${a.id} ${b.id}` : `${b.id} ${a.id}`;
      let vector = pairs.get(key);
      if (vector === undefined) {
        const runs = planProtocols.map((protocol) => [protocol, overlaid(a.runs[protocol], b.runs[protocol])]);
        vector = make(Object.fromEntries(runs) as Record<PacketProtocol, Run[]>);
        pairs.set(key, vector);
      }
      return vector;
    },
  };
}

/** What the policies of some pods say in one direction, before and after: of any peer. */
export interface StackJudge {
  /** Whether the change can matter to these pods in this direction. */
  readonly changes: boolean;
  /** @param destination labels of the receiver, when it is a pod */
  vectorOf(peer: Party, destination: Labels | undefined): Vector;
}

function policiesIn(stack: PolicyStack, direction: Direction): readonly PolicyRecord[] {
  return policiesOf(stack).filter(
    ({ rules, isolates }) => isolates.includes(direction) || rules.some((rule) => rule.direction === direction),
  );
}

/** Judges by the policies of pods that the same ones select. */
export function judgeOf(
  stacks: { readonly before: PolicyStack; readonly after: PolicyStack },
  direction: Direction,
  vectors: Vectors,
  domains: DomainAddresses,
): StackJudge {
  const before = policiesIn(stacks.before, direction);
  const after = policiesIn(stacks.after, direction);
  const policies = [...new Set([...before, ...after])];
  const rules = policies.flatMap((policy) => policy.rules.filter((rule) => rule.direction === direction));
  const peerLists = [...new Set(rules.map(({ peers }) => peers))].filter((peers) => peers !== "any");
  const namedPorts = [...new Set(rules.flatMap(namedPortsOf))];
  const known = new Map<string, Vector>();
  return {
    changes: before.length !== after.length || before.some((policy, position) => policy !== after[position]),
    vectorOf(peer, destination) {
      if (policies.length === 0) return vectors.open;
      let signature = "";
      for (const peers of peerLists) signature += peersMatchBy(peers, peer, domains)?.[0] ?? "-";
      for (const key of namedPorts) signature += ` ${destination?.[key]}`;
      let vector = known.get(signature);
      if (vector === undefined) {
        const verdict = (stack: PolicyStack, protocol: PacketProtocol, port: number): boolean =>
          decide(stack, direction, peer, { protocol, port, destination }, domains).verdict === "allowed";
        const runsOf = (protocol: PacketProtocol): Run[] =>
          (protocol === "icmp"
            ? [{ first: 0, last: 65_535 }]
            : segmentsFrom(segmentStarts(policies, direction, protocol, destination))
          ).map((segment) => ({
            ...segment,
            before: verdict(stacks.before, protocol, segment.first),
            after: verdict(stacks.after, protocol, segment.first),
          }));
        vector = vectors.make({ tcp: runsOf("tcp"), udp: runsOf("udp"), sctp: runsOf("sctp"), icmp: runsOf("icmp") });
        known.set(signature, vector);
      }
      return vector;
    },
  };
}
