/**
 * Everything about a policy that its user has to act on, with what it means. A part that can't be understood fails
 * closed: what it would allow isn't allowed, and what it would deny or pass is denied.
 */
export const policyProblemCodes = {
  POLICY_SUBJECT_UNREADABLE:
    "Whom the policy selects can't be read. A NetworkPolicy isolates its whole namespace, the other kinds select nobody.",
  POLICY_TYPES_UNKNOWN: "A direction in policyTypes is none; the policy isolates in both directions.",
  POLICY_TIER_UNKNOWN:
    "The policy's tier is unknown; it denies in tier Admin what it denies or passes, and allows nothing.",
  POLICY_PRIORITY_INVALID:
    "The priority is not 0 to 1000; the policy denies first what it denies or passes, and allows nothing.",
  POLICY_ACTION_UNKNOWN: "A rule's action is unknown; the rule denies everything.",
  POLICY_PEER_UNREADABLE:
    "A rule's peer can't be read. A NetworkPolicy's other peers hold; another kind's rule matches nothing if it allows, else it denies everything.",
  POLICY_PORT_UNREADABLE:
    "A port of a rule can't be read. A NetworkPolicy's other ports hold; another kind's rule matches nothing if it allows, else it denies everything.",
  POLICY_RULES_EXCEEDED:
    "The policy has more rules than its kind may have; the rest is treated like rules that can't be read.",
  POLICY_TOO_LARGE:
    "The NetworkPolicy has more parts than one may have; it isolates whom it selects and allows nothing.",
  POLICY_NAMED_PORT_WITHOUT_POD:
    "A named port of egress stands beside a peer that is no pod and names none; together they match nothing.",
  POLICY_EXCEPT_OUTSIDE: "An except lies outside of its own block and takes nothing away from it.",
  POLICY_BASELINE_NAME: "A BaselineAdminNetworkPolicy counts only under the name `default`; this one selects nobody.",
  POLICY_DOMAIN_NAMES_UNDEFINED:
    "The policy gives domain names, and the cluster lacks the definition of DomainName; they let nothing through.",
  POLICY_PRIORITIES_EXHAUSTED:
    "The policies of a tier have more rules than ACLs have priorities; this one drops all of whom it selects.",
  POLICY_NETWORKS_EXCEEDED:
    "Where a Pass has pods as peers, a rule's networks hold too many parts of the pods' network; there it allows nothing, or denies all those peers.",
  POLICY_PORT_NUMBERS_EXCEEDED:
    "Pods give a port that a rule names too many numbers; an allow leaves the rest out, else the rest's whole protocol is denied.",
  POLICY_LOG_UNKNOWN: "A namespace's ovenbird.io/log-policy is neither deny, allow nor all; nothing of it is logged.",
} as const satisfies Record<string, string>;

export type PolicyProblemCode = keyof typeof policyProblemCodes;

/** Takes what is wrong with an object, while it is read. */
export type Complain = (code: PolicyProblemCode, message: string) => void;
