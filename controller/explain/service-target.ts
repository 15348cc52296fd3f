import type { PolicyModel } from "../graph/policy-model.ts";
import type { Family } from "../ipam/address.ts";
import type { Endpoint } from "../state/endpoint-slice.ts";
import type { Protocol, ServicePort, ServiceRecord } from "../state/service.ts";
import { ExplainError } from "./explain-error.ts";

/** Where a packet to a service's address may go. */
export interface ServiceTarget {
  readonly service: string;
  readonly family: Family;
  /** The service's address, and the port asked for. */
  readonly address: string;
  readonly port: ServicePort;
  /** Who may get it; empty when nobody serves the port. */
  readonly backends: readonly { readonly address: string; readonly port: number }[];
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);

/** All addresses at which pods reach a service. */
export function serviceAddresses(service: ServiceRecord): readonly string[] {
  return service.skipped ? [] : [...service.clusterIps, ...service.externalIps, ...service.ingressIps];
}

/**
 * The ports asked for by name or number; all when nothing is said.
 * @throws ExplainError NOT_FOUND
 */
export function servicePorts(
  service: ServiceRecord,
  port: string | undefined,
  protocol: string | undefined,
): readonly ServicePort[] {
  const ports = service.ports.filter(
    (candidate) =>
      (port === undefined || candidate.name === port || `${candidate.port}` === port) &&
      (protocol === undefined || candidate.protocol === protocol),
  );
  if (ports.length > 0) return ports;
  const known = service.ports.map(({ name, protocol, port }) => `${name === "" ? "" : `${name} `}${protocol}/${port}`);
  throw new ExplainError(
    "NOT_FOUND",
    `Service ${service.key} has no port ${[protocol, port].filter((part) => part !== undefined).join("/")}: it has ${known.join(", ") || "none"}`,
  );
}

/** Those that are used: the ready ones, else those that still serve while they end (KEP-1672). */
function usable(endpoints: readonly Placed[], all: boolean): readonly Placed[] {
  if (all) return endpoints;
  const ready = endpoints.filter(({ endpoint }) => endpoint.ready);
  return ready.length > 0 ? ready : endpoints.filter(({ endpoint }) => endpoint.servesWhileEnding);
}

interface Placed {
  readonly endpoint: Endpoint;
  readonly port: number;
}

/**
 * @param address one of the service's, which tells the family
 * @param node where the sender is, for services that are served on the sender's node alone
 */
export function serviceTarget(
  model: PolicyModel,
  service: ServiceRecord,
  port: ServicePort,
  address: string,
  node: string | undefined,
): ServiceTarget {
  const family = familyOf(address);
  const placed: Placed[] = [];
  for (const slice of model.endpointsOf(service.key)) {
    const number = portIn(slice.ports, port.name, port.protocol);
    if (slice.family !== family || number === undefined) continue;
    for (const endpoint of slice.endpoints) placed.push({ endpoint, port: number });
  }
  const isLocal = service.internalLocal && service.clusterIps.includes(address);
  const here = isLocal ? placed.filter(({ endpoint }) => endpoint.node === node) : placed;
  const seen = new Set<string>();
  const backends = usable(here, service.publishNotReady).flatMap(({ endpoint, port: number }) => {
    const text = `${endpoint.address} ${number}`;
    if (seen.has(text)) return [];
    seen.add(text);
    return [{ address: endpoint.address, port: number }];
  });
  return { service: service.key, family, address, port, backends };
}

function portIn(
  ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: number }[],
  name: string,
  protocol: Protocol,
): number | undefined {
  return ports.find((candidate) => candidate.name === name && candidate.protocol === protocol)?.port;
}
