import * as z from "zod";
import {
  bitsOf,
  type Cidr,
  cidrOf,
  contains,
  type Family,
  overlap,
  parseAddress,
  parseAddressWithPrefix,
} from "./address.ts";

/** What can be wrong with the networks that are configured; the controller doesn't start on any of these. */
export const networkConfigProblemCodes = {
  INVALID_VALUE: "A field is missing, unknown, or of the wrong type.",
  INVALID_CIDR: "Not an address with a prefix length.",
  HOST_BITS_SET: "The address has bits set beyond its prefix length.",
  CIDR_NOT_USABLE: "The network holds loopback, link-local, multicast or reserved addresses.",
  FAMILY_REPEATED: "Two networks of one address family where at most one is taken.",
  OVERLAPPING_CIDRS: "Two of the networks share addresses.",
  NODE_PREFIX_OUT_OF_RANGE: "The prefix length of a node's block doesn't fit the cluster's network.",
  NODE_PREFIX_MISSING: "No prefix length for the blocks of one of the cluster's networks.",
  JOIN_CIDR_MISSING: "No join network for a family that the cluster uses.",
  JOIN_CIDR_TOO_SMALL: "The join network has no room for a gateway router.",
  INFRASTRUCTURE_CIDR_MISSING: "No infrastructure network for a family that the cluster uses.",
  INFRASTRUCTURE_CIDR_TOO_SMALL: "The infrastructure network has no room for tenants' links and pods.",
  INVALID_PORT_RANGE: "The range of node ports is none, or holds ports that hosts use otherwise.",
  INVALID_MTU: "The MTU is outside of what the configured address families need.",
} as const satisfies Record<string, string>;

export type NetworkConfigProblemCode = keyof typeof networkConfigProblemCodes;

export interface NetworkConfigProblem {
  readonly code: NetworkConfigProblemCode;
  /** The field at fault: `clusterCidr`, `nodePrefix`, `joinCidr`, `infrastructureCidr`, `serviceCidr`, `nodePortRange` or `mtuBytes`. */
  readonly field: string;
  readonly message: string;
}

/** The networks of one address family. */
export interface FamilyNetwork {
  readonly family: Family;
  /** What all nodes' blocks are cut from. */
  readonly cluster: Cidr;
  /** The prefix length of a node's block. */
  readonly nodePrefixLength: number;
  /** Between the tenant router (.1) and the nodes' gateway routers (.2 + the node's number). */
  readonly join: Cidr;
}

/** Where the API server takes services' addresses and ports from; we are told, we don't give them out. */
export interface ServiceNetwork {
  /** Of families that the cluster has, at most one per family, IPv4 first. */
  readonly cidrs: readonly Cidr[];
  /** Both ends belong to it. */
  readonly nodePorts: PortRange;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface NetworkConfig {
  /** One or two, IPv4 first. */
  readonly families: readonly FamilyNetwork[];
  readonly services: ServiceNetwork;
  /** Addresses that are one of a kind in the cluster, for pods of tenants: one network for each of `families`, in their order. */
  readonly infrastructure: readonly Cidr[];
  /** How many nodes the smallest of the networks has room for. */
  readonly maxNodes: number;
  readonly mtuBytes: number;
}

export type NetworkConfigResult =
  | { readonly kind: "valid"; readonly network: NetworkConfig }
  | { readonly kind: "invalid"; readonly problems: readonly NetworkConfigProblem[] };

/** A node's number has to fit into 16 bits, since it is part of MAC addresses. */
const mostNodes = 65_534;
const listOfText = z
  .union([z.array(z.string()), z.string()])
  .transform((value) =>
    (typeof value === "string" ? value.split(",") : value).map((part) => part.trim()).filter((part) => part !== ""),
  );
const listOfNumbers = z
  .union([z.array(z.int()), z.int(), z.string()])
  .transform((value) =>
    typeof value === "string"
      ? value.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)))
      : [value].flat(),
  );

/** The input of `parseNetworkConfig`, each list as an array or as text with commas. */
export const networkConfigInput = z.strictObject({
  clusterCidr: listOfText.default(["10.244.0.0/16", "fd00:10:244::/48"]),
  /** IPv4 first; one number is enough for one family. */
  nodePrefix: listOfNumbers.optional(),
  joinCidr: listOfText.default(["100.64.0.0/16", "fd98::/64"]),
  infrastructureCidr: listOfText.default(["100.80.0.0/12", "fd97::/64"]),
  serviceCidr: listOfText.default(["10.96.0.0/16", "fd00:10:96::/112"]),
  nodePortRange: z.string().default("30000-32767"),
  mtuBytes: z.coerce.number().int().default(1400),
});
export type NetworkConfigInput = z.input<typeof networkConfigInput>;

/** What no pod can have: IANA's special-purpose blocks that hosts treat on their own (RFC 6890, RFC 4291). */
const unusable = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8"].flatMap(
  (text) => {
    const parsed = parseAddressWithPrefix(text);
    return parsed === undefined ? [] : [cidrOf(parsed, parsed.prefixLength)];
  },
);

const defaultNodePrefix: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };
/** Router, management port and at least a pod, beside an IPv4 subnet's own two addresses. */
const longestNodePrefix: Readonly<Record<Family, number>> = { 4: 29, 6: 120 };
const leastMtuBytes: Readonly<Record<Family, number>> = { 4: 576, 6: 1280 };

type Report = (code: NetworkConfigProblemCode, field: string, message: string) => void;

function parseCidrs(texts: readonly string[], field: string, report: Report): Cidr[] {
  const cidrs: Cidr[] = [];
  for (const text of texts) {
    const parsed = parseAddressWithPrefix(text);
    if (parsed === undefined) {
      report("INVALID_CIDR", field, `${JSON.stringify(text)} is not an address with a prefix length`);
      continue;
    }
    const cidr = cidrOf(parsed, parsed.prefixLength);
    const forbidden = unusable.find((network) => network.family === cidr.family && overlap(network, cidr));
    if (cidr.base !== parsed.value) {
      report("HOST_BITS_SET", field, `${text} has bits set beyond its prefix; the network is ${cidr.text}`);
    } else if (forbidden !== undefined) {
      report("CIDR_NOT_USABLE", field, `${text} overlaps ${forbidden.text}, which hosts treat on their own`);
    } else if (cidrs.some(({ family }) => family === cidr.family)) {
      report("FAMILY_REPEATED", field, `${text} is a second IPv${cidr.family} network`);
    } else {
      cidrs.push(cidr);
    }
  }
  return cidrs.sort((a, b) => a.family - b.family);
}

function nodePrefixFor(family: Family, families: number, given: readonly number[] | undefined): number | undefined {
  if (given === undefined) return defaultNodePrefix[family];
  if (given.length === 1 && families === 1) return given[0];
  return given[family === 4 ? 0 : 1];
}

/** 2 to the power of `bits`, at most `limit`. */
export function capped(bits: number, limit: number): number {
  return bits >= 31 ? limit : Math.min(2 ** bits, limit);
}

function familyNetwork(
  cluster: Cidr,
  join: Cidr | undefined,
  nodePrefixLength: number | undefined,
  report: Report,
): FamilyNetwork | undefined {
  const { family } = cluster;
  if (nodePrefixLength === undefined) {
    report("NODE_PREFIX_MISSING", "nodePrefix", `no prefix length is given for the blocks of ${cluster.text}`);
    return undefined;
  }
  const longest = longestNodePrefix[family];
  if (
    !(Number.isInteger(nodePrefixLength) && nodePrefixLength >= cluster.prefixLength && nodePrefixLength <= longest)
  ) {
    const range = `between ${cluster.prefixLength} and ${longest}`;
    report("NODE_PREFIX_OUT_OF_RANGE", "nodePrefix", `${nodePrefixLength} is not ${range}, as ${cluster.text} needs`);
    return undefined;
  }
  if (join === undefined) {
    report("JOIN_CIDR_MISSING", "joinCidr", `no IPv${family} join network is given, but ${cluster.text} needs one`);
    return undefined;
  }
  if (bitsOf(family) - join.prefixLength < 2) {
    report("JOIN_CIDR_TOO_SMALL", "joinCidr", `${join.text} has no room for a gateway router`);
    return undefined;
  }
  if (overlap(cluster, join)) {
    report("OVERLAPPING_CIDRS", "joinCidr", `the join network ${join.text} overlaps the cluster's ${cluster.text}`);
    return undefined;
  }
  return { family, cluster, nodePrefixLength, join };
}

function roomForNodes({ family, cluster, nodePrefixLength, join }: FamilyNetwork): number {
  // The join network's own address, the tenant router and, in IPv4, the broadcast address are no gateways.
  const gateways = capped(bitsOf(family) - join.prefixLength, mostNodes + 3) - 3;
  return Math.min(gateways, capped(nodePrefixLength - cluster.prefixLength, mostNodes));
}

/** The host's own connections, and what pods' are translated to, begin above: a node port must never be one of those. */
const lastNodePort = 32_767;

function parseNodePorts(text: string, report: Report): PortRange {
  const [, low, high] = /^\s*(\d{1,5})\s*-\s*(\d{1,5})\s*$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  if (!(first >= 1 && first <= last && last <= lastNodePort)) {
    report("INVALID_PORT_RANGE", "nodePortRange", `${JSON.stringify(text)} is not first-last within 1-${lastNodePort}`);
  }
  return { first, last };
}

/** The services' networks of the families that the cluster has. */
function serviceNetworks(services: readonly Cidr[], families: readonly FamilyNetwork[], report: Report): Cidr[] {
  return services.flatMap((service) => {
    const network = families.find(({ family }) => family === service.family);
    if (network === undefined) return [];
    const other = [network.cluster, network.join].find((cidr) => overlap(cidr, service));
    if (other !== undefined) {
      report("OVERLAPPING_CIDRS", "serviceCidr", `the services' network ${service.text} overlaps ${other.text}`);
    }
    return [service];
  });
}

/** Tenants' links take the first 2^16 numbers, and slices for pods as many again at least. */
const leastInfrastructureBits = 17;

/** The infrastructure networks of the families that the cluster has. */
function infrastructureNetworks(
  infrastructure: readonly Cidr[],
  families: readonly FamilyNetwork[],
  services: readonly Cidr[],
  report: Report,
): Cidr[] {
  const field = "infrastructureCidr";
  return families.flatMap(({ family, cluster, join }) => {
    const network = infrastructure.find((cidr) => cidr.family === family);
    if (network === undefined) {
      report(
        "INFRASTRUCTURE_CIDR_MISSING",
        field,
        `no IPv${family} infrastructure network is given, but ${cluster.text} needs one`,
      );
      return [];
    }
    if (bitsOf(family) - network.prefixLength < leastInfrastructureBits) {
      const longest = bitsOf(family) - leastInfrastructureBits;
      report("INFRASTRUCTURE_CIDR_TOO_SMALL", field, `${network.text} is longer than /${longest}, and too small`);
    }
    const other = [cluster, join, ...services].find((cidr) => overlap(cidr, network));
    if (other !== undefined) {
      report("OVERLAPPING_CIDRS", field, `the infrastructure network ${network.text} overlaps ${other.text}`);
    }
    return [network];
  });
}

/**
 * Checks the configured networks and makes the model that all address arithmetic uses. Only the join, service and
 * infrastructure networks of families that the cluster has count, so the defaults serve single-stack clusters too.
 * @returns all problems found, not only the first
 */
export function parseNetworkConfig(input: unknown): NetworkConfigResult {
  const parsed = networkConfigInput.safeParse(input);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => ({
      code: "INVALID_VALUE" as const,
      field: path.join("."),
      message,
    }));
    return { kind: "invalid", problems };
  }
  const problems: NetworkConfigProblem[] = [];
  const report: Report = (code, field, message) => problems.push({ code, field, message });
  const { clusterCidr, joinCidr, infrastructureCidr, serviceCidr, nodePortRange, nodePrefix, mtuBytes } = parsed.data;
  const clusters = parseCidrs(clusterCidr, "clusterCidr", report);
  const joins = parseCidrs(joinCidr, "joinCidr", report);
  const serviceCidrs = parseCidrs(serviceCidr, "serviceCidr", report);
  const infrastructureCidrs = parseCidrs(infrastructureCidr, "infrastructureCidr", report);
  if (clusterCidr.length === 0) report("INVALID_CIDR", "clusterCidr", "no network is given for the cluster");
  const families = clusters.flatMap((cluster) => {
    const join = joins.find(({ family }) => family === cluster.family);
    // A join network that is itself wrong has been reported already.
    if (join === undefined && problems.some(({ field }) => field === "joinCidr")) return [];
    return familyNetwork(cluster, join, nodePrefixFor(cluster.family, clusters.length, nodePrefix), report) ?? [];
  });
  const services = {
    cidrs: serviceNetworks(serviceCidrs, families, report),
    nodePorts: parseNodePorts(nodePortRange, report),
  };
  // One that is itself wrong has been reported already.
  const infrastructure = problems.some(({ field }) => field === "infrastructureCidr")
    ? []
    : infrastructureNetworks(infrastructureCidrs, families, services.cidrs, report);
  const least = Math.max(...clusters.map(({ family }) => leastMtuBytes[family]), leastMtuBytes[4]);
  if (mtuBytes < least || mtuBytes > 65_535) {
    report("INVALID_MTU", "mtuBytes", `${mtuBytes} is not between ${least} and 65535`);
  }
  if (problems.length > 0) return { kind: "invalid", problems };
  return {
    kind: "valid",
    network: { families, services, infrastructure, maxNodes: Math.min(...families.map(roomForNodes)), mtuBytes },
  };
}

/** Whether an address (without prefix) lies in one of the cluster's own networks. */
export function isInCluster(network: NetworkConfig, address: string): boolean {
  const { families, services, infrastructure } = network;
  const parsed = parseAddress(address);
  const networks = [...families.flatMap(({ cluster, join }) => [cluster, join]), ...services.cidrs, ...infrastructure];
  return parsed !== undefined && networks.some((cidr) => contains(cidr, parsed));
}
