import { familyOf, readCidr } from "./address-blocks.ts";
import { readSelector } from "./label-selector.ts";
import type {
  AdminNetworkPolicy,
  AdminPeer,
  AdminPort,
  AdminRule,
  AdminSubject,
  ClusterNetworkPolicy,
  ClusterProtocol,
  ClusterRule,
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Pod,
  World,
} from "./objects.ts";
import { namedPort, nodeAddresses, type Party, type Protocol } from "./parties.ts";

export type Direction = "ingress" | "egress";
export type Action = "allow" | "deny" | "pass";

/** What is judged: a packet that begins a connection, with its ends as they are known to policies. */
export interface Packet {
  readonly source: Party;
  readonly destination: Party;
  readonly protocol: Protocol;
  /** The destination's; undefined for ICMP. */
  readonly port: number | undefined;
}

export interface Rule {
  readonly direction: Direction;
  readonly index: number;
  readonly action: Action;
  /** What could not be understood of it; it fails closed. */
  readonly mistake: string | undefined;
  readonly matches: (packet: Packet) => boolean;
}

type Matcher = (packet: Packet) => boolean;

const nothing: Matcher = () => false;
const everything: Matcher = () => true;

/** The end of a packet that a rule's peers are about. */
function peerOf({ source, destination }: Packet, direction: Direction): Party {
  return direction === "ingress" ? source : destination;
}

export function labelsOf(world: World, pod: Pod): { readonly pod: Labels; readonly namespace: Labels } {
  const name = pod.metadata.namespace ?? "";
  const namespace = world.namespaces.find(({ metadata }) => metadata.name === name);
  return {
    pod: pod.metadata.labels ?? {},
    namespace: { ...namespace?.metadata.labels, "kubernetes.io/metadata.name": name },
  };
}
type Labels = Readonly<Record<string, string>>;

export type PodTest = (pod: Pod) => boolean;

/** Pods by the labels of their namespace and their own; absent selectors select all. */
export function podTest(
  world: World,
  namespaceSelector: LabelSelector | undefined,
  podSelector: LabelSelector | undefined,
): PodTest | undefined {
  const ofNamespace = readSelector(namespaceSelector ?? {});
  const ofPod = readSelector(podSelector ?? {});
  if (ofNamespace === undefined || ofPod === undefined) return undefined;
  return (pod) => {
    const labels = labelsOf(world, pod);
    return ofNamespace(labels.namespace) && ofPod(labels.pod);
  };
}

export function subjectTest(world: World, { namespaces, pods }: AdminSubject): PodTest | undefined {
  if ((namespaces === undefined) === (pods === undefined)) return undefined;
  return podTest(world, namespaces ?? pods?.namespaceSelector, pods?.podSelector);
}

/**
 * Whether a party has an address in the block and in none of its excepts. A node speaks to pods from another address than
 * people write into policies: whatever its own address is judged, that one is too.
 */
function blockTest(cidr: string, except: readonly string[]): ((party: Party) => boolean) | undefined {
  const block = readCidr(cidr);
  const holes = except.map(readCidr);
  if (block === undefined) return undefined;
  for (const hole of holes) {
    if (hole === undefined || hole.family !== block.family) return undefined;
  }
  const isExcepted = (address: string) => holes.some((hole) => hole?.holds(address) === true);
  return ({ address, node }) => {
    const own = node === undefined ? [] : nodeAddresses(node);
    const standsFor = own.includes(address) ? [] : own.filter(block.holds);
    const judged = standsFor.length > 0 && familyOf(address) === block.family ? standsFor : [address];
    return judged.some((one) => block.holds(one) && !isExcepted(one));
  };
}

/** A peer with what it may be combined with. */
interface PeerTest {
  readonly matches: (party: Party) => boolean;
  /** Whether it is about pods, so that names of ports mean something where it is the destination. */
  readonly isPods: boolean;
}

function networkPolicyPeer(world: World, namespace: string, peer: NetworkPolicyPeer): PeerTest | string {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock !== undefined) {
    if (podSelector !== undefined || namespaceSelector !== undefined) return "ipBlock beside a selector";
    const matches = blockTest(ipBlock.cidr, ipBlock.except ?? []);
    return matches === undefined ? `ipBlock ${JSON.stringify(ipBlock)}` : { matches, isPods: false };
  }
  if (podSelector === undefined && namespaceSelector === undefined) return "an empty peer";
  const selects = podTest(world, namespaceSelector, podSelector);
  if (selects === undefined) return `selector ${JSON.stringify(peer)}`;
  const isEverywhere = namespaceSelector !== undefined;
  return {
    matches: ({ pod }) => pod !== undefined && (isEverywhere || pod.metadata.namespace === namespace) && selects(pod),
    isPods: true,
  };
}

function adminPeer(
  world: World,
  kind: string,
  peer: AdminPeer,
  direction: Direction,
  action: Action,
): PeerTest | string {
  const given = Object.keys(peer);
  const unreadable = `peer ${JSON.stringify(peer)}`;
  if (given.length !== 1) return unreadable;
  if (peer.namespaces !== undefined || peer.pods !== undefined) {
    const selects = subjectTest(world, peer);
    if (selects === undefined) return unreadable;
    return { matches: ({ pod }) => pod !== undefined && selects(pod), isPods: true };
  }
  if (direction === "ingress") return unreadable;
  if (peer.nodes !== undefined) {
    const selects = readSelector(peer.nodes);
    if (selects === undefined) return unreadable;
    return { matches: ({ node }) => node !== undefined && selects(node.metadata.labels ?? {}), isPods: false };
  }
  if (peer.networks !== undefined) {
    const tests = peer.networks.map((cidr) => blockTest(cidr, []));
    if (tests.includes(undefined)) return unreadable;
    return { matches: (party) => tests.some((test) => test?.(party) === true), isPods: false };
  }
  if (peer.domainNames !== undefined && action === "allow" && kind !== "BaselineAdminNetworkPolicy") {
    const known = Object.entries(world.domains ?? {});
    const names = peer.domainNames.map((name) => name.toLowerCase().replace(/\.$/, ""));
    const addresses = known
      .filter(([domain]) =>
        names.some((name) => (name.startsWith("*.") ? domain.endsWith(name.slice(1)) : domain === name)),
      )
      .flatMap(([, ofDomain]) => ofDomain);
    return { matches: ({ address }) => addresses.includes(address), isPods: false };
  }
  return unreadable;
}

/** A port entry: what it matches, and whether it says so by a name. */
interface PortTest {
  readonly matches: Matcher;
  readonly isNamed: boolean;
}

const protocols: Readonly<Record<string, Protocol>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

function rangeTest(protocolText: string, first: number, last: number): PortTest | string {
  const protocol = protocols[protocolText];
  const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65_535;
  if (protocol === undefined) return `protocol ${protocolText}`;
  if (!isPort(first) || !isPort(last) || last < first) return `ports ${first} to ${last}`;
  return {
    matches: (packet) =>
      packet.protocol === protocol && packet.port !== undefined && packet.port >= first && packet.port <= last,
    isNamed: false,
  };
}

const portName = /^(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** What the pod that is reached calls so; each pod has its own number, or none. */
function namedTest(protocol: Protocol | "any", name: string): PortTest | string {
  if (!portName.test(name)) return `port name ${name}`;
  return {
    matches: ({ destination: { pod }, protocol: used, port }) =>
      pod !== undefined &&
      port !== undefined &&
      (protocol === "any" || used === protocol) &&
      namedPort(pod, used, name) === port,
    isNamed: true,
  };
}

function networkPolicyPort({ protocol = "TCP", port, endPort }: NetworkPolicyPort): PortTest | string {
  if (typeof port === "string") {
    if (endPort !== undefined) return "endPort with a named port";
    const known = protocols[protocol];
    return known === undefined ? `protocol ${protocol}` : namedTest(known, port);
  }
  if (port === undefined) {
    if (endPort !== undefined) return "endPort without a port";
    const known = protocols[protocol];
    if (known === undefined) return `protocol ${protocol}`;
    return { matches: (packet) => packet.protocol === known, isNamed: false };
  }
  return rangeTest(protocol, port, endPort ?? port);
}

function adminPort(port: AdminPort): PortTest | string {
  const { portNumber, portRange, namedPort: name } = port;
  if (Object.keys(port).length !== 1) return `port ${JSON.stringify(port)}`;
  if (portNumber !== undefined) return rangeTest(portNumber.protocol ?? "TCP", portNumber.port, portNumber.port);
  if (portRange !== undefined) return rangeTest(portRange.protocol ?? "TCP", portRange.start, portRange.end);
  return name === undefined ? `port ${JSON.stringify(port)}` : namedTest("any", name);
}

function clusterPort(entry: ClusterProtocol): PortTest | string {
  const [kind, ...more] = Object.keys(entry);
  if (kind === undefined || more.length > 0) return `protocol ${JSON.stringify(entry)}`;
  if (entry.destinationNamedPort !== undefined) return namedTest("any", entry.destinationNamedPort);
  const { number, range } = (entry.tcp ?? entry.udp ?? entry.sctp)?.destinationPort ?? {};
  if ((number === undefined) === (range === undefined)) return `protocol ${JSON.stringify(entry)}`;
  return rangeTest(kind.toUpperCase(), number ?? range?.start ?? 0, number ?? range?.end ?? 0);
}

/** All peers and all ports: one peer and one port have to match; a name means nothing where no pod is meant. */
function combine(
  direction: Direction,
  peers: readonly PeerTest[] | "any",
  ports: readonly PortTest[] | "any",
): Matcher {
  return (packet) => {
    const party = peerOf(packet, direction);
    const matching = peers === "any" ? [{ isPods: true }] : peers.filter(({ matches }) => matches(party));
    return matching.some(
      ({ isPods }) =>
        ports === "any" ||
        ports.some(({ matches, isNamed }) => (!isNamed || isPods || direction === "ingress") && matches(packet)),
    );
  };
}

function understood<T>(items: readonly (T | string)[]): readonly T[] {
  return items.filter((item): item is T => typeof item !== "string");
}

function mistakeIn(items: readonly unknown[]): string | undefined {
  return items.find((item) => typeof item === "string") as string | undefined;
}

/** Rules of a NetworkPolicy allow. What of them is not understood allows nothing; what else they say holds. */
export function networkPolicyRules(world: World, { metadata, spec }: NetworkPolicy): readonly Rule[] {
  const rule = (
    direction: Direction,
    index: number,
    peers: readonly NetworkPolicyPeer[] = [],
    ports: readonly NetworkPolicyPort[] = [],
  ): Rule => {
    const readPeers = peers.map((peer) => networkPolicyPeer(world, metadata.namespace, peer));
    const readPorts = ports.map(networkPolicyPort);
    return {
      ...{ direction, index, action: "allow", mistake: mistakeIn([...readPeers, ...readPorts]) },
      matches: combine(
        direction,
        peers.length === 0 ? "any" : understood(readPeers),
        ports.length === 0 ? "any" : understood(readPorts),
      ),
    };
  };
  return [
    ...(spec.ingress ?? []).map(({ from, ports }, index) => rule("ingress", index, from, ports)),
    ...(spec.egress ?? []).map(({ to, ports }, index) => rule("egress", index, to, ports)),
  ];
}

const actions: Readonly<Record<string, Readonly<Record<string, Action>>>> = {
  AdminNetworkPolicy: { Allow: "allow", Deny: "deny", Pass: "pass" },
  BaselineAdminNetworkPolicy: { Allow: "allow", Deny: "deny" },
  ClusterNetworkPolicy: { Accept: "allow", Deny: "deny", Pass: "pass" },
};

const mostRules: Readonly<Record<string, number>> = {
  AdminNetworkPolicy: 100,
  BaselineAdminNetworkPolicy: 100,
  ClusterNetworkPolicy: 25,
};

/**
 * Rules of the kinds that span the cluster. One that is not understood fails closed: an allow matches nothing, all others
 * deny everything.
 */
export function adminRules(world: World, { kind, spec }: AdminNetworkPolicy | ClusterNetworkPolicy): readonly Rule[] {
  const known = actions[kind] ?? {};
  return (["ingress", "egress"] as const).flatMap((direction) =>
    (spec[direction] ?? []).map((rule, index): Rule => {
      const action = Object.hasOwn(known, rule.action) ? known[rule.action] : undefined;
      const peers = (direction === "ingress" ? rule.from : rule.to) ?? [];
      const readPeers = peers.map((peer) => adminPeer(world, kind, peer, direction, action ?? "deny"));
      const readPorts = portsOf(rule);
      const mistake =
        action === undefined
          ? `action ${rule.action}`
          : index >= (mostRules[kind] ?? 0)
            ? "one rule too many"
            : peers.length === 0
              ? "no peer"
              : readPorts?.length === 0
                ? "no port"
                : mistakeIn([...readPeers, ...(readPorts ?? [])]);
      if (mistake !== undefined || action === undefined) {
        return {
          ...{ direction, index, mistake },
          ...(action === "allow" ? { action, matches: nothing } : { action: "deny", matches: everything }),
        };
      }
      const matches = combine(
        direction,
        understood(readPeers),
        readPorts === undefined ? "any" : understood(readPorts),
      );
      return { direction, index, action, mistake, matches };
    }),
  );
}

function portsOf(rule: AdminRule | ClusterRule): readonly (PortTest | string)[] | undefined {
  if ("protocols" in rule) return rule.protocols?.map(clusterPort);
  return "ports" in rule ? rule.ports?.map(adminPort) : undefined;
}
