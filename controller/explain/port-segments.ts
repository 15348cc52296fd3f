import type { Labels } from "../state/labels.ts";
import type { Direction, PolicyRecord, TransportProtocol } from "../state/policy.ts";
import { portRange } from "./rule-match.ts";

/** Ports from the first to the last, both included. */
export interface PortSegment {
  readonly first: number;
  readonly last: number;
}

export const allPorts: PortSegment = Object.freeze({ first: 0, last: 65_535 });

/** Cuts all ports where some rule begins or ends: within a segment every rule says the same of each port. */
export function portSegments(
  policies: Iterable<PolicyRecord>,
  direction: Direction | undefined,
  protocol: TransportProtocol,
  destination: Labels | undefined,
): readonly PortSegment[] {
  const starts = new Set([0]);
  for (const { rules } of policies) {
    for (const rule of rules) {
      if (rule.ports === "any" || (direction !== undefined && rule.direction !== direction)) continue;
      for (const match of rule.ports) {
        const range = match.protocol === protocol ? portRange(match, destination) : undefined;
        if (range === undefined) continue;
        starts.add(range.first);
        starts.add(range.last + 1);
      }
    }
  }
  starts.delete(65_536);
  return segmentsFrom(starts);
}

/** Segments that begin at these ports. */
export function segmentsFrom(starts: ReadonlySet<number>): readonly PortSegment[] {
  const sorted = [...starts].sort((a, b) => a - b);
  return sorted.map((first, position) => ({ first, last: (sorted[position + 1] ?? 65_536) - 1 }));
}

/** `80`, `8000-8999`, or nothing for all ports. */
export function segmentText({ first, last }: PortSegment): string {
  if (first === 0 && last === 65_535) return "";
  return first === last ? `${first}` : `${first}-${last}`;
}
