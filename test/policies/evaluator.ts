import type { Family } from "./address-blocks.ts";
import { readSelector } from "./label-selector.ts";
import {
  type AdminNetworkPolicy,
  type ClusterNetworkPolicy,
  keyOf,
  type NetworkPolicy,
  type Pod,
  type Policy,
  type World,
} from "./objects.ts";
import { backendsOf, type Party, type Protocol, partyAt, partyOf, sourceParty } from "./parties.ts";
import { adminRules, type Direction, networkPolicyRules, type Packet, type Rule, subjectTest } from "./rules.ts";

/**
 * What must pass, from Kubernetes objects and the specifications alone: NetworkPolicy v1, AdminNetworkPolicy and
 * BaselineAdminNetworkPolicy v1alpha1, ClusterNetworkPolicy v1alpha2. Shares nothing with the controller; slow and plain.
 */
export interface Evaluator {
  /** Whether a connection between two parties may be begun. Replies to what may be begun pass always. */
  judge(packet: Packet): Verdict;
  /**
   * The verdicts on a question as a client asks it: by name or address, or by service, which has one for each backend.
   * @returns an empty list when somebody has no address of the family, or the service no backend
   */
  answer(question: Question): readonly Answer[];
}

export interface Verdict {
  readonly allowed: boolean;
  /** What decided, in words, of each direction that was judged. */
  readonly reasons: readonly string[];
}

export interface Question {
  /** `namespace/pod`, `node:NAME` or an address outside. */
  readonly from: string;
  /** `namespace/pod`, `node:NAME`, `service:namespace/name` or an address. */
  readonly to: string;
  readonly family: Family;
  readonly protocol: Protocol;
  /** The destination's, of a service the service's; undefined for ICMP. */
  readonly port?: number | undefined;
}

export interface Answer extends Verdict {
  readonly packet: Packet;
}

interface Decider {
  readonly id: string;
  readonly selects: (pod: Pod) => boolean;
  readonly isolates: readonly Direction[];
  readonly rules: readonly Rule[];
}

const allow = (reason: string): Verdict => ({ allowed: true, reasons: [reason] });
const deny = (reason: string): Verdict => ({ allowed: false, reasons: [reason] });

function idOf(policy: Policy): string {
  return `${policy.kind}/${keyOf(policy)}`;
}

type Spanning = AdminNetworkPolicy | ClusterNetworkPolicy;

/** Whether it is known where among the others the policy stands. */
function isPlaced({ kind, spec }: Spanning): boolean {
  const { priority = -1 } = spec;
  const hasTier = kind !== "ClusterNetworkPolicy" || spec.tier === "Admin" || spec.tier === "Baseline";
  return (
    kind === "BaselineAdminNetworkPolicy" ||
    (hasTier && Number.isInteger(priority) && priority >= 0 && priority <= 1000)
  );
}

function tierOf(policy: Spanning): "Admin" | "Baseline" {
  if (policy.kind === "BaselineAdminNetworkPolicy") return "Baseline";
  return policy.kind === "ClusterNetworkPolicy" && policy.spec.tier === "Baseline" ? "Baseline" : "Admin";
}

/** One that stands nowhere comes first. */
function priorityOf({ spec: { priority = 0 } }: Spanning): number {
  return Number.isInteger(priority) && priority >= 0 && priority <= 1000 ? priority : 0;
}

/** The lower priority first, then the older, then by name. */
function byPrecedence(a: Spanning, b: Spanning): number {
  const rank = (policy: Spanning) => (policy.kind === "BaselineAdminNetworkPolicy" ? 1 : 0);
  const age = ({ metadata }: Spanning) => Date.parse(metadata.creationTimestamp ?? "1970-01-01T00:00:00Z");
  return rank(a) - rank(b) || priorityOf(a) - priorityOf(b) || age(a) - age(b) || (idOf(a) < idOf(b) ? -1 : 1);
}

function adminDecider(world: World, policy: Spanning): Decider {
  const isMisnamed = policy.kind === "BaselineAdminNetworkPolicy" && policy.metadata.name !== "default";
  const selects = isMisnamed ? undefined : subjectTest(world, policy.spec.subject);
  const rules = adminRules(world, policy);
  return {
    id: idOf(policy),
    selects: selects ?? (() => false),
    isolates: [],
    // Whose place is not known lets nothing through that others may forbid.
    rules: isPlaced(policy)
      ? rules
      : rules.flatMap((rule) => (rule.action === "allow" ? [] : [{ ...rule, action: "deny" }])),
  };
}

/** Ingress always, and egress if there are rules for it, unless the policy says which; a word that is none of both is both. */
function directionsOf(policyTypes: readonly string[], hasEgress: boolean): readonly Direction[] {
  if (policyTypes.length === 0) return hasEgress ? ["ingress", "egress"] : ["ingress"];
  const isReadable = policyTypes.every((type) => type === "Ingress" || type === "Egress");
  return (["ingress", "egress"] as const).filter(
    (direction) => !isReadable || policyTypes.includes(direction === "ingress" ? "Ingress" : "Egress"),
  );
}

function networkPolicyDecider(world: World, policy: NetworkPolicy): Decider {
  const { namespace } = policy.metadata;
  const { podSelector, policyTypes = [], egress = [] } = policy.spec;
  const selects = readSelector(podSelector);
  if (selects === undefined) {
    // Whom it is about can't be told, so it is about all in the namespace, and lets nothing through.
    return {
      id: `${idOf(policy)} (unreadable podSelector)`,
      ...{ selects: (pod) => pod.metadata.namespace === namespace, isolates: ["ingress", "egress"], rules: [] },
    };
  }
  const isolates = directionsOf(policyTypes, egress.length > 0);
  return {
    id: idOf(policy),
    selects: (pod) => pod.metadata.namespace === namespace && selects(pod.metadata.labels ?? {}),
    isolates,
    rules: networkPolicyRules(world, policy).filter(({ direction }) => isolates.includes(direction)),
  };
}

export function createEvaluator(world: World): Evaluator {
  const spanning = world.policies.filter((policy) => policy.kind !== "NetworkPolicy");
  const tier = (name: "Admin" | "Baseline") =>
    spanning
      .filter((policy) => tierOf(policy) === name)
      .sort(byPrecedence)
      .map((policy) => adminDecider(world, policy));
  const admin = tier("Admin");
  const baseline = tier("Baseline");
  const networkPolicies = world.policies
    .filter((policy) => policy.kind === "NetworkPolicy")
    .map((policy) => networkPolicyDecider(world, policy));

  /** The first rule of a tier that matches. */
  function decideTier(deciders: readonly Decider[], direction: Direction, pod: Pod, packet: Packet) {
    for (const { id, selects, rules } of deciders) {
      if (!selects(pod)) continue;
      const rule = rules.find((one) => one.direction === direction && one.matches(packet));
      if (rule !== undefined) return { action: rule.action, text: `${id} ${direction}[${rule.index}] ${rule.action}` };
    }
    return undefined;
  }

  function judgeDirection(direction: Direction, pod: Pod, packet: Packet): Verdict {
    const first = decideTier(admin, direction, pod, packet);
    if (first?.action === "allow") return allow(first.text);
    if (first?.action === "deny") return deny(first.text);
    const passed = first === undefined ? "" : `${first.text}, then `;
    const isolating = networkPolicies.filter(({ isolates, selects }) => isolates.includes(direction) && selects(pod));
    if (isolating.length > 0) {
      for (const { id, rules } of isolating) {
        const rule = rules.find((one) => one.direction === direction && one.matches(packet));
        if (rule !== undefined) return allow(`${passed}${id} ${direction}[${rule.index}] allow`);
      }
      return deny(`${passed}isolated for ${direction} by ${isolating.map(({ id }) => id).join(", ")}`);
    }
    const last = decideTier(baseline, direction, pod, packet);
    if (last?.action === "deny") return deny(`${passed}${last.text}`);
    if (last !== undefined) return allow(`${passed}${last.text}`);
    return allow(`${passed}nothing is against it for ${direction}`);
  }

  function judge(packet: Packet): Verdict {
    const { source, destination } = packet;
    if (source.pod !== undefined && source.pod === destination.pod) return allow("a pod reaches itself");
    if (source.node !== undefined && source.node.metadata.name === destination.pod?.spec.nodeName)
      return allow("a node reaches its own pods");
    const verdicts = [
      ...(source.pod === undefined ? [] : [judgeDirection("egress", source.pod, packet)]),
      ...(destination.pod === undefined ? [] : [judgeDirection("ingress", destination.pod, packet)]),
    ];
    return {
      allowed: verdicts.every(({ allowed }) => allowed),
      reasons: verdicts.flatMap(({ reasons }) => reasons),
    };
  }

  function targetsOf({ to, family, protocol, port }: Question): readonly { party: Party; port: number | undefined }[] {
    const [, key] = /^service:(.*)$/.exec(to) ?? [];
    if (key !== undefined) {
      const service = world.services.find((one) => keyOf(one) === key);
      return service === undefined || port === undefined ? [] : backendsOf(world, service, port, protocol, family);
    }
    const isName = to.startsWith("node:") || to.includes("/");
    const party = isName ? partyOf(world, to, family) : partyAt(world, to);
    return party === undefined ? [] : [{ party, port }];
  }

  return {
    judge,
    answer(question) {
      const { from, family, protocol } = question;
      const isName = from.startsWith("node:") || from.includes("/");
      const source = isName ? sourceParty(world, from, family) : partyAt(world, from);
      if (source === undefined) return [];
      return targetsOf(question).map(({ party, port }) => {
        const packet: Packet = { source, destination: party, protocol, port };
        return { ...judge(packet), packet };
      });
    },
  };
}
