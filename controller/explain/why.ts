import type { PolicyModel } from "../graph/policy-model.ts";
import type { Cidr } from "../ipam/address.ts";
import type { Labels } from "../state/labels.ts";
import type { Direction } from "../state/policy.ts";
import { policyId } from "../state/policy.ts";
import { advise } from "./advice.ts";
import type { NamedEnd, WhyAnswer, WhyDecision, WhyNetwork, WhyPath } from "./answer.ts";
import { type Decision, decide, exemptionOf } from "./decision.ts";
import { decisionAnswer, endOf } from "./decision-answer.ts";
import { ExplainError } from "./explain-error.ts";
import { type FlowPorts, microflowOf } from "./microflow.ts";
import type { Party } from "./party.ts";
import { createPolicyIndex, type PolicyStack, policiesOf } from "./policy-index.ts";
import { type PortSegment, segmentStarts, segmentsFrom, segmentText } from "./port-segments.ts";
import { createQuestions, type Target, type WhyQuery } from "./question.ts";
import type { PacketProtocol } from "./rule-match.ts";
import { reachOf, sharedPorts } from "./tenant-reach.ts";

export type { WhyQuery } from "./question.ts";

export interface WhyOptions {
  /** Whether to say what would change the verdict. */
  readonly changes?: boolean;
  /** How to name the packets to `ovn-trace`, when that is wanted. */
  readonly flows?: FlowPorts;
}

export interface Explainer {
  /** @throws ExplainError BAD_QUERY, NOT_FOUND, NO_ADDRESS */
  why(query: WhyQuery, options?: WhyOptions): WhyAnswer;
}

/** A run of ports with one decision in each direction. */
interface Run extends PortSegment {
  readonly egress: Decision;
  readonly ingress: Decision;
  readonly answers: { readonly egress: WhyDecision; readonly ingress: WhyDecision };
  readonly network: WhyNetwork | undefined;
  /** The answers as text. */
  readonly key: string;
}

const noStack: PolicyStack = { admin: [], network: [], baseline: [] };

/**
 * Answers from the model as it is now: ask all that belongs together before anything else can happen.
 * @param serviceNetworks the networks of the Services' cluster addresses
 */
export function createExplainer(model: PolicyModel, serviceNetworks: readonly Cidr[] = []): Explainer {
  const questions = createQuestions(model, serviceNetworks);
  const index = createPolicyIndex(model.policies.values());
  const stacks = new Map<string, PolicyStack>();
  const domainSets = new Map<string, readonly string[]>();

  function domains(names: readonly string[]): readonly string[] {
    const key = names.join(" ");
    let addresses = domainSets.get(key);
    if (addresses === undefined) {
      addresses = model.domainAddresses(names);
      domainSets.set(key, addresses);
    }
    return addresses;
  }

  function stackOf(party: Party): PolicyStack {
    if (party.kind !== "pod") return noStack;
    let stack = stacks.get(party.key);
    if (stack === undefined) {
      stack = index.stackOf(party);
      stacks.set(party.key, stack);
    }
    return stack;
  }

  function direction(which: Direction, from: Party, to: Party, protocol: PacketProtocol, port: number): Decision {
    const exemption = exemptionOf(which, from, to, model.managementAddresses);
    if (exemption !== undefined) return { verdict: "allowed", by: "exemption", exemption, passes: [] };
    const [subject, peer] = which === "egress" ? [from, to] : [to, from];
    return decide(stackOf(subject), which, peer, { protocol, port, destination: labelsOf(to) }, domains);
  }

  function labelsOf(party: Party): Labels | undefined {
    return party.kind === "pod" ? party.labels : undefined;
  }

  /** Runs of ports for which both directions say the same for the same reasons. */
  function runsBetween(from: Party, to: Party, protocol: PacketProtocol, port: number | undefined): readonly Run[] {
    const runs: Run[] = [];
    for (const { first, last } of segmentsBetween(from, to, protocol, port)) {
      const egress = direction("egress", from, to, protocol, first);
      const ingress = direction("ingress", from, to, protocol, first);
      const answers = { egress: decisionAnswer(egress), ingress: decisionAnswer(ingress) };
      const network = reachOf(model.tenancy, from, to, { protocol, port: first });
      const key = JSON.stringify([answers, network]);
      const before = runs.at(-1);
      if (before?.key === key) runs.splice(-1, 1, { ...before, last });
      else runs.push({ first, last, egress, ingress, answers, network, key });
    }
    return runs;
  }

  function segmentsBetween(
    from: Party,
    to: Party,
    protocol: PacketProtocol,
    port: number | undefined,
  ): readonly PortSegment[] {
    if (port !== undefined || protocol === "icmp") return [{ first: port ?? 0, last: port ?? 0 }];
    const destination = labelsOf(to);
    return segmentsFrom([
      ...segmentStarts(policiesOf(stackOf(from)), "egress", protocol, destination),
      ...segmentStarts(policiesOf(stackOf(to)), "ingress", protocol, destination),
      ...sharedPorts(model.tenancy, from, to, protocol).flatMap((shared) => [shared, shared + 1]),
    ]);
  }

  function pathsBetween(from: Party, { to, protocols, port, service }: Target, options: WhyOptions): WhyPath[] {
    return protocols.flatMap((protocol) =>
      runsBetween(from, to, protocol, port).map(({ first, last, egress, ingress, answers, network }): WhyPath => {
        const verdict = network?.verdict !== "denied" && passes(egress) && passes(ingress) ? "allowed" : "denied";
        const packet = { protocol, port: first, destination: labelsOf(to) };
        const what = whatText(protocol, { first, last });
        const advice = (which: Direction, decision: Decision, subject: Party, peer: Party) =>
          options.changes === true &&
          subject.kind === "pod" &&
          decision.verdict === verdict &&
          network?.verdict !== "denied"
            ? { changes: advise(decision, which, subject, peer, packet, what, domains) }
            : {};
        const traced = { from, to, protocol, port: first === 0 ? last : first, service };
        const flow = options.flows && microflowOf(options.flows, traced);
        return {
          family: from.family,
          protocol,
          ...(protocol === "icmp" ? {} : { ports: { first, last } }),
          from: endOf(from),
          to: endOf(to),
          ...(service === undefined ? {} : { service }),
          verdict,
          ...(network === undefined ? {} : { network }),
          egress: { ...answers.egress, ...advice("egress", egress, from, to) },
          ingress: { ...answers.ingress, ...advice("ingress", ingress, to, from) },
          ...(flow === undefined ? {} : { flow }),
        };
      }),
    );
  }

  /** Says of the policies that decide what is wrong with them: they may deny for that alone. */
  function noteProblems({ egress, ingress }: WhyPath, notes: Set<string>): void {
    for (const { rules = [], isolatedBy = [], passes = [] } of [egress, ingress]) {
      for (const { kind, name } of [...isolatedBy, ...[...rules, ...passes].map(({ policy }) => policy)]) {
        const problems = model.policies.get(policyId({ kind, key: name }))?.problems ?? [];
        const [problem] = problems;
        if (problem === undefined) continue;
        const rest = problems.length > 1 ? ` (and ${problems.length - 1} more, see its Events)` : "";
        notes.add(`${kind} ${name} has a problem: ${problem.message}${rest}`);
      }
    }
  }

  /** Says which policies about an end are not carried out to the letter: the verdict is by what they say. */
  function noteShortcomings(end: Party, notes: Set<string>): void {
    for (const policy of policiesOf(stackOf(end))) {
      for (const { code, message } of model.shortcomingsOf(policyId(policy))) {
        notes.add(`${policy.kind} ${policy.key} is not carried out as it says (${code}): ${message}`);
      }
    }
  }

  return {
    why(query, options = {}) {
      const notes = new Set<string>();
      const from = questions.sources(query.from);
      const pod = model.pods.get(query.from);
      if (pod?.hostNetwork === true)
        notes.add(`pod ${pod.key} is in its node's network and counts as node ${pod.nodeName}`);
      const { end, targets: found } = questions.targets(query, from, notes);
      const paths = found.flatMap((target) =>
        questions
          .asSeenBy(target.to, from)
          .filter(({ family }) => family === target.to.family)
          .flatMap((party) => pathsBetween(party, target, options)),
      );
      if (paths.length === 0 && end.kind !== "service") {
        throw new ExplainError("NO_ADDRESS", `${query.from} and ${query.to} have no addresses of the same family`);
      }
      if (end.kind === "service" && from[0]?.kind === "address") {
        notes.add("what comes from outside may come from a gateway's address once it is load balanced");
      }
      for (const path of paths) noteProblems(path, notes);
      for (const end of [...from, ...found.map(({ to }) => to)]) noteShortcomings(end, notes);
      return { from: senderEnd(query.from, from), to: end, verdict: verdictOf(paths), paths, notes: [...notes] };
    },
  };
}

const passes = ({ verdict }: Decision): boolean => verdict === "allowed";

/** `tcp/80`, `tcp` for all its ports. */
function whatText(protocol: PacketProtocol, ports: PortSegment): string {
  const numbers = segmentText(ports);
  return protocol === "icmp"
    ? "all protocols (ICMP has no ports)"
    : numbers === ""
      ? protocol
      : `${protocol}/${numbers}`;
}

function senderEnd(text: string, from: readonly Party[]): NamedEnd {
  const [first] = from;
  return first === undefined || text.includes("/")
    ? { kind: "pod", name: text }
    : { kind: first.kind, name: first.key };
}

function verdictOf(paths: readonly WhyPath[]): WhyAnswer["verdict"] {
  const verdicts = new Set(paths.map(({ verdict }) => verdict));
  const [only] = verdicts;
  return only === undefined ? "unserved" : verdicts.size > 1 ? "partly" : only;
}
