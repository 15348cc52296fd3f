import { type Direction, type PolicyRecord, type PolicyRule, policyId } from "../state/policy.ts";
import { type AclOrigin, aclPart } from "./acl-origin.ts";
import type { Bundle, DesiredRow, Membership, Owner } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { aclRow, groupAcl } from "./policy-acl.ts";
import { type Clause, clausesOf, commonClause } from "./policy-clauses.ts";
import type { PolicyContext } from "./policy-context.ts";
import { isolatedGroups, type PortGroup } from "./policy-groups.ts";
import { networkPolicyPriorities } from "./policy-layout.ts";
import { logColumns, logName, podsOf } from "./policy-log.ts";
import { peersMatch } from "./policy-peers.ts";
import { portsMatch } from "./policy-ports.ts";
import type { Pass } from "./policy-ranks.ts";

/** The owner of a policy's ACLs. */
export function policyOwner({ kind, key }: Pick<PolicyRecord, "kind" | "key">): Owner {
  return { kind, key };
}

type Place = Pick<AclOrigin, "direction" | "rule" | "piece" | "pass">;

const directions: readonly Direction[] = ["ingress", "egress"];

/** Where an ACL stands and what it says. */
interface Standing {
  readonly priority: number;
  readonly action: "allow-related" | "drop" | "pass";
  /** Besides the clause's subjects. */
  readonly isolated?: PortGroup;
  /** It lets through what nobody decided. */
  readonly isDefault?: boolean;
}

/** Rows of one policy in the making. */
interface PolicyAcls {
  readonly bundle: Bundle;
  /** Adds the ACL of a clause, and its logged twin where there has to be one; nothing when the clause can't match. */
  add(place: Place, clause: Clause, standing: Standing): void;
}

function policyAcls({ kind, key, tier }: PolicyRecord, { sets, network, logged, layout }: PolicyContext): PolicyAcls {
  const rows: DesiredRow[] = [];
  const memberships: Membership[] = [];
  const put = (
    place: Place,
    { priority, action }: Standing,
    groups: readonly PortGroup[],
    match: readonly string[],
    log: "silent" | "named" | "twin",
  ): void => {
    const owner = ownerText(policyOwner({ kind, key }), aclPart({ ...place, logged: log === "twin" }));
    const uuid = rowUuid("ACL", owner);
    const names = groups.map(({ name }) => name);
    const columns = logColumns(log === "silent" ? undefined : logName({ kind, key, ...place }));
    const { direction } = place;
    rows.push(aclRow({ uuid, owner, direction, priority, tier, action, groups: names, match, log: columns }, layout));
    const [group] = groups;
    if (group !== undefined) memberships.push(groupAcl(group.uuid, uuid));
  };
  return {
    bundle: { rows, memberships },
    add(place, clause, standing) {
      const peers = peersMatch(clause.peers, place.direction, network.families, sets);
      if (peers === undefined) return;
      const match = [peers, portsMatch(clause.ports)];
      const groups: PortGroup[] = clause.subjects.map((subject) => sets.group(subject));
      if (standing.isolated !== undefined) groups.push(standing.isolated);
      if (kind === "NetworkPolicy") {
        const namespace = key.slice(0, key.indexOf("/"));
        put(place, standing, groups, match, logged.allow.includes(namespace) ? "named" : "silent");
        return;
      }
      put(place, standing, groups, match, "silent");
      const namespaces = standing.action === "drop" ? logged.deny : logged.allow;
      // What is left to others, and what gets through because nobody decided, isn't a decision.
      if (namespaces.length === 0 || standing.action === "pass" || standing.isDefault === true) return;
      const twin = { ...standing, priority: standing.priority + 1 };
      put(place, twin, [...groups, sets.group(podsOf(namespaces))], match, "twin");
    },
  };
}

/** A rule while its ACLs are made. */
interface RuleInput {
  readonly acls: PolicyAcls;
  readonly policy: PolicyRecord;
  readonly rule: PolicyRule;
  readonly clauses: readonly Clause[];
  readonly context: PolicyContext;
}

function addClauses({ acls, rule, clauses }: RuleInput, standing: Standing): void {
  for (const clause of clauses) {
    acls.add({ direction: rule.direction, rule: rule.index, piece: clause.piece, pass: undefined }, clause, standing);
  }
}

/** What a rule of a tier below the Admin tier says, again above what comes below each Pass, for what that matches. */
function addAgain({ acls, rule, clauses, context }: RuleInput, standing: (pass: Pass) => Standing): void {
  const { direction, index } = rule;
  for (const pass of context.ranks.passes(direction)) {
    const origin = { policy: policyId(pass.policy), rule: pass.rule.index };
    for (const ofPass of clausesOf(pass.subject, pass.rule, context.sets)) {
      for (const clause of clauses) {
        const common = commonClause(clause, ofPass);
        if (common === undefined) continue;
        acls.add({ direction, rule: index, piece: common.piece, pass: origin }, common, standing(pass));
      }
    }
  }
}

const actions = { allow: "allow-related", deny: "drop", pass: "pass" } as const;

function addNetworkPolicyRule(input: RuleInput): void {
  addClauses(input, { priority: networkPolicyPriorities.allow, action: "allow-related" });
  addAgain(input, ({ allow }) => ({ priority: allow, action: "allow-related" }));
}

function addBaselineRule(input: RuleInput): void {
  const { policy, rule, context } = input;
  const priority = context.ranks.priority(policy, rule);
  if (priority === undefined) return;
  // There is no tier after this one: what it passes on is let through.
  const action = rule.action === "deny" ? "drop" : "allow-related";
  addClauses(input, { priority, action });
  addAgain(input, ({ baselineOffset }) => ({ priority: baselineOffset + priority, action }));
}

function addAdminRule(input: RuleInput): void {
  const { acls, policy, rule, clauses, context } = input;
  const { direction, index } = rule;
  const priority = context.ranks.priority(policy, rule);
  if (priority !== undefined) {
    addClauses(input, { priority, action: actions[rule.action] });
    return;
  }
  const id = policyId(policy);
  const pass = context.ranks
    .passes(direction)
    .find((other) => other.rule.index === index && policyId(other.policy) === id);
  if (pass === undefined) return;
  const place = (piece: string): Place => ({ direction, rule: index, piece, pass: undefined });
  for (const clause of clauses) {
    const suffix = clause.piece === "numbers" ? "" : `-${clause.piece}`;
    const isolated = isolatedGroups[direction];
    acls.add(place(`isolation${suffix}`), clause, { priority: pass.isolation, action: "drop", isolated });
    acls.add(place(`rest${suffix}`), clause, { priority: pass.rest, action: "allow-related", isDefault: true });
  }
}

const adders = { Admin: addAdminRule, NetworkPolicy: addNetworkPolicyRule, Baseline: addBaselineRule } as const;

/**
 * All ACLs of a policy, on the port groups of its subject; that a NetworkPolicy isolates is told by pods' memberships in the
 * tenant's groups. Their number follows from rules, named ports and the passes above, never from pods.
 * @returns undefined for a policy that has none
 */
export function policyBundle(policy: PolicyRecord, context: PolicyContext): Bundle | undefined {
  const { subject, tier } = policy;
  if (subject === undefined) return undefined;
  const acls = policyAcls(policy, context);
  for (const direction of directions) {
    const overflow = context.ranks.overflow(policy, direction);
    if (overflow === undefined) continue;
    const all: Clause = { piece: "all", subjects: [subject], peers: "any", ports: "any" };
    acls.add({ direction, rule: "overflow", piece: "all", pass: undefined }, all, {
      priority: overflow,
      action: "drop",
    });
  }
  for (const rule of policy.rules) {
    adders[tier]({ acls, policy, rule, clauses: clausesOf(subject, rule, context.sets), context });
  }
  return acls.bundle.rows.length === 0 ? undefined : acls.bundle;
}
