import { canonicalDomain } from "@ovenbird/kube";
import { cidrOf, overlap, parseAddressWithPrefix } from "../ipam/address.ts";
import type { AddressBlock, PortMatch, TransportProtocol } from "./policy.ts";
import { isAbsent } from "./raw-object.ts";
import { portNumberAt, protocolAt } from "./service.ts";

/**
 * What the kinds of policies have in common in their parts. Each reader gives the part, or, as text, why it can't be
 * read; what that means is for the kind to decide.
 */

/** The API server's IsValidPortName. */
const portNamePattern = /^(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
/** The pattern of DomainName in policy.networking.k8s.io, in lower case. */
const domainPattern =
  /^(?=.{1,254}$)(?:\*\.)?(?:[a-z0-9](?:[-a-z0-9_]*[a-z0-9])?\.)+[a-z0-9](?:[-a-z0-9_]*[a-z0-9])?\.?$/;

const transportProtocols = ["tcp", "udp", "sctp"] as const satisfies readonly TransportProtocol[];

export function isPortName(value: unknown): value is string {
  return typeof value === "string" && portNamePattern.test(value);
}

function cidrAt(value: unknown) {
  // Longer than any; what follows would only take time.
  const parsed = typeof value === "string" && value.length <= 64 ? parseAddressWithPrefix(value) : undefined;
  return parsed === undefined ? undefined : cidrOf(parsed, parsed.prefixLength);
}

/**
 * A network and what is taken out of it. Bits beyond the prefix don't count, as in the API.
 * @param outside is told of each except that takes nothing away, since it lies outside of the network
 * @returns undefined when nothing is left of the network
 */
export function readBlock(
  cidr: unknown,
  excepts: unknown,
  outside: (except: string) => void,
): AddressBlock | undefined | string {
  const network = cidrAt(cidr);
  if (network === undefined) return `${JSON.stringify(cidr)} is no network`;
  if (!isAbsent(excepts) && !Array.isArray(excepts)) return "except is no list";
  const except = new Set<string>();
  let isCovered = false;
  for (const value of Array.isArray(excepts) ? excepts : []) {
    const part = cidrAt(value);
    if (part?.family !== network.family) return `except ${JSON.stringify(value)} is no network of its block's family`;
    if (!overlap(network, part)) outside(part.text);
    else if (part.prefixLength <= network.prefixLength) isCovered = true;
    else except.add(part.text);
  }
  if (isCovered) return undefined;
  return Object.freeze({ cidr: network.text, except: Object.freeze([...except].sort()) });
}

/** In lower case, without the dot at its end. */
export function readDomainName(value: unknown): string | undefined {
  return typeof value === "string" && domainPattern.test(value.toLowerCase()) ? canonicalDomain(value) : undefined;
}

export function portRange(protocol: TransportProtocol, first: number, last: number): PortMatch {
  return Object.freeze({ kind: "range", protocol, first, last });
}

/** A name alone, as the kinds that span the cluster have it, stands for ports of that name of every protocol. */
export function namedPorts(name: string): readonly PortMatch[] {
  return transportProtocols.map((protocol) => Object.freeze({ kind: "named", protocol, name }));
}

export function protocolOf(value: unknown): TransportProtocol | undefined {
  return protocolAt(value ?? undefined);
}

/** Both ends belong to it. */
export function readRange(protocol: TransportProtocol, start: unknown, end: unknown): PortMatch | string {
  const first = portNumberAt(start);
  const last = portNumberAt(end);
  return first === undefined || last === undefined || first > last
    ? `${JSON.stringify(start)} to ${JSON.stringify(end)} is no range of ports`
    : portRange(protocol, first, last);
}

/** Reads each entry into any number of parts; why one can't be read goes to `unreadable`. */
export function readEach<T>(
  entries: readonly unknown[],
  read: (raw: unknown) => readonly T[] | string,
  unreadable: (reason: string) => void,
): readonly T[] {
  const parts: T[] = [];
  for (const entry of entries) {
    const part = read(entry);
    if (typeof part === "string") unreadable(part);
    else parts.push(...part);
  }
  return Object.freeze(parts);
}
