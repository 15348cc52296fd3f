import { type PolicyRecord, policyId } from "../state/policy.ts";
import { aclOrigin } from "../translate/acl-origin.ts";
import { parseOwner } from "../translate/owner.ts";
import type { AclAnswer, AclRuleOrigin } from "./answer.ts";
import { ExplainError } from "./explain-error.ts";

/** What is asked of a row of the northbound table ACL. */
export interface AclRow {
  readonly uuid: string;
  readonly name: string | undefined;
  readonly direction: "from-lport" | "to-lport";
  readonly priority: number;
  /** Undefined where the schema has none. */
  readonly tier: number | undefined;
  readonly match: string;
  readonly action: string;
  readonly log: boolean;
  /** The value of `external_ids:ovenbird.io/owner`. */
  readonly owner: string | undefined;
}

type PolicyAt = (id: string) => PolicyRecord | undefined;

/** Northd adds this to every priority of an ACL when it makes flows of it. */
const flowPriorityOffset = 1000;

function originOf(owner: string | undefined, policyAt: PolicyAt): AclRuleOrigin | undefined {
  const origin = owner === undefined ? undefined : aclOrigin(owner);
  if (origin === undefined) return undefined;
  const { kind, key, direction, piece, logged, tenant, pass } = origin;
  const rule = typeof origin.rule === "number" ? origin.rule : undefined;
  const record = policyAt(policyId(origin));
  const ruleName = record?.rules.find((each) => each.direction === direction && each.index === rule)?.name;
  return {
    policy: { kind, name: key },
    direction,
    ...(rule === undefined ? {} : { rule }),
    ...(ruleName === undefined ? {} : { ruleName }),
    part:
      origin.rule === "isolation" || origin.rule === "overflow"
        ? origin.rule
        : piece.startsWith("rest")
          ? "rest"
          : "rule",
    logged,
    ...(tenant === undefined ? {} : { tenant }),
    ...(pass === undefined ? {} : { pass }),
  };
}

const verbs: Readonly<Record<string, string>> = {
  allow: "lets through",
  "allow-related": "lets through",
  "allow-stateless": "lets through",
  drop: "drops",
  reject: "refuses",
  pass: "passes on to the next tier",
};

function ruleText({ policy, direction, rule, ruleName }: AclRuleOrigin): string {
  const name = ruleName === undefined ? "" : ` ("${ruleName}")`;
  return `${direction} rule ${rule}${name} of ${policy.kind} ${policy.name}`;
}

function policyMeaning(verb: string, origin: AclRuleOrigin): string {
  const { pass, part, policy, direction } = origin;
  const name = `${policy.kind} ${policy.name}`;
  const passed = pass === undefined ? "" : `, of what rule ${pass.rule} of ${pass.policy.replace("/", " ")} passes on`;
  const ofTenant =
    origin.tenant === undefined ? "" : `, for pods of tenant ${origin.tenant} by the addresses of its own`;
  const twin = `${ofTenant}${origin.logged ? ", for pods of namespaces that log it" : ""}`;
  switch (part) {
    case "overflow":
      return `${verb} all ${direction} of whom ${name} selects: there are too few priorities for its rules`;
    case "isolation":
      return `${verb} ${direction} that no NetworkPolicy allows, of pods that ${name} isolates${passed}${twin}`;
    case "rest":
      return `${verb} what ${ruleText(origin)} passes on and nobody decides${twin}`;
    case "rule":
      return `${verb} what ${ruleText(origin)} matches${passed}${twin}`;
  }
}

/** What the rows are for that no policy makes, by their owner's kind and part; `$1` is its key. */
const ofTheNetwork: readonly (readonly [owner: RegExp, meaning: string])[] = [
  [/^Node\/([^#]+)#pods$/, "what node $1 sends to its own pods"],
  [/^Node\/([^#]+)#services\.ipv[46]$/, "what pods of node $1 send to the services' network and nobody balanced"],
  [/^Node\/([^#]+)#policy\.sctp\.(?:in|e)gress$/, "SCTP of node $1's pods that no policy spoke about, untracked"],
  [/^Node\/([^#]+)#policy\.undecided\.\w+$/, "what a tier leaves to the next, of all that comes to pods of node $1"],
  [/^Node\/([^#]+)#pods\.shared$/, "what node $1 sends to its own pods that are in Subnets"],
  [
    /^Tenant\/[^#]+#subnets#services\.ipv[46]$/,
    "what pods of Subnets send to the services' network and nobody balanced",
  ],
  [
    /^Tenant\/[^#]+#subnets#policy\.sctp\.(?:in|e)gress$/,
    "SCTP of Subnets' pods that no policy spoke about, untracked",
  ],
  [
    /^Tenant\/[^#]+#subnets#policy\.undecided\.\w+$/,
    "what a tier leaves to the next, of all that comes to pods of Subnets",
  ],
  [/^Tenant\/([^#]+)#shared\.ask\.ipv[46]$/, "what pods of tenant $1 ask of Services that are shared with it"],
  [/^Tenant\/([^#]+)#shared\.answer\.ipv[46]$/, "what the endpoints of shared Services send to tenant $1 unasked"],
  [/^Tenant\/[^#]+#policy\.(?:sctp\.)?hairpin$/, "what a pod sends to itself by a Service"],
  [/^Tenant\/[^#]+#policy\.sctp\.answers\.(?:in|e)gress$/, "SCTP's answers: from ports below 32768 to others"],
  [/^Tenant\/[^#]+#policy\.sctp\.ingress$/, "SCTP to pods of policies that said nothing about it, untracked"],
];

function meaningOf(row: AclRow, origin: AclRuleOrigin | undefined): string {
  const verb = verbs[row.action] ?? row.action;
  if (origin !== undefined) return policyMeaning(verb, origin);
  const owner = row.owner === undefined ? undefined : parseOwner(row.owner);
  if (owner === undefined) return "is no row of this network's controller";
  const direction = /^isolation\.(ingress|egress)$/.exec(owner.part ?? "")?.[1];
  if (direction !== undefined) {
    return `${verb} ${direction} that no NetworkPolicy allows, of pods that some NetworkPolicy isolates for ${direction}`;
  }
  const text = row.owner ?? "";
  for (const [pattern, meaning] of ofTheNetwork) {
    if (pattern.test(text)) return `${verb} ${text.replace(pattern, meaning)}`;
  }
  return `${verb} for the network itself: ${owner.kind} ${owner.key}${owner.part === undefined ? "" : `, ${owner.part}`}`;
}

export function aclAnswer(row: AclRow, policyAt: PolicyAt): AclAnswer {
  const origin = originOf(row.owner, policyAt);
  const { uuid, name, priority, tier, match, action, log, owner } = row;
  return {
    uuid,
    name,
    direction: row.direction === "to-lport" ? "ingress" : "egress",
    priority,
    flowPriority: priority + flowPriorityOffset,
    tier,
    match,
    action,
    log,
    owner,
    origin,
    meaning: meaningOf(row, origin),
  };
}

export function aclAnswers(rows: readonly AclRow[], policyAt: PolicyAt): readonly AclAnswer[] {
  return rows.map((row) => aclAnswer(row, policyAt));
}

/**
 * @param text a whole UUID, or at least its first eight digits, as `stage-hint` of a southbound flow has them
 * @throws ExplainError BAD_QUERY, NOT_FOUND, AMBIGUOUS
 */
export function aclByUuid(rows: Iterable<AclRow>, text: string, policyAt: PolicyAt): AclAnswer {
  const wanted = text.toLowerCase().replace(/^0x/, "");
  if (!/^[0-9a-f]{8}[0-9a-f-]{0,28}$/.test(wanted)) {
    throw new ExplainError(
      "BAD_QUERY",
      `${JSON.stringify(text)} is no UUID, nor at least the first eight digits of one`,
    );
  }
  const found: AclRow[] = [];
  for (const row of rows) if (row.uuid.startsWith(wanted)) found.push(row);
  const [only, other] = found;
  if (only === undefined) throw new ExplainError("NOT_FOUND", `No ACL's UUID begins with ${wanted}`);
  if (other === undefined) return aclAnswer(only, policyAt);
  const shown = found.slice(0, 5).map(({ uuid }) => uuid);
  throw new ExplainError("AMBIGUOUS", `${found.length} ACLs begin with ${wanted}: ${shown.join(", ")}`);
}
