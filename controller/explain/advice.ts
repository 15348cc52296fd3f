import type { Direction, Peer, PolicyRecord, PortMatch } from "../state/policy.ts";
import { meets, type Requirement } from "../state/selector.ts";
import type { DecidingRule, Decision, Packet } from "./decision.ts";
import { labelsText } from "./labels-text.ts";
import { type Party, type PodParty, partyText } from "./party.ts";
import { type DomainAddresses, peersMatch, portsMatch } from "./rule-match.ts";

/** Near misses are looked for in so many rules, and told of so many: the first are as good as any. */
const lookedAt = 200;
const told = 5;

export function policyText({ kind, key }: Pick<PolicyRecord, "kind" | "key">): string {
  return `${kind} ${key}`;
}

export function ruleText({ policy, rule }: DecidingRule): string {
  const name = rule.name === undefined ? "" : ` ("${rule.name}")`;
  return `${rule.direction} rule ${rule.index}${name} of ${policyText(policy)}`;
}

/** The party as somebody who writes a rule for it would say. */
function peerText(party: Party): string {
  if (party.kind !== "pod") return partyText(party);
  const labels = labelsText(party.labels);
  return `pods ${labels === "" ? `such as ${party.key}` : `with ${labels}`} in namespace ${party.namespace}`;
}

function portText(match: PortMatch): string {
  if (match.kind === "named") return `${match.protocol}/${match.name}`;
  const { protocol, first, last } = match;
  return first === last ? `${protocol}/${first}` : `${protocol}/${first}-${last}`;
}

function unmet(requirements: readonly Requirement[], labels: Readonly<Record<string, string>>): readonly Requirement[] {
  return requirements.filter((requirement) => !meets(labels, requirement));
}

/** What a label has to become so that it meets the requirement. */
function wanted(requirement: Requirement): string {
  switch (requirement.operator) {
    case "In":
      return requirement.values.length === 1
        ? `the label ${requirement.key}=${requirement.values[0]}`
        : `a label ${requirement.key} of ${requirement.values.join(", ")}`;
    case "NotIn":
      return `another ${requirement.key} than ${requirement.values.join(", ")}`;
    case "Exists":
      return `a label ${requirement.key}`;
    case "DoesNotExist":
      return `no label ${requirement.key}`;
  }
}

function relabelling(requirements: readonly Requirement[]): string {
  return requirements.map(wanted).join(" and ");
}

/** How a rule that lets others in could let this one in, by labels alone; undefined when it can't. */
function nearMiss(peer: Peer, party: Party): string | undefined {
  if (peer.kind !== "pods" || party.kind !== "pod") return undefined;
  const { selector } = peer;
  if (selector.namespace !== undefined && selector.namespace !== party.namespace) return undefined;
  const ofNamespace = unmet(selector.namespaceRequirements, party.namespaceLabels);
  const ofPod = unmet(selector.podRequirements, party.labels);
  const named = [...ofNamespace, ...ofPod].some(
    ({ key }) => key.startsWith("#") || key === "kubernetes.io/metadata.name",
  );
  if (named) return undefined;
  const pod = ofPod.length === 0 ? [] : [`give pod ${party.key} ${relabelling(ofPod)}`];
  const namespace = ofNamespace.length === 0 ? [] : [`give namespace ${party.namespace} ${relabelling(ofNamespace)}`];
  return [...pod, ...namespace].join(" and ");
}

function nearMisses(
  policies: readonly PolicyRecord[],
  direction: Direction,
  peer: Party,
  packet: Packet,
  what: string,
  domains: DomainAddresses,
): string[] {
  const found: string[] = [];
  let looked = 0;
  for (const policy of policies) {
    for (const rule of policy.rules) {
      if (rule.direction !== direction || rule.action !== "allow") continue;
      if (found.length >= told || ++looked > lookedAt) return found;
      const text = missOf({ policy, rule }, peer, packet, what, domains);
      if (text !== undefined) found.push(text);
    }
  }
  return found;
}

function missOf(
  deciding: DecidingRule,
  peer: Party,
  packet: Packet,
  what: string,
  domains: DomainAddresses,
): string | undefined {
  const { rule } = deciding;
  if (peersMatch(rule.peers, peer, domains)) {
    if (rule.ports === "any" || rule.ports.length === 0) return undefined;
    const shown = rule.ports.slice(0, 6).map(portText).join(", ");
    const rest = rule.ports.length > 6 ? ", …" : "";
    if (packet.protocol === "icmp") {
      return `take the ports away from ${ruleText(deciding)}, which already allows this peer on ${shown}${rest} (ICMP has no ports)`;
    }
    return `add ${what} to the ports of ${ruleText(deciding)}, which already allows this peer on ${shown}${rest}`;
  }
  if (!portsMatch(rule.ports, packet.destination, packet.protocol, packet.port)) return undefined;
  const ways = rule.peers === "any" ? [] : rule.peers.flatMap((candidate) => nearMiss(candidate, peer) ?? []);
  return ways[0] === undefined ? undefined : `${ways[0]}: ${ruleText(deciding)} then allows it`;
}

/** Where else than in the policy itself a rule would come before its rules. */
function earlierText({ kind, tier, priority }: PolicyRecord): string {
  if (tier !== "Admin" || priority === 0) return "";
  return `, or into ${kind === "AdminNetworkPolicy" ? "an" : "a"} ${kind} of a priority number below ${priority}`;
}

/**
 * What somebody can do so that this direction decides otherwise; each a sentence without its full stop.
 * @param subject whose policies decide; @param peer the other end; @param what the packets, in words: `tcp/80`
 */
export function advise(
  decision: Decision,
  direction: Direction,
  subject: PodParty,
  peer: Party,
  packet: Packet,
  what: string,
  domains: DomainAddresses,
): readonly string[] {
  const who = peerText(peer);
  const verb = direction === "ingress" ? "from" : "to";
  if (decision.by === "exemption") return [];
  if (decision.by === "isolation") {
    const [first, ...others] = decision.isolatedBy;
    const where = first === undefined ? "a NetworkPolicy" : policyText(first);
    const any = others.length > 0 ? ` (or to another that selects pod ${subject.key})` : "";
    return [
      `add a rule to ${where}${any} that allows ${direction} ${verb} ${who} on ${what}`,
      ...nearMisses(decision.isolatedBy, direction, peer, packet, what, domains),
    ];
  }
  if (decision.by === "default") {
    return [
      `isolate pod ${subject.key} by a NetworkPolicy in namespace ${subject.namespace} with policyTypes ${direction === "ingress" ? "Ingress" : "Egress"}, or deny it by a policy of the Admin or Baseline tier`,
    ];
  }
  const [deciding] = decision.rules;
  if (deciding === undefined) return [];
  const { policy, rule } = deciding;
  if (policy.kind === "NetworkPolicy") {
    const shown = decision.rules.slice(0, told).map(ruleText).join(" and ");
    const rest = decision.rules.length > told ? ` and ${decision.rules.length - told} more` : "";
    return [
      `remove or narrow ${shown}${rest}: without ${decision.rules.length > 1 ? "them" : "it"} the isolation of pod ${subject.key} denies`,
      `deny it by a policy of the Admin tier, which decides before NetworkPolicies`,
    ];
  }
  const opposite = rule.action === "allow" ? "denies" : "allows";
  const changes = [
    `put a rule that ${opposite} ${direction} ${verb} ${who} on ${what} before ${ruleText(deciding)}${earlierText(policy)}`,
  ];
  if (policy.tier === "Baseline") {
    changes.push(
      rule.action === "allow"
        ? `isolate pod ${subject.key} by a NetworkPolicy, which decides before the Baseline tier`
        : `allow it by a NetworkPolicy that selects pod ${subject.key}, which decides before the Baseline tier`,
    );
  }
  return changes;
}
