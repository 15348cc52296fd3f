import type { PolicyRule, TransportProtocol } from "../state/policy.ts";
import { namedPortKey, type PodSelector, podSelector, type Requirement } from "../state/selector.ts";
import { commonPeers, type Peers, type PeerTerm, peersOf } from "./policy-peers.ts";
import { commonPorts, numberedPorts, onePort, type Ports } from "./policy-ports.ts";
import type { PolicySets } from "./policy-sets.ts";
import { possibleIntersection } from "./selector-contradiction.ts";

/** What one ACL can match: a part of what a rule does. */
export interface Clause {
  /** Tells the clauses of a rule apart: `http-8080`, or empty for ports by number. */
  readonly piece: string;
  /** Whose pods' traffic. One selector, so that a match names one port group: one of which a switch has no port is an error there. */
  readonly subject: PodSelector;
  readonly peers: Peers;
  readonly ports: Ports;
}

const everyPod = podSelector({});

function withPort(selector: PodSelector, protocol: TransportProtocol, name: string, number: number): PodSelector {
  const requirement: Requirement = {
    key: namedPortKey(protocol, name),
    operator: "In",
    values: [String(number)],
  };
  return podSelector({
    namespace: selector.namespace,
    namespaceRequirements: selector.namespaceRequirements,
    podRequirements: [...selector.podRequirements, requirement],
  });
}

type NamedPort = Extract<Exclude<PolicyRule["ports"], "any">[number], { readonly kind: "named" }>;

/** Of ingress: the pods of the subject that call a port so, each number for itself. */
function namedIngress(subject: PodSelector, rule: PolicyRule, port: NamedPort, sets: PolicySets): Clause[] {
  const { protocol, name } = port;
  return sets.portNumbers(subject, protocol, name).map((number) => ({
    piece: `${name}-${number}`,
    subject: withPort(subject, protocol, name, number),
    peers: peersOf(rule.peers),
    ports: onePort(protocol, number),
  }));
}

/** Of egress: the peers that call a port so. Only pods have names for ports. */
function namedEgress(subject: PodSelector, rule: PolicyRule, port: NamedPort, sets: PolicySets): Clause[] {
  const { protocol, name } = port;
  const selectors =
    rule.peers === "any" ? [everyPod] : rule.peers.flatMap((peer) => (peer.kind === "pods" ? [peer.selector] : []));
  const byNumber = new Map<number, PeerTerm[]>();
  for (const selector of selectors) {
    for (const number of sets.portNumbers(selector, protocol, name)) {
      const terms = byNumber.get(number) ?? [];
      terms.push([{ kind: "pods", selector: withPort(selector, protocol, name, number) }]);
      byNumber.set(number, terms);
    }
  }
  return [...byNumber].map(([number, peers]) => ({
    piece: `${name}-${number}`,
    subject,
    peers,
    ports: onePort(protocol, number),
  }));
}

/** What a rule matches, named ports resolved. */
export function clausesOf(subject: PodSelector, rule: PolicyRule, sets: PolicySets): readonly Clause[] {
  const numbered = numberedPorts(rule.ports);
  const clauses: Clause[] =
    numbered === undefined ? [] : [{ piece: "", subject, peers: peersOf(rule.peers), ports: numbered }];
  if (rule.ports === "any") return clauses;
  const seen = new Set<string>();
  for (const port of rule.ports) {
    if (port.kind !== "named" || seen.has(namedPortKey(port.protocol, port.name))) continue;
    seen.add(namedPortKey(port.protocol, port.name));
    clauses.push(...(rule.direction === "ingress" ? namedIngress : namedEgress)(subject, rule, port, sets));
  }
  return clauses;
}

/** What both match; undefined where nothing can. */
export function commonClause(a: Clause, b: Clause): Clause | undefined {
  const ports = commonPorts(a.ports, b.ports);
  if (ports === undefined) return undefined;
  const subject = possibleIntersection(a.subject, b.subject);
  if (subject === undefined) return undefined;
  const peers = commonPeers(a.peers, b.peers);
  if (peers !== "any" && peers.length === 0) return undefined;
  // Whose name for a port it is has to be seen: both may have one beside a number.
  const piece = b.piece === "" ? a.piece : `${a.piece}+${b.piece}`;
  return { piece, subject, peers, ports };
}
