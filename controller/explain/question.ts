import { isIP } from "node:net";
import type { PolicyModel } from "../graph/policy-model.ts";
import { type Cidr, contains } from "../ipam/address.ts";
import type { ServicePort, ServiceRecord } from "../state/service.ts";
import type { NamedEnd, WhyPath } from "./answer.ts";
import { endOf } from "./decision-answer.ts";
import { ExplainError } from "./explain-error.ts";
import type { Party } from "./party.ts";
import { createParties } from "./resolve-party.ts";
import type { PacketProtocol } from "./rule-match.ts";
import { serviceAddresses, servicePorts, serviceTarget } from "./service-target.ts";

/** One question: may FROM send to TO? */
export interface WhyQuery {
  /** `namespace/pod`, `node:NAME` or an address; of a pod in a tenant also `ADDRESS@TENANT`. */
  readonly from: string;
  /** Also `service:namespace/name[:port]` or a domain name. */
  readonly to: string;
  /** Number of the destination's port; for a service its own port, or that port's name. All when absent. */
  readonly port?: string | undefined;
  /** All when absent; tcp when a port is given. */
  readonly protocol?: PacketProtocol | undefined;
}

/** What a packet may be sent to, with what is fixed by the question. */
export interface Target {
  readonly to: Party;
  readonly protocols: readonly PacketProtocol[];
  readonly port: number | undefined;
  readonly service: WhyPath["service"];
}

/** No namespace's name has a dot: what has one before the slash is a network. */
const podKey = /^[^/:.]+\/[^/:]+$/;

/** No domain's last label is a number: what ends so is an address that was mistyped. */
const domainName = /^([a-zA-Z0-9-]+\.)+(?!\d+\.?$)[a-zA-Z0-9-]+\.?$/;

const allProtocols = ["tcp", "udp", "sctp", "icmp"] as const satisfies readonly PacketProtocol[];

/** A port's number. @throws ExplainError BAD_QUERY */
function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65_535) return port;
  throw new ExplainError(
    "BAD_QUERY",
    `${JSON.stringify(text)} is no port: give a number from 1 to 65535 (names are for the ports of Services)`,
  );
}

/** An address, and in whose network. */
function addressIn(text: string): readonly [address: string, tenant: string | undefined] | undefined {
  const [address = "", tenant, ...rest] = text.split("@");
  return isIP(address) === 0 || tenant === "" || rest.length > 0 ? undefined : [address, tenant];
}

/** In whose network the sender is; a node and those outside are in nobody's. */
function tenantOf([sender]: readonly Party[]): string | undefined {
  return sender?.kind === "pod" ? sender.tenant : undefined;
}

/** Finds out what a question is about. */
export interface Questions {
  /** Who sends, in each of its families. @throws ExplainError BAD_QUERY, NOT_FOUND, NO_ADDRESS */
  sources(text: string): readonly Party[];
  /** The senders with the addresses by which they turn to the receiver: own ones to where it is met at its own. */
  asSeenBy(to: Party, from: readonly Party[]): readonly Party[];
  /**
   * Where it goes.
   * @param notes takes what else is to be known
   * @throws ExplainError BAD_QUERY, NOT_FOUND, NO_ADDRESS
   */
  targets(
    query: WhyQuery,
    from: readonly Party[],
    notes: Set<string>,
  ): { readonly end: NamedEnd; readonly targets: readonly Target[] };
}

/** @param serviceNetworks what is for an address of these that no Service has is dropped */
export function createQuestions(model: PolicyModel, serviceNetworks: readonly Cidr[]): Questions {
  const parties = createParties(model);
  let services: Map<string, ServiceRecord> | undefined;

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
    const [address, tenant] = addressIn(text) ?? [];
    if (address !== undefined) return [parties.at(address, tenant)];
    if (podKey.test(text)) return podOrItsNode(text, "nodeSending");
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
    return plainTargets(
      addresses.map((address) => parties.at(address)),
      query,
    );
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
    const [address, tenant] = addressIn(text) ?? [];
    if (address !== undefined) {
      const party = parties.at(address, tenant ?? tenantOf(from));
      const service = serviceAt(party.address);
      if (service === undefined) {
        const network = serviceNetworks.find((cidr) => contains(cidr, party.parsed));
        if (network === undefined) return { end: endOf(party), targets: plainTargets([party], query) };
        throw new ExplainError(
          "NOT_FOUND",
          `No Service has the address ${party.address}, which is of the services' network ${network.text}: what is sent to it is dropped`,
        );
      }
      notes.add(`${party.address} is an address of Service ${service.key}`);
      const found = serviceTargets(service, [party.address], port, protocol, from, notes);
      return { end: { kind: "service", name: service.key }, targets: found };
    }
    if (podKey.test(text)) {
      return { end: { kind: "pod", name: text }, targets: plainTargets(podOrItsNode(text, "nodeReceiving"), query) };
    }
    if (domainName.test(text)) {
      const name = text.toLowerCase().replace(/\.$/, "");
      return { end: { kind: "domain", name }, targets: domainTargets(name, query) };
    }
    throw new ExplainError(
      "BAD_QUERY",
      `${JSON.stringify(text)} is no receiver: say namespace/pod, node:NAME, service:namespace/name[:port], an address or a domain name`,
    );
  }

  /** Whether a pod turns to another's own address by its own: within their Subnet, and everywhere where nothing is translated. */
  function turnsBy(from: string, to: string): boolean {
    const egress = model.tenancy.egressOf(from);
    return egress?.mode === "Routed" || egress?.subnet === model.tenancy.egressOf(to)?.subnet;
  }

  function asSeenBy(to: Party, from: readonly Party[]): readonly Party[] {
    if (to.kind !== "pod" || !to.isOwn) return from;
    return from.map((party) => {
      if (party.kind !== "pod" || party.isOwn || !turnsBy(party.key, to.key)) return party;
      return parties.podInTenant(party.key).find(({ family }) => family === party.family) ?? party;
    });
  }

  return { sources, asSeenBy, targets };
}
