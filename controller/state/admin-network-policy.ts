import { type ClusterPolicyDialect, readClusterRules, readPriority, readSubject } from "./cluster-policy-rules.ts";
import type { PolicyRecord, PortMatch } from "./policy.ts";
import { createComplaints, policyHead } from "./policy-object.ts";
import { isPortName, namedPorts, portRange, protocolOf, readRange } from "./policy-parts.ts";
import { isAbsent, objectAt } from "./raw-object.ts";
import { portNumberAt } from "./service.ts";

/** AdminNetworkPolicyPort: one of a number, a range and a name. */
function readPort(raw: unknown): readonly PortMatch[] | string {
  const fields = Object.entries(objectAt(raw)).filter(([, value]) => !isAbsent(value));
  const [field] = fields;
  if (field === undefined || fields.length > 1) return "a port has to have one field";
  const [name, value] = field;
  if (name === "namedPort") return isPortName(value) ? namedPorts(value) : `${JSON.stringify(value)} is no port's name`;
  if (name !== "portNumber" && name !== "portRange") return `a port can't be ${name}`;
  const { protocol: rawProtocol, port, start, end } = objectAt(value);
  const protocol = protocolOf(rawProtocol);
  if (protocol === undefined) return `${JSON.stringify(rawProtocol)} is no protocol`;
  if (name === "portNumber") {
    const number = portNumberAt(port);
    return number === undefined ? `${JSON.stringify(port)} is no port` : [portRange(protocol, number, number)];
  }
  const range = readRange(protocol, start, end);
  return typeof range === "string" ? range : [range];
}

const admin: ClusterPolicyDialect = {
  actions: { Allow: "allow", Deny: "deny", Pass: "pass" },
  portsField: "ports",
  readPort,
  hasDomainNames: true,
  maxRules: 100,
  maxEntries: 100,
};

/** The last that decide know nobody to pass to. */
const baseline: ClusterPolicyDialect = {
  ...admin,
  actions: { Allow: "allow", Deny: "deny" },
  hasDomainNames: false,
};

/** The only name that a BaselineAdminNetworkPolicy may have. */
const baselineName = "default";

/**
 * Projects an AdminNetworkPolicy (policy.networking.k8s.io/v1alpha1) as the API gives it; never throws. One whose
 * priority can't be read denies first of all what it denies or passes, and allows nothing.
 */
export function projectAdminNetworkPolicy(raw: unknown): PolicyRecord {
  const { name, uid, generation, createdAt, conditions } = policyHead(raw);
  const { spec } = objectAt(raw);
  const { complain, problems } = createComplaints();
  const { priority: rawPriority, subject: rawSubject } = objectAt(spec);
  const priority = readPriority(rawPriority);
  if (priority === undefined)
    complain("POLICY_PRIORITY_INVALID", `priority ${JSON.stringify(rawPriority)} is no whole number from 0 to 1000`);
  const subject = readSubject(rawSubject);
  if (typeof subject === "string") complain("POLICY_SUBJECT_UNREADABLE", subject);
  const rules = readClusterRules(spec, admin, priority === undefined, complain);
  return Object.freeze({
    kind: "AdminNetworkPolicy",
    key: name,
    uid,
    generation,
    createdAt,
    tier: "Admin",
    priority: priority ?? 0,
    subject: typeof subject === "string" ? undefined : subject,
    isolates: Object.freeze([]),
    rules,
    problems: problems(),
    conditions,
  });
}

/** Projects a BaselineAdminNetworkPolicy (policy.networking.k8s.io/v1alpha1) as the API gives it; never throws. */
export function projectBaselineAdminNetworkPolicy(raw: unknown): PolicyRecord {
  const { name, uid, generation, createdAt, conditions } = policyHead(raw);
  const { spec } = objectAt(raw);
  const { complain, problems } = createComplaints();
  const subject = readSubject(objectAt(spec).subject);
  if (typeof subject === "string") complain("POLICY_SUBJECT_UNREADABLE", subject);
  if (name !== baselineName)
    complain(
      "POLICY_BASELINE_NAME",
      `only the one called ${baselineName} counts, and this is called ${name}; it is about nobody`,
    );
  return Object.freeze({
    kind: "BaselineAdminNetworkPolicy",
    key: name,
    uid,
    generation,
    createdAt,
    tier: "Baseline",
    priority: 0,
    subject: typeof subject === "string" || name !== baselineName ? undefined : subject,
    isolates: Object.freeze([]),
    rules: readClusterRules(spec, baseline, false, complain),
    problems: problems(),
    conditions,
  });
}
