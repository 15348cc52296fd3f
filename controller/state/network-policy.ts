import { readLabelSelector } from "./label-selector.ts";
import type { Direction, Peer, PolicyRecord, PolicyRule, PortMatch } from "./policy.ts";
import { complainOfNamedPorts, createComplaints, policyHead } from "./policy-object.ts";
import { isPortName, portRange, protocolOf, readBlock, readEach } from "./policy-parts.ts";
import type { Complain } from "./policy-problem.ts";
import { tooMuchOf } from "./policy-size.ts";
import { isAbsent, isObject, listAt, objectAt } from "./raw-object.ts";
import { podSelector } from "./selector.ts";
import { portNumberAt } from "./service.ts";

const directionNames: Readonly<Record<string, Direction>> = { Ingress: "ingress", Egress: "egress" };

function readPeer(raw: unknown, namespace: string, outside: (except: string) => void): readonly Peer[] | string {
  const { podSelector: ofPods, namespaceSelector: ofNamespaces, ipBlock } = objectAt(raw);
  if (!isAbsent(ipBlock)) {
    if (!isAbsent(ofPods) || !isAbsent(ofNamespaces)) return "an ipBlock stands beside a selector";
    const { cidr, except } = objectAt(ipBlock);
    const block = readBlock(cidr, except, outside);
    if (typeof block === "string") return block;
    return block === undefined ? [] : [Object.freeze({ kind: "networks", block })];
  }
  if (isAbsent(ofPods) && isAbsent(ofNamespaces)) return "a peer has neither selector nor ipBlock";
  const podRequirements = readLabelSelector(ofPods ?? {});
  if (typeof podRequirements === "string") return podRequirements;
  // A selector of pods alone is about the policy's own namespace.
  if (isAbsent(ofNamespaces)) {
    return [Object.freeze({ kind: "pods", selector: podSelector({ namespace, podRequirements }) })];
  }
  const namespaceRequirements = readLabelSelector(ofNamespaces);
  if (typeof namespaceRequirements === "string") return namespaceRequirements;
  return [Object.freeze({ kind: "pods", selector: podSelector({ namespaceRequirements, podRequirements }) })];
}

function readPort(raw: unknown): readonly PortMatch[] | string {
  if (!isObject(raw)) return `${JSON.stringify(raw)} is no port`;
  const { port, endPort } = raw;
  const protocol = protocolOf(raw.protocol);
  if (protocol === undefined) return `${JSON.stringify(raw.protocol)} is no protocol`;
  if (isAbsent(port)) return isAbsent(endPort) ? [portRange(protocol, 0, 65_535)] : "an endPort has no port";
  if (isPortName(port)) {
    if (!isAbsent(endPort)) return `an endPort stands beside the named port ${port}`;
    return [Object.freeze({ kind: "named", protocol, name: port })];
  }
  const first = portNumberAt(port);
  if (first === undefined) return `${JSON.stringify(port)} is no port`;
  const last = isAbsent(endPort) ? first : portNumberAt(endPort);
  return last === undefined || last < first
    ? `endPort ${JSON.stringify(endPort)} is no port from ${first} on`
    : [portRange(protocol, first, last)];
}

/** An absent list and an empty one stand for all; undefined when it is no list. */
function entriesOf(value: unknown): readonly unknown[] | "any" | undefined {
  if (isAbsent(value)) return "any";
  if (!Array.isArray(value)) return undefined;
  return value.length === 0 ? "any" : value;
}

/** Allows unite, so a part that can't be read allows nothing, and takes nothing from the others. */
function readRule(
  raw: unknown,
  direction: Direction,
  index: number,
  namespace: string,
  complain: Complain,
): PolicyRule {
  const where = `${direction}[${index}]`;
  const unreadablePeer = (reason: string) => complain("POLICY_PEER_UNREADABLE", `${where}: ${reason}`);
  const unreadablePort = (reason: string) => complain("POLICY_PORT_UNREADABLE", `${where}: ${reason}`);
  const outside = (except: string) =>
    complain("POLICY_EXCEPT_OUTSIDE", `${where}: except ${except} is outside of its block and takes nothing away`);
  const source = objectAt(raw);
  const rawPeers = isObject(raw) ? entriesOf(direction === "ingress" ? source.from : source.to) : undefined;
  const rawPorts = entriesOf(source.ports);
  if (rawPeers === undefined) unreadablePeer("the rule has no list of peers");
  if (rawPorts === undefined) unreadablePort("the rule has no list of ports");
  const peers =
    rawPeers === "any"
      ? rawPeers
      : readEach(rawPeers ?? [], (each) => readPeer(each, namespace, outside), unreadablePeer);
  const ports = rawPorts === "any" ? rawPorts : readEach(rawPorts ?? [], readPort, unreadablePort);
  const rule: PolicyRule = Object.freeze({ direction, index, name: undefined, action: "allow", peers, ports });
  complainOfNamedPorts(rule, complain);
  return rule;
}

/** The directions in which the policy isolates: ingress, and egress with rules for it, unless it says which. */
function readDirections(policyTypes: unknown, hasEgress: boolean, complain: Complain): readonly Direction[] {
  if (isAbsent(policyTypes) || (Array.isArray(policyTypes) && policyTypes.length === 0)) {
    return hasEgress ? ["ingress", "egress"] : ["ingress"];
  }
  const types = Array.isArray(policyTypes) ? policyTypes : [policyTypes];
  const named = new Set<Direction | undefined>(
    types.map((type) =>
      typeof type === "string" && Object.hasOwn(directionNames, type) ? directionNames[type] : undefined,
    ),
  );
  if (named.has(undefined))
    complain("POLICY_TYPES_UNKNOWN", `policyTypes ${JSON.stringify(policyTypes)}: there are Ingress and Egress`);
  return (["ingress", "egress"] as const).filter((direction) => named.has(undefined) || named.has(direction));
}

/**
 * Projects a NetworkPolicy (networking.k8s.io/v1) as the API gives it; never throws. Rules of a direction that
 * `policyTypes` leaves out don't count. Whom it selects when that can't be read: its whole namespace, in both directions. One that
 * is too large allows nothing.
 */
export function projectNetworkPolicy(raw: unknown): PolicyRecord {
  const { namespace, name, uid, generation, createdAt } = policyHead(raw);
  const spec = objectAt(objectAt(raw).spec);
  const { complain, problems } = createComplaints();
  const requirements = readLabelSelector(spec.podSelector ?? {});
  const isSubjectReadable = typeof requirements !== "string";
  if (!isSubjectReadable) complain("POLICY_SUBJECT_UNREADABLE", `podSelector: ${requirements}`);
  const egress = listAt(spec.egress);
  const stated = readDirections(spec.policyTypes, egress.length > 0, complain);
  const isolates: readonly Direction[] = isSubjectReadable ? stated : ["ingress", "egress"];
  // What is allowed to nobody knows whom is allowed to nobody.
  const rulesOf = (direction: Direction, list: readonly unknown[]) =>
    isSubjectReadable && stated.includes(direction)
      ? list.map((rule, index) => readRule(rule, direction, index, namespace, complain))
      : [];
  const rules = [...rulesOf("ingress", listAt(spec.ingress)), ...rulesOf("egress", egress)];
  const tooMuch = tooMuchOf(rules);
  if (tooMuch !== undefined) complain("POLICY_TOO_LARGE", tooMuch);
  return Object.freeze({
    kind: "NetworkPolicy",
    key: `${namespace}/${name}`,
    uid,
    generation,
    createdAt,
    tier: "NetworkPolicy",
    priority: 0,
    subject: podSelector({ namespace, podRequirements: isSubjectReadable ? requirements : [] }),
    isolates: Object.freeze(isolates),
    rules: Object.freeze(tooMuch === undefined ? rules : []),
    problems: problems(),
    conditions: undefined,
  });
}
