import { type Direction, type PolicyRecord, type PolicyRule, policyId } from "../state/policy.ts";
import type { Complain } from "../state/policy-problem.ts";
import { type PodSelector, podSelector } from "../state/selector.ts";
import { selectorInTenants } from "../state/tenant-labels.ts";
import { type AclOrigin, aclPart } from "./acl-origin.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { aclRow, groupAcl } from "./policy-acl.ts";
import { type Clause, clausesOf, commonClause } from "./policy-clauses.ts";
import type { PolicyContext } from "./policy-context.ts";
import { networkPolicyPriorities } from "./policy-layout.ts";
import { logColumns, logName, podsOf } from "./policy-log.ts";
import { type BeyondBound, maxNetworksBeside, type PeersMatch, peersInView, peersMatches } from "./policy-peers.ts";
import { type PortsMatch, portsMatches } from "./policy-ports.ts";
import type { Pass } from "./policy-ranks.ts";
import { maxPortNumbers, type TenantView } from "./policy-sets.ts";
import { possibleIntersection } from "./selector-contradiction.ts";

/** The owner of a policy's ACLs. */
export function policyOwner({ kind, key }: Pick<PolicyRecord, "kind" | "key">): Owner {
  return { kind, key };
}

type RulePlace = Pick<AclOrigin, "direction" | "rule" | "pass">;
type Place = RulePlace & Pick<AclOrigin, "piece" | "tenant">;

const directions: readonly Direction[] = ["ingress", "egress"];

/** Where an ACL stands and what it says. */
interface Standing {
  readonly priority: number;
  readonly action: "allow-related" | "drop" | "pass";
  /** It lets through what nobody decided. */
  readonly isDefault?: boolean;
  /** It stands on the priority of twins, and has none. */
  readonly isAlone?: boolean;
}

/** Rows of one policy in the making. */
interface PolicyAcls {
  readonly bundle: Bundle;
  /** Adds the ACLs of a clause, and their logged twins where there have to be some; nothing when the clause can't match. */
  add(rule: RulePlace, clause: Clause, standing: Standing): void;
}

function policyAcls({ kind, key, tier, subject: ofPolicy }: PolicyRecord, context: PolicyContext): PolicyAcls {
  const { sets, logged, layout, complain } = context;
  const views = ofPolicy === undefined ? [] : sets.views(ofPolicy);
  const rows: DesiredRow[] = [];
  const memberships: Membership[] = [];
  const put = (
    place: Place,
    { priority, action }: Standing,
    subject: PodSelector,
    alternatives: readonly (readonly string[])[],
    log: "silent" | "logged" | "twin",
  ): void => {
    const owner = ownerText(policyOwner({ kind, key }), aclPart({ ...place, logged: log === "twin" }));
    const uuid = rowUuid("ACL", owner);
    const { direction } = place;
    const group = sets.group(subject);
    const columns = logColumns(log === "silent" ? undefined : logName({ kind, key, ...place }));
    rows.push(
      aclRow({ uuid, owner, direction, priority, tier, action, group: group.name, alternatives, log: columns }, layout),
    );
    memberships.push(groupAcl(group.uuid, uuid));
  };
  const add = (rule: RulePlace, clause: Clause, standing: Standing, tenant: string | undefined): void => {
    const { piece, subject, peers, ports } = clause;
    const { direction } = rule;
    const namespaces = standing.action === "drop" ? logged.deny : logged.allow;
    const isLogged = kind === "NetworkPolicy" && namespaces.includes(namespaceOf(key));
    // What is left to others, and what gets through because nobody decided, isn't a decision.
    const inThose =
      kind === "NetworkPolicy" ||
      namespaces.length === 0 ||
      standing.action === "pass" ||
      standing.isDefault === true ||
      standing.isAlone === true
        ? undefined
        : possibleIntersection(subject, podsOf(namespaces));
    const beyond: BeyondBound = {
      action: standing.action === "drop" ? "deny" : "allow",
      tell: () => tellOfNetworks(complain, rule, standing),
    };
    for (const ofPeers of peersMatches(peers, direction, context, beyond)) {
      for (const ofPorts of portsMatches(ports)) {
        const place = { ...rule, piece: pieceOf(standing, ofPeers, ofPorts, piece), tenant };
        const alternatives = ofPeers.texts.map((text) => [text, ofPorts.text]);
        put(place, standing, subject, alternatives, isLogged ? "logged" : "silent");
        if (inThose === undefined) continue;
        put(place, { ...standing, priority: standing.priority + 1 }, inThose, alternatives, "twin");
      }
    }
  };
  return {
    bundle: { rows, memberships },
    add(rule, clause, standing) {
      add(rule, clause, standing, undefined);
      for (const view of views) {
        const peers = peersInView(clause.peers, view);
        const subject = peers.length === 0 ? undefined : possibleIntersection(clause.subject, podsOfTenant(view));
        if (subject !== undefined) add(rule, { ...clause, subject, peers }, standing, view.tenant);
      }
    },
  };
}

/** Apart from those of others: what is an address of one tenant's pod may be another one's in the next tenant. */
const podsOfTenant = ({ tenant }: TenantView): PodSelector => selectorInTenants(podSelector({}), [tenant]);

function tellOfNetworks(complain: Complain, { direction, rule, pass }: RulePlace, { action }: Standing): void {
  const above = pass === undefined ? "" : ` above the Pass of ${pass.policy}`;
  const effect = action === "drop" ? "denies the pass's peers without regard to them" : "allows none of them there";
  complain(
    "POLICY_NETWORKS_EXCEEDED",
    `${direction} rule ${rule}: its networks are more than ${maxNetworksBeside} parts of the pods' network; it ${effect}${above}`,
  );
}

/** `ipv4-tcp`, `ipv6`, `tcp-http-8080`; `all` for all of IP and everybody. */
function pieceOf({ isDefault }: Standing, { family }: PeersMatch, { protocol }: PortsMatch, ofClause: string): string {
  const parts = [
    isDefault === true ? "rest" : "",
    family === undefined ? "" : `ipv${family}`,
    protocol ?? "",
    ofClause,
  ];
  return parts.filter((part) => part !== "").join("-") || "all";
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf("/"));

/** A rule while its ACLs are made. */
interface RuleInput {
  readonly acls: PolicyAcls;
  readonly policy: PolicyRecord;
  readonly rule: PolicyRule;
  readonly clauses: readonly Clause[];
  /** See {@link RuleClauses}. */
  readonly beyond: readonly Clause[];
  readonly context: PolicyContext;
}

function addClauses({ acls, rule, clauses }: Pick<RuleInput, "acls" | "rule" | "clauses">, standing: Standing): void {
  for (const clause of clauses) {
    acls.add({ direction: rule.direction, rule: rule.index, pass: undefined }, clause, standing);
  }
}

/** What a lower tier says, again above what comes below each Pass, for what that matches. */
function addAgain(
  { acls, context }: Pick<RuleInput, "acls" | "context">,
  direction: Direction,
  rule: AclOrigin["rule"],
  clauses: readonly Clause[],
  standing: (pass: Pass) => Standing,
): void {
  for (const pass of context.ranks.passes(direction)) {
    const origin = { policy: policyId(pass.policy), rule: pass.rule.index };
    for (const ofPass of clausesOf(pass.subject, pass.rule, context.sets).clauses) {
      for (const clause of clauses) {
        const common = commonClause(clause, ofPass);
        if (common === undefined) continue;
        acls.add({ direction, rule, pass: origin }, common, standing(pass));
      }
    }
  }
}

const actions = { allow: "allow-related", deny: "drop", pass: "pass" } as const;

function addNetworkPolicyRule(input: RuleInput): void {
  const { rule, clauses } = input;
  addClauses(input, { priority: networkPolicyPriorities.allow, action: "allow-related" });
  addAgain(input, rule.direction, rule.index, clauses, ({ allow }) => ({ priority: allow, action: "allow-related" }));
}

function addBaselineRule(input: RuleInput): void {
  const { acls, policy, rule, context } = input;
  const priority = context.ranks.priority(policy, rule);
  if (priority === undefined) return;
  // There is no tier after this one: what it passes on is let through.
  const action = rule.action === "deny" ? "drop" : "allow-related";
  const clauses = action === "drop" ? [...input.clauses, ...input.beyond] : input.clauses;
  addClauses({ acls, rule, clauses }, { priority, action });
  const again = ({ baselineOffset }: Pass): Standing => ({ priority: baselineOffset + priority, action });
  addAgain(input, rule.direction, rule.index, clauses, again);
}

/** Above all else that stands for a Pass: its other ports may be theirs whom this is about. No twin stands there. */
function addBeyond({ acls, rule, beyond }: RuleInput, priority: number): void {
  addClauses({ acls, rule, clauses: beyond }, { priority: priority + 1, action: "drop", isAlone: true });
}

function addAdminRule(input: RuleInput): void {
  const { acls, policy, rule, clauses, beyond, context } = input;
  const { direction, index } = rule;
  const priority = context.ranks.priority(policy, rule);
  if (priority !== undefined) {
    addClauses(input, { priority, action: actions[rule.action] });
    if (rule.action === "deny") addClauses({ acls, rule, clauses: beyond }, { priority, action: "drop" });
    if (rule.action === "pass") addBeyond(input, priority);
    return;
  }
  const id = policyId(policy);
  const pass = context.ranks
    .passes(direction)
    .find((other) => other.rule.index === index && policyId(other.policy) === id);
  if (pass === undefined) return;
  addBeyond(input, pass.allow);
  const place: RulePlace = { direction, rule: index, pass: undefined };
  for (const clause of clauses) {
    acls.add(place, clause, { priority: pass.rest, action: "allow-related", isDefault: true });
  }
}

const adders = { Admin: addAdminRule, NetworkPolicy: addNetworkPolicyRule, Baseline: addBaselineRule } as const;

const everything = { piece: "", peers: "any", ports: "any" } as const;

/**
 * That a NetworkPolicy isolates is told by pods' memberships in the tenant's groups. Only what has to be logged, and what has to
 * stand again above a Pass, needs an ACL of its own.
 */
function addIsolation(acls: PolicyAcls, policy: PolicyRecord, subject: PodSelector, context: PolicyContext): void {
  const clause: Clause = { ...everything, subject };
  const isLogged = context.logged.deny.includes(namespaceOf(policy.key));
  for (const direction of policy.isolates) {
    if (isLogged) {
      const place: RulePlace = { direction, rule: "isolation", pass: undefined };
      acls.add(place, clause, { priority: networkPolicyPriorities.isolation + 1, action: "drop" });
    }
    const again = ({ isolation }: Pass): Standing => ({ priority: isolation, action: "drop" });
    addAgain({ acls, context }, direction, "isolation", [clause], again);
  }
}

function tellOfNumbers(complain: Complain, { direction, index, action }: PolicyRule): void {
  const effect = action === "allow" ? "the others are not allowed" : "of pods with others the whole protocol is denied";
  complain(
    "POLICY_PORT_NUMBERS_EXCEEDED",
    `${direction} rule ${index}: pods give a port that it names more than ${maxPortNumbers} numbers; ${effect}`,
  );
}

/**
 * All ACLs of a policy, on the port groups of its subject. Their number follows from rules, named ports and the passes above,
 * never from pods.
 * @returns undefined for a policy that has none
 */
export function policyBundle(policy: PolicyRecord, context: PolicyContext): Bundle | undefined {
  const { subject, tier } = policy;
  if (subject === undefined) return undefined;
  const acls = policyAcls(policy, context);
  if (tier === "NetworkPolicy") addIsolation(acls, policy, subject, context);
  for (const direction of directions) {
    const overflow = context.ranks.overflow(policy, direction);
    if (overflow === undefined) continue;
    const place: RulePlace = { direction, rule: "overflow", pass: undefined };
    const clause: Clause = { ...everything, subject };
    acls.add(place, clause, { priority: overflow, action: "drop" });
    // The lowest level above what nobody decided is kept for it.
    const again = ({ rest }: Pass): Standing => ({ priority: rest + 2, action: "drop" });
    if (tier === "Baseline") addAgain({ acls, context }, direction, "overflow", [clause], again);
  }
  for (const rule of policy.rules) {
    const { clauses, beyond } = clausesOf(subject, rule, context.sets);
    if (beyond.length > 0) tellOfNumbers(context.complain, rule);
    adders[tier]({ acls, policy, rule, clauses, beyond, context });
  }
  return acls.bundle.rows.length === 0 ? undefined : acls.bundle;
}
