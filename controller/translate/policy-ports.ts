import type { PortMatch, TransportProtocol } from "../state/policy.ts";
import { oneOf } from "./match.ts";

/** Port numbers, both ends in it. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Destination ports by number; `any` is all of IP. Ranges are in order and don't touch; no protocol has none. */
export type Ports = "any" | ReadonlyMap<TransportProtocol, readonly PortRange[]>;

const protocols: readonly TransportProtocol[] = ["tcp", "udp", "sctp"];
const whole: PortRange = { first: 0, last: 65535 };

function merged(ranges: readonly PortRange[]): PortRange[] {
  const result: PortRange[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const previous = result.at(-1);
    if (previous === undefined || first > previous.last + 1) result.push({ first, last });
    else if (last > previous.last) result[result.length - 1] = { first: previous.first, last };
  }
  return result;
}

/** Those of a rule that it gives by number; undefined when there is none. */
export function numberedPorts(ports: readonly PortMatch[] | "any"): Ports | undefined {
  if (ports === "any") return "any";
  const byProtocol = new Map<TransportProtocol, readonly PortRange[]>();
  for (const protocol of protocols) {
    const ranges = merged(ports.filter((port) => port.kind === "range" && port.protocol === protocol) as PortRange[]);
    if (ranges.length > 0) byProtocol.set(protocol, ranges);
  }
  return byProtocol.size === 0 ? undefined : byProtocol;
}

export function onePort(protocol: TransportProtocol, number: number): Ports {
  return new Map([[protocol, [{ first: number, last: number }]]]);
}

/** What is in both; undefined when nothing is. */
export function commonPorts(a: Ports, b: Ports): Ports | undefined {
  if (a === "any") return b;
  if (b === "any") return a;
  const byProtocol = new Map<TransportProtocol, readonly PortRange[]>();
  for (const [protocol, ranges] of a) {
    const common = ranges.flatMap((one) =>
      (b.get(protocol) ?? []).flatMap((other) => {
        const first = Math.max(one.first, other.first);
        const last = Math.min(one.last, other.last);
        return first <= last ? [{ first, last }] : [];
      }),
    );
    if (common.length > 0) byProtocol.set(protocol, common);
  }
  return byProtocol.size === 0 ? undefined : byProtocol;
}

function protocolMatch(protocol: TransportProtocol, ranges: readonly PortRange[]): string {
  if (ranges.some(({ first, last }) => first === whole.first && last === whole.last)) return protocol;
  const single = ranges.filter(({ first, last }) => first === last).map(({ first }) => first);
  const spans = ranges
    .filter(({ first, last }) => first !== last)
    .map(({ first, last }) => `${first} <= ${protocol}.dst <= ${last}`);
  const parts = single.length === 0 ? spans : [`${protocol}.dst == ${oneOf(single)}`, ...spans];
  return parts.length === 1 ? (parts[0] ?? "") : `(${parts.join(" || ")})`;
}

/** What an ACL's match says of ports. */
export interface PortsMatch {
  /** Undefined for all of IP. */
  readonly protocol: TransportProtocol | undefined;
  /** Empty for all of IP. */
  readonly text: string;
}

/** One for each protocol: of several in one match, flows would multiply. */
export function portsMatches(ports: Ports): readonly PortsMatch[] {
  if (ports === "any") return [{ protocol: undefined, text: "" }];
  return [...ports].map(([protocol, ranges]) => ({ protocol, text: protocolMatch(protocol, ranges) }));
}
