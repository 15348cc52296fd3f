import type { PolicyRule } from "../state/policy.ts";
import { namedPortKey, type PodSelector, podSelector, type Requirement } from "../state/selector.ts";
import { commonPeers, type Peers, type PeerTerm, peersOf } from "./policy-peers.ts";
import { commonPorts, numberedPorts, onePort, type Ports } from "./policy-ports.ts";
import { maxPortNumbers, type PolicySets } from "./policy-sets.ts";
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

function selecting(selector: PodSelector, ...requirements: readonly Requirement[]): PodSelector {
  return podSelector({
    namespace: selector.namespace,
    namespaceRequirements: selector.namespaceRequirements,
    podRequirements: [...selector.podRequirements, ...requirements],
  });
}

type NamedPort = Extract<Exclude<PolicyRule["ports"], "any">[number], { readonly kind: "named" }>;

const keyOf = ({ protocol, name }: NamedPort): string => namedPortKey(protocol, name);

function withPort(selector: PodSelector, port: NamedPort, number: number): PodSelector {
  return selecting(selector, { key: keyOf(port), operator: "In", values: [String(number)] });
}

/** Those that give the port a number that is none of these. */
function withOtherPort(selector: PodSelector, port: NamedPort, numbers: readonly number[]): PodSelector {
  const key = keyOf(port);
  return selecting(selector, { key, operator: "Exists" }, { key, operator: "NotIn", values: numbers.map(String) });
}

/** What a named port stands for. */
interface NamedClauses {
  readonly clauses: readonly Clause[];
  /** The whole protocol of those whose numbers are beyond the bound; absent where none is. */
  readonly beyond: Clause | undefined;
}

const wholeProtocol = ({ protocol }: NamedPort): Ports => new Map([[protocol, [{ first: 0, last: 65535 }]]]);

/** Of ingress: the pods of the subject that call a port so, each number for itself. */
function namedIngress(subject: PodSelector, rule: PolicyRule, port: NamedPort, sets: PolicySets): NamedClauses {
  const { protocol, name } = port;
  const peers = peersOf(rule.peers);
  const { numbers, complete } = sets.portNumbers(subject, protocol, name);
  const clauses = numbers.map((number) => ({
    piece: `${name}-${number}`,
    subject: withPort(subject, port, number),
    peers,
    ports: onePort(protocol, number),
  }));
  if (complete) return { clauses, beyond: undefined };
  const others = withOtherPort(subject, port, numbers);
  return { clauses, beyond: { piece: `${name}-other`, subject: others, peers, ports: wholeProtocol(port) } };
}

/** Of egress: the peers that call a port so. Only pods have names for ports. */
function namedEgress(subject: PodSelector, rule: PolicyRule, port: NamedPort, sets: PolicySets): NamedClauses {
  const { protocol, name } = port;
  const selectors =
    rule.peers === "any" ? [everyPod] : rule.peers.flatMap((peer) => (peer.kind === "pods" ? [peer.selector] : []));
  const known = selectors.map((selector) => ({ selector, ...sets.portNumbers(selector, protocol, name) }));
  const bySelectors = new Map<number, PodSelector[]>();
  for (const { selector, numbers } of known) {
    for (const number of numbers) bySelectors.set(number, [...(bySelectors.get(number) ?? []), selector]);
  }
  // Each selector may bring others.
  const chosen = [...bySelectors]
    .sort(([a, ofA], [b, ofB]) => ofB.length - ofA.length || a - b)
    .slice(0, maxPortNumbers)
    .sort(([a], [b]) => a - b);
  const clauses = chosen.map(([number, having]) => ({
    piece: `${name}-${number}`,
    subject,
    peers: having.map((selector): PeerTerm => [{ kind: "pods", selector: withPort(selector, port, number) }]),
    ports: onePort(protocol, number),
  }));
  const numbers = chosen.map(([number]) => number);
  const others = known
    .filter(({ numbers: own, complete }) => !complete || own.some((number) => !numbers.includes(number)))
    .map(({ selector }): PeerTerm => [{ kind: "pods", selector: withOtherPort(selector, port, numbers) }]);
  if (others.length === 0) return { clauses, beyond: undefined };
  return { clauses, beyond: { piece: `${name}-other`, subject, peers: others, ports: wholeProtocol(port) } };
}

/** What a rule matches, named ports resolved. */
export interface RuleClauses {
  readonly clauses: readonly Clause[];
  /**
   * Pods whose numbers of a named port go beyond the bound, with the whole protocol: an allow leaves them out, and any other
   * rule drops that, since nobody can say which of their ports it means.
   */
  readonly beyond: readonly Clause[];
}

export function clausesOf(subject: PodSelector, rule: PolicyRule, sets: PolicySets): RuleClauses {
  const numbered = numberedPorts(rule.ports);
  const clauses: Clause[] =
    numbered === undefined ? [] : [{ piece: "", subject, peers: peersOf(rule.peers), ports: numbered }];
  const beyond: Clause[] = [];
  if (rule.ports === "any") return { clauses, beyond };
  const seen = new Set<string>();
  for (const port of rule.ports) {
    if (port.kind !== "named" || seen.has(keyOf(port))) continue;
    seen.add(keyOf(port));
    const named = (rule.direction === "ingress" ? namedIngress : namedEgress)(subject, rule, port, sets);
    clauses.push(...named.clauses);
    if (named.beyond !== undefined) beyond.push(named.beyond);
  }
  return { clauses, beyond };
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
