import { type ClusterPolicyDialect, readClusterRules, readPriority, readSubject } from "./cluster-policy-rules.ts";
import type { PolicyRecord, PortMatch } from "./policy.ts";
import { createComplaints, policyHead } from "./policy-object.ts";
import { isPortName, namedPorts, portRange, readRange } from "./policy-parts.ts";
import { isAbsent, objectAt } from "./raw-object.ts";
import { portNumberAt } from "./service.ts";

function onlyField(raw: unknown): readonly [name: string, value: unknown] | undefined {
  const fields = Object.entries(objectAt(raw)).filter(([, value]) => !isAbsent(value));
  return fields.length === 1 ? fields[0] : undefined;
}

/** ClusterNetworkPolicyProtocol: a protocol with a port or a range of it, or a port's name. */
function readProtocol(raw: unknown): readonly PortMatch[] | string {
  const field = onlyField(raw);
  if (field === undefined) return "an entry of protocols has to have one field";
  const [protocol, value] = field;
  if (protocol === "destinationNamedPort") {
    return isPortName(value) ? namedPorts(value) : `${JSON.stringify(value)} is no port's name`;
  }
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") return `protocols can't be ${protocol}`;
  // Whoever sets no field that we know means one that we don't know.
  const inside = onlyField(value);
  const port = inside?.[0] === "destinationPort" ? onlyField(inside[1]) : undefined;
  if (port?.[0] === "number") {
    const number = portNumberAt(port[1]);
    return number === undefined ? `${JSON.stringify(port[1])} is no port` : [portRange(protocol, number, number)];
  }
  if (port?.[0] !== "range") return `${protocol} needs a destinationPort with a number or a range`;
  const { start, end } = objectAt(port[1]);
  const range = readRange(protocol, start, end);
  return typeof range === "string" ? range : [range];
}

const dialect: ClusterPolicyDialect = {
  actions: { Accept: "allow", Deny: "deny", Pass: "pass" },
  portsField: "protocols",
  readPort: readProtocol,
  hasDomainNames: true,
  maxRules: 25,
  maxEntries: 25,
};

/**
 * Projects a ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2) as the API gives it; never throws. One whose tier
 * or priority can't be read denies, in tier Admin resp. first of all, what it denies or passes, and allows nothing.
 */
export function projectClusterNetworkPolicy(raw: unknown): PolicyRecord {
  const { name, uid, generation, createdAt, conditions } = policyHead(raw);
  const { spec } = objectAt(raw);
  const { complain, problems } = createComplaints();
  const { tier: rawTier, priority: rawPriority, subject: rawSubject } = objectAt(spec);
  const tier = rawTier === "Admin" || rawTier === "Baseline" ? rawTier : undefined;
  if (tier === undefined)
    complain("POLICY_TIER_UNKNOWN", `tier ${JSON.stringify(rawTier)} is neither Admin nor Baseline`);
  const priority = readPriority(rawPriority);
  if (priority === undefined)
    complain("POLICY_PRIORITY_INVALID", `priority ${JSON.stringify(rawPriority)} is no whole number from 0 to 1000`);
  const subject = readSubject(rawSubject);
  if (typeof subject === "string") complain("POLICY_SUBJECT_UNREADABLE", subject);
  const isPlaced = tier !== undefined && priority !== undefined;
  return Object.freeze({
    kind: "ClusterNetworkPolicy",
    key: name,
    uid,
    generation,
    createdAt,
    tier: tier ?? "Admin",
    priority: priority ?? 0,
    subject: typeof subject === "string" ? undefined : subject,
    isolates: Object.freeze([]),
    rules: readClusterRules(spec, dialect, !isPlaced, complain),
    problems: problems(),
    conditions,
  });
}
