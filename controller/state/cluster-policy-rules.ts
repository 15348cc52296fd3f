import { readLabelSelector } from "./label-selector.ts";
import type { Direction, Peer, PolicyRule, PortMatch } from "./policy.ts";
import { complainOfNamedPorts } from "./policy-object.ts";
import { readBlock, readDomainName, readEach } from "./policy-parts.ts";
import type { Complain } from "./policy-problem.ts";
import { isAbsent, isObject, listAt, objectAt, textAt } from "./raw-object.ts";
import { type PodSelector, podSelector } from "./selector.ts";

/** In what the kinds that span the cluster differ. */
export interface ClusterPolicyDialect {
  /** By the word for it. */
  readonly actions: Readonly<Record<string, PolicyRule["action"]>>;
  /** Which field of a rule has its ports, and how one is read. */
  readonly portsField: "ports" | "protocols";
  readonly readPort: (raw: unknown) => readonly PortMatch[] | string;
  readonly hasDomainNames: boolean;
  readonly maxRules: number;
  /** Peers, and ports, of one rule. */
  readonly maxEntries: number;
}

/** Networks, and names, of one peer. */
const maxNetworks = 25;

const nothing = { peers: Object.freeze([]), ports: Object.freeze([]) } as const;
const everything = { peers: "any", ports: "any" } as const;

/** The one field that is set, as the API demands. */
function onlyField(raw: unknown): { readonly name: string; readonly value: unknown } | undefined {
  const fields = Object.entries(objectAt(raw)).filter(([, value]) => !isAbsent(value));
  const [field] = fields;
  return field === undefined || fields.length > 1 ? undefined : { name: field[0], value: field[1] };
}

/** `namespaces` or `pods`; undefined when it is neither. */
function readPods({
  name,
  value,
}: {
  readonly name: string;
  readonly value: unknown;
}): PodSelector | undefined | string {
  if (name !== "namespaces" && name !== "pods") return undefined;
  if (!isObject(value)) return `${name} is no object`;
  const namespaceRequirements = readLabelSelector(name === "namespaces" ? value : (value.namespaceSelector ?? {}));
  if (typeof namespaceRequirements === "string") return namespaceRequirements;
  const podRequirements = name === "namespaces" ? [] : readLabelSelector(value.podSelector);
  if (typeof podRequirements === "string") return podRequirements;
  return podSelector({ namespaceRequirements, podRequirements });
}

/** Whom a policy is for; as text, why that can't be read. */
export function readSubject(raw: unknown): PodSelector | string {
  const field = onlyField(raw);
  if (field === undefined) return "subject has to be namespaces or pods";
  return readPods(field) ?? `subject can't be ${field.name}`;
}

function readNetworks(value: unknown): readonly Peer[] | string {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxNetworks) {
    return `networks has to be a list of 1 to ${maxNetworks}`;
  }
  const peers: Peer[] = [];
  for (const each of value) {
    const block = readBlock(each, undefined, () => {});
    if (typeof block === "string") return block;
    if (block !== undefined) peers.push(Object.freeze({ kind: "networks", block }));
  }
  return peers;
}

function readDomainNames(value: unknown): readonly Peer[] | string {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxNetworks) {
    return `domainNames has to be a list of 1 to ${maxNetworks}`;
  }
  const names = new Set<string>();
  for (const each of value) {
    const name = readDomainName(each);
    if (name === undefined) return `${JSON.stringify(each)} is no domain name`;
    names.add(name);
  }
  return [Object.freeze({ kind: "domains", names: Object.freeze([...names].sort()) })];
}

function readPeer(raw: unknown, direction: Direction, hasDomainNames: boolean): readonly Peer[] | string {
  const field = onlyField(raw);
  if (field === undefined) return "a peer has to have one field";
  const selector = readPods(field);
  if (typeof selector === "string") return selector;
  if (selector !== undefined) return [Object.freeze({ kind: "pods", selector })];
  if (direction === "egress") {
    if (field.name === "nodes") {
      const requirements = readLabelSelector(field.value);
      return typeof requirements === "string" ? requirements : [Object.freeze({ kind: "nodes", requirements })];
    }
    if (field.name === "networks") return readNetworks(field.value);
    if (field.name === "domainNames" && hasDomainNames) return readDomainNames(field.value);
  }
  return `a peer can't be ${field.name} here`;
}

function readRule(
  raw: unknown,
  direction: Direction,
  index: number,
  dialect: ClusterPolicyDialect,
  isDenyOnly: boolean,
  complain: Complain,
): PolicyRule {
  const source = objectAt(raw);
  const name = textAt(source.name);
  const where = `${direction}[${index}]${name === undefined ? "" : ` ${JSON.stringify(name)}`}`;
  const word = textAt(source.action) ?? "";
  const known = Object.hasOwn(dialect.actions, word) ? dialect.actions[word] : undefined;
  if (known === undefined) {
    const actions = Object.keys(dialect.actions).join(", ");
    complain("POLICY_ACTION_UNKNOWN", `${where}: action ${JSON.stringify(source.action)} is none of ${actions}`);
  }

  let isReadable = known !== undefined && index < dialect.maxRules;
  const unreadable = (code: "POLICY_PEER_UNREADABLE" | "POLICY_PORT_UNREADABLE") => (reason: string) => {
    isReadable = false;
    complain(code, `${where}: ${reason}`);
  };
  const unreadablePeer = unreadable("POLICY_PEER_UNREADABLE");
  const unreadablePort = unreadable("POLICY_PORT_UNREADABLE");
  const listOf = (field: string, because: (reason: string) => void): readonly unknown[] => {
    const list = listAt(source[field]);
    if (list.length > 0 && list.length <= dialect.maxEntries) return list;
    because(`${field} has to be a list of 1 to ${dialect.maxEntries}`);
    return [];
  };
  // Names say whom to let through; whom to keep out they can't say, for a name's addresses are never all known.
  const mayHaveNames = dialect.hasDomainNames && known === "allow";
  const peers = readEach(
    listOf(direction === "ingress" ? "from" : "to", unreadablePeer),
    (each) => readPeer(each, direction, mayHaveNames),
    unreadablePeer,
  );
  const { portsField, readPort } = dialect;
  const ports = isAbsent(source[portsField])
    ? "any"
    : readEach(listOf(portsField, unreadablePort), readPort, unreadablePort);

  const head = { direction, index, name } as const;
  if (!isReadable || known === undefined) {
    return Object.freeze(
      known === "allow" ? { ...head, ...nothing, action: "allow" } : { ...head, ...everything, action: "deny" },
    );
  }
  const rule: PolicyRule = Object.freeze({ ...head, action: known, peers, ports });
  complainOfNamedPorts(rule, complain);
  if (!isDenyOnly) return rule;
  return Object.freeze(known === "allow" ? { ...rule, ...nothing } : { ...rule, action: "deny" });
}

/**
 * The rules of a policy that spans the cluster. One of which a part can't be read fails closed, as the API's comments on
 * peers demand: an allow matches nothing, any other one denies everything.
 * @param isDenyOnly where the policy's place among others can't be read: what it passes is denied, what it allows is not allowed
 */
export function readClusterRules(
  spec: unknown,
  dialect: ClusterPolicyDialect,
  isDenyOnly: boolean,
  complain: Complain,
): readonly PolicyRule[] {
  const { ingress, egress } = objectAt(spec);
  const rulesOf = (direction: Direction, list: readonly unknown[]) => {
    if (list.length > dialect.maxRules) {
      complain("POLICY_RULES_EXCEEDED", `${direction} has ${list.length} rules, ${dialect.maxRules} at most may be`);
    }
    return list.map((raw, index) => readRule(raw, direction, index, dialect, isDenyOnly, complain));
  };
  return Object.freeze([...rulesOf("ingress", listAt(ingress)), ...rulesOf("egress", listAt(egress))]);
}

/** 0–1000; undefined when it is none of these. */
export function readPriority(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 1000 ? value : undefined;
}
