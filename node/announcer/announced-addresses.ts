import { type NodeService, type PeerNode, poolOf, type ServiceView } from "../services/index.ts";
import { candidatesOf } from "./election.ts";

/** By this label a node is taken out of the traffic from outside (KEP-1143). */
const excludedLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

/** An address that one node is to answer for. */
export interface AnnouncedAddress {
  readonly address: string;
  /** The nodes that stand for it, in no order that means anything. */
  readonly candidates: readonly string[];
}

/**
 * The addresses of Services that nodes announce: those in the status of a Service of type LoadBalancer that belong to a
 * pool which is to be announced. For a Service with `externalTrafficPolicy: Local` only nodes with endpoints stand.
 */
export function announcedAddresses(
  view: Pick<ServiceView, "services" | "nodes" | "pools">,
): readonly AnnouncedAddress[] {
  const eligibleOf = new Map<string, readonly string[]>();
  const eligible = (pool: string, selector: Readonly<Record<string, string>>): readonly string[] => {
    const known = eligibleOf.get(pool);
    if (known !== undefined) return known;
    const found = [...view.nodes.values()].filter((node) => isEligible(node, selector)).map(({ name }) => name);
    eligibleOf.set(pool, found);
    return found;
  };
  const wanted = new Map<string, NodeService[]>();
  for (const service of view.services.values()) {
    for (const address of service.ingressIps) {
      const sharing = wanted.get(address);
      if (sharing === undefined) wanted.set(address, [service]);
      else sharing.push(service);
    }
  }
  const addresses: AnnouncedAddress[] = [];
  const everybody = new Map<string, readonly string[]>();
  for (const [address, services] of wanted) {
    const pool = poolOf(view.pools, address);
    if (pool === undefined || !pool.announce) continue;
    const nodes = eligible(pool.name, pool.nodeSelector);
    const local = services.filter(({ externalLocal }) => externalLocal);
    if (local.length === 0) {
      const candidates = everybody.get(pool.name) ?? candidatesOf(pool.name, nodes);
      everybody.set(pool.name, candidates);
      addresses.push({ address, candidates });
    } else {
      const bearing = nodes.filter((node) => local.every(({ endpointNodes }) => endpointNodes.has(node)));
      addresses.push({ address, candidates: candidatesOf(pool.name, bearing) });
    }
  }
  return addresses;
}

function isEligible(node: PeerNode, selector: Readonly<Record<string, string>>): boolean {
  return (
    node.hasGateway &&
    !(excludedLabel in node.labels) &&
    Object.entries(selector).every(([key, value]) => node.labels[key] === value)
  );
}
