import type { Labels } from "../state/labels.ts";
import type { Direction, PolicyRecord } from "../state/policy.ts";
import { type PacketProtocol, portRange } from "./rule-match.ts";

/** Ports from the first to the last, both included. */
export interface PortSegment {
  readonly first: number;
  readonly last: number;
}

const lastPort = 65_535;

/** The ports at which some rule begins to match, or no longer matches. */
export function* segmentStarts(
  policies: Iterable<PolicyRecord>,
  direction: Direction,
  protocol: PacketProtocol,
  destination: Labels | undefined,
): Generator<number> {
  for (const { rules } of policies) {
    for (const rule of rules) {
      if (rule.ports === "any" || rule.direction !== direction) continue;
      for (const match of rule.ports) {
        const range = match.protocol === protocol ? portRange(match, destination) : undefined;
        if (range === undefined) continue;
        yield range.first;
        if (range.last < lastPort) yield range.last + 1;
      }
    }
  }
}

/** All ports, cut at these: where the cuts are `segmentStarts`, every rule says the same of all ports of a segment. */
export function segmentsFrom(starts: Iterable<number>): readonly PortSegment[] {
  const sorted = [...new Set([0, ...starts])].sort((a, b) => a - b);
  return sorted.map((first, position) => ({ first, last: (sorted[position + 1] ?? lastPort + 1) - 1 }));
}

/** `80`, `8000-8999`, or nothing for all ports. */
export function segmentText({ first, last }: PortSegment): string {
  if (first === 0 && last === lastPort) return "";
  return first === last ? `${first}` : `${first}-${last}`;
}
