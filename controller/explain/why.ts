import { isIP } from "node:net";
import type { PolicyModel } from "../graph/policy-model.ts";
import type { Labels } from "../state/labels.ts";
import type { Direction, PolicyRecord } from "../state/policy.ts";
import type { ServicePort, ServiceRecord } from "../state/service.ts";
import { advise } from "./advice.ts";
import type { NamedEnd, PolicyReference, RuleReference, WhyAnswer, WhyDecision, WhyEnd, WhyPath } from "./answer.ts";
import { type DecidingRule, type Decision, decide, exemptionOf } from "./decision.ts";
import { ExplainError } from "./explain-error.ts";
import { type FlowPorts, microflowOf } from "./microflow.ts";
import type { Party } from "./party.ts";
import { createPolicyIndex, type PolicyStack } from "./policy-index.ts";
import { type PortSegment, segmentsFrom, segmentText } from "./port-segments.ts";
import { createParties } from "./resolve-party.ts";
import { type PacketProtocol, portRange } from "./rule-match.ts";
import { serviceAddresses, servicePorts, serviceTarget } from "./service-target.ts";

/** One question: may FROM send to TO? */
export interface WhyQuery {
  /** `namespace/pod`, `node:NAME` or an address. */
  readonly from: string;
  /** Also `service:namespace/name[:port]` or a domain name. */
  readonly to: string;
  /** Number of the destination's port; for a service its own port, or that port's name. All when absent. */
  readonly port?: string | undefined;
  /** All when absent; tcp when a port is given. */
  readonly protocol?: PacketProtocol | undefined;
}

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

/** What a packet may be sent to, with what is fixed by the question. */
interface Target {
  readonly to: Party;
  readonly protocols: readonly PacketProtocol[];
  readonly port: number | undefined;
  readonly service: WhyPath["service"];
}

const allProtocols = ["tcp", "udp", "sctp", "icmp"] as const satisfies readonly PacketProtocol[];

/** A port's number. @throws ExplainError BAD_QUERY */
function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65_535) return port;
  throw new ExplainError("BAD_QUERY", `${JSON.stringify(text)} is no port: give a number from 1 to 65535`);
}

function endOf({ kind, key, address }: Party): WhyEnd {
  return { kind, name: key, address };
}

function policyReference({ kind, key, tier, priority }: PolicyRecord): PolicyReference {
  const hasPriority = kind === "AdminNetworkPolicy" || kind === "ClusterNetworkPolicy";
  return { kind, name: key, tier, ...(hasPriority ? { priority } : {}) };
}

function ruleReference({ policy, rule }: DecidingRule): RuleReference {
  return {
    policy: policyReference(policy),
    direction: rule.direction,
    rule: rule.index,
    ...(rule.name === undefined ? {} : { name: rule.name }),
    action: rule.action,
  };
}

function decisionAnswer(decision: Decision): WhyDecision {
  const { verdict, by, passes } = decision;
  return {
    verdict,
    by,
    ...(decision.by === "rule" ? { rules: decision.rules.map(ruleReference) } : {}),
    ...("isolatedBy" in decision && decision.isolatedBy.length > 0
      ? { isolatedBy: decision.isolatedBy.map(policyReference) }
      : {}),
    ...(decision.by === "exemption" ? { exemption: decision.exemption } : {}),
    ...(passes.length > 0 ? { passes: passes.map(ruleReference) } : {}),
  };
}

const noStack: PolicyStack = { admin: [], network: [], baseline: [] };

/** Answers from the model as it is now: ask all that belongs together before anything else can happen. */
export function createExplainer(model: PolicyModel): Explainer {
  const parties = createParties(model);
  const index = createPolicyIndex(model.policies.values());
  const stacks = new Map<string, PolicyStack>();
  const domainSets = new Map<string, readonly string[]>();
  let services: Map<string, ServiceRecord> | undefined;

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

  function serviceAt(address: string): ServiceRecord | undefined {
    if (services === undefined) {
      services = new Map();
      for (const service of model.services.values()) {
        for (const own of serviceAddresses(service)) services.set(own, service);
      }
    }
    return services.get(address);
  }

  function sources(text: string): readonly Party[] {
    const node = /^node:(.+)$/.exec(text)?.[1];
    if (node !== undefined) return parties.nodeSending(node);
    if (isIP(text) !== 0) return [parties.at(text)];
    if (/^[^/:]+\/[^/:]+$/.test(text)) return podOrItsNode(text, "nodeSending");
    throw new ExplainError(
      "BAD_QUERY",
      `${JSON.stringify(text)} is no sender: say namespace/pod, node:NAME or an address`,
    );
  }

  /** A pod in its node's network counts as the node. */
  function podOrItsNode(key: string, how: "nodeSending" | "nodeReceiving"): readonly Party[] {
    const pod = model.pods.get(key);
    return pod?.hostNetwork === true && pod.nodeName !== undefined ? parties[how](pod.nodeName) : parties.pod(key);
  }

  function plainTargets(to: readonly Party[], { port, protocol }: WhyQuery): readonly Target[] {
    if (protocol === "icmp" && port !== undefined) throw new ExplainError("BAD_QUERY", "ICMP has no ports");
    const number = port === undefined ? undefined : portNumber(port);
    const protocols = protocol !== undefined ? [protocol] : port === undefined ? allProtocols : (["tcp"] as const);
    return to.map((party) => ({ to: party, protocols, port: number, service: undefined }));
  }

  /** @param addresses those of the service that are asked for */
  function serviceTargets(
    service: ServiceRecord,
    addresses: readonly string[],
    portText: string | undefined,
    protocol: PacketProtocol | undefined,
    from: readonly Party[],
    notes: Set<string>,
  ): readonly Target[] {
    const [sender] = from;
    const node =
      sender === undefined || sender.kind === "address" ? undefined : sender.kind === "node" ? sender.key : sender.node;
    const families = new Set(from.map(({ family }) => family));
    const target = (address: string, port: ServicePort): readonly Target[] => {
      const { backends, family } = serviceTarget(model, service, port, address, node);
      if (!families.has(family)) return [];
      if (backends.length === 0) {
        const where = service.internalLocal ? " on the sender's node (internalTrafficPolicy Local)" : "";
        notes.add(`nobody serves ${port.protocol}/${port.port} of Service ${service.key} at ${address}${where}`);
      }
      return backends.map((backend) => ({
        to: parties.backendAt(backend.address),
        protocols: [port.protocol],
        port: backend.port,
        service: { name: service.key, address, port: port.port },
      }));
    };
    if (protocol === "icmp") throw new ExplainError("BAD_QUERY", "A Service has no ICMP: ask for one of its ports");
    return servicePorts(service, portText, protocol).flatMap((port) =>
      addresses.flatMap((address) => target(address, port)),
    );
  }

  function namedService(key: string): ServiceRecord {
    const service = model.services.get(key);
    if (service === undefined) throw new ExplainError("NOT_FOUND", `There is no Service ${key}`);
    if (!service.skipped) return service;
    throw new ExplainError("NO_ADDRESS", `Service ${key} is headless or without address: ask for a pod behind it`);
  }

  function domainTargets(name: string, query: WhyQuery): readonly Target[] {
    const addresses = model.domainAddresses([name]);
    if (addresses.length === 0) {
      throw new ExplainError(
        "NO_ADDRESS",
        `No address of ${name} is known: no policy names it, or no pod was answered yet; ask with one of its addresses`,
      );
    }
    return plainTargets(addresses.map(parties.at), query);
  }

  function targets(
    query: WhyQuery,
    from: readonly Party[],
    notes: Set<string>,
  ): { end: NamedEnd; targets: readonly Target[] } {
    const { to: text, port, protocol } = query;
    const [, serviceKey, servicePort] = /^service:([^/:]+\/[^/:]+)(?::([^:]+))?$/.exec(text) ?? [];
    if (serviceKey !== undefined) {
      if (servicePort !== undefined && port !== undefined && servicePort !== port) {
        throw new ExplainError("BAD_QUERY", `Two ports are asked for: ${servicePort} and ${port}`);
      }
      const service = namedService(serviceKey);
      const found = serviceTargets(service, service.clusterIps, servicePort ?? port, protocol, from, notes);
      return { end: { kind: "service", name: serviceKey }, targets: found };
    }
    const node = /^node:(.+)$/.exec(text)?.[1];
    if (node !== undefined) {
      return { end: { kind: "node", name: node }, targets: plainTargets(parties.nodeReceiving(node), query) };
    }
    if (isIP(text) !== 0) {
      const party = parties.at(text);
      const service = serviceAt(party.address);
      if (service === undefined) return { end: endOf(party), targets: plainTargets([party], query) };
      notes.add(`${party.address} is an address of Service ${service.key}`);
      const found = serviceTargets(service, [party.address], port, protocol, from, notes);
      return { end: { kind: "service", name: service.key }, targets: found };
    }
    if (/^[^/:]+\/[^/:]+$/.test(text)) {
      return { end: { kind: "pod", name: text }, targets: plainTargets(podOrItsNode(text, "nodeReceiving"), query) };
    }
    if (/^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+\.?$/.test(text)) {
      const name = text.toLowerCase().replace(/\.$/, "");
      return { end: { kind: "domain", name }, targets: domainTargets(name, query) };
    }
    throw new ExplainError(
      "BAD_QUERY",
      `${JSON.stringify(text)} is no receiver: say namespace/pod, node:NAME, service:namespace/name[:port], an address or a domain name`,
    );
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

  /** Runs of ports within which nothing changes between these two. */
  function segments(from: Party, to: Party, protocol: PacketProtocol): readonly PortSegment[] {
    if (protocol === "icmp") return [{ first: 0, last: 0 }];
    const starts = new Set([0]);
    for (const [which, subject] of [
      ["egress", from],
      ["ingress", to],
    ] as const) {
      const { admin, network, baseline } = stackOf(subject);
      for (const { rules } of [...admin, ...network, ...baseline]) {
        for (const rule of rules) {
          if (rule.direction !== which || rule.ports === "any") continue;
          for (const match of rule.ports) {
            const range = match.protocol === protocol ? portRange(match, labelsOf(to)) : undefined;
            if (range === undefined) continue;
            starts.add(range.first);
            if (range.last < 65_535) starts.add(range.last + 1);
          }
        }
      }
    }
    return segmentsFrom(starts);
  }

  function pathsBetween(from: Party, { to, protocols, port, service }: Target, options: WhyOptions): WhyPath[] {
    return protocols.flatMap((protocol) => {
      const paths: { path: WhyPath; key: string }[] = [];
      const runs = port === undefined ? segments(from, to, protocol) : [{ first: port, last: port }];
      for (const { first, last } of runs) {
        const egress = direction("egress", from, to, protocol, first);
        const ingress = direction("ingress", from, to, protocol, first);
        const answers = { egress: decisionAnswer(egress), ingress: decisionAnswer(ingress) };
        const key = JSON.stringify(answers);
        const before = paths.at(-1);
        if (before?.key === key && before.path.ports !== undefined) {
          before.path = { ...before.path, ports: { first: before.path.ports.first, last } };
          continue;
        }
        const verdict = egress.verdict === "allowed" && ingress.verdict === "allowed" ? "allowed" : "denied";
        const packet = { protocol, port: first, destination: labelsOf(to) };
        const say = (
          which: Direction,
          decision: Decision,
          subject: Party,
          peer: Party,
        ): { changes?: readonly string[] } =>
          options.changes !== true || subject.kind !== "pod" || decision.verdict !== verdict
            ? {}
            : { changes: advise(decision, which, subject, peer, packet, whatText(protocol, { first, last }), domains) };
        const flow =
          options.flows &&
          microflowOf(options.flows, { from, to, protocol, port: first === 0 ? last : first, service });
        paths.push({
          key,
          path: {
            family: from.family,
            protocol,
            ...(protocol === "icmp" ? {} : { ports: { first, last } }),
            from: endOf(from),
            to: endOf(to),
            ...(service === undefined ? {} : { service }),
            verdict,
            egress: { ...answers.egress, ...say("egress", egress, from, to) },
            ingress: { ...answers.ingress, ...say("ingress", ingress, to, from) },
            ...(flow === undefined ? {} : { flow }),
          },
        });
      }
      return paths.map(({ path }) => path);
    });
  }

  return {
    why(query, options = {}) {
      const notes = new Set<string>();
      const from = sources(query.from);
      const pod = model.pods.get(query.from);
      if (pod?.hostNetwork === true)
        notes.add(`pod ${pod.key} is in its node's network and counts as node ${pod.nodeName}`);
      const { end, targets: found } = targets(query, from, notes);
      const paths = found.flatMap((target) =>
        from
          .filter(({ family }) => family === target.to.family)
          .flatMap((party) => pathsBetween(party, target, options)),
      );
      if (paths.length === 0 && end.kind !== "service") {
        throw new ExplainError("NO_ADDRESS", `${query.from} and ${query.to} have no addresses of the same family`);
      }
      if (end.kind === "service" && from[0]?.kind === "address") {
        notes.add("what comes from outside may come from a gateway's address once it is load balanced");
      }
      return { from: senderEnd(query.from, from), to: end, verdict: verdictOf(paths), paths, notes: [...notes] };
    },
  };
}

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
