import { isIP } from "node:net";
import type { Family } from "../ipam/address.ts";
import { locate } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Protocol } from "../state/service.ts";
import type { DesiredRow, Membership, Owner } from "./desired.ts";
import { oneOf } from "./match.ts";
import { defaultTenant, managementPort, tenantToSwitch } from "./names.ts";
import { nodeAddressSet } from "./node-addresses.ts";
import { nodeFamilies } from "./node-topology.ts";
import { desiredRow } from "./owner.ts";
import { tenantRouterPolicy } from "./router-policies.ts";
import type { ServiceNode } from "./service-nodes.ts";

/** Behind the ways to NodePorts of other nodes, which pods' connections go; before everything that routes. */
const priority = 1450;

/** Where endpoints of a Service whose external traffic policy is Local answer. */
export interface LocalEndpoints {
  readonly node: string;
  readonly family: Family;
  readonly protocol: Protocol;
  /** `address:port` or `[address]:port`, all on that node. */
  readonly backends: readonly string[];
}

/** `{ 8080 → 10.244.0.5, 10.244.0.6 }` */
function addressesByPort(backends: readonly string[]): Map<string, string[]> {
  const byPort = new Map<string, string[]>();
  for (const text of new Set(backends)) {
    const colon = text.lastIndexOf(":");
    const address = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    const port = text.slice(colon + 1);
    byPort.set(port, [...(byPort.get(port) ?? []), address]);
  }
  return byPort;
}

/**
 * The way back to a node that asked for a NodePort whose external traffic policy is Local, for itself or for one of its
 * pods: its address stays as it is, and the router would send the answer to that node over the management port, past
 * the gateway that has to put the NodePort's address back. A node that reaches a pod without a NodePort asks from its
 * management address, so nothing else answers to a node's address from an endpoint's port.
 */
export function localAnswers(
  network: NetworkConfig,
  owner: Owner,
  { node: name, family, protocol, backends }: LocalEndpoints,
  { management }: ServiceNode,
): { readonly row: DesiredRow; readonly membership: Membership } | undefined {
  const address = management.find((candidate) => isIP(candidate) === family);
  const block = address === undefined ? undefined : locate(network, address)?.block;
  if (block === undefined) return undefined;
  const gateway = nodeFamilies(network, block).find((candidate) => candidate.family === family)?.gatewayOnJoin;
  if (gateway === undefined) return undefined;
  const ip = `ip${family}`;
  const sources = [...addressesByPort(backends)].map(
    ([port, addresses]) => `${ip}.src == ${oneOf(addresses)} && ${protocol}.src == ${port}`,
  );
  const row = desiredRow("Logical_Router_Policy", owner, `answer.${name}.${protocol}.ipv${family}`, {
    priority,
    match: [
      `is_chassis_resident("${managementPort(name)}") && inport == "${tenantToSwitch(defaultTenant, name)}"`,
      `${ip}.dst == $${nodeAddressSet(family)}`,
      sources.length === 1 ? sources[0] : `(${sources.map((source) => `(${source})`).join(" || ")})`,
    ].join(" && "),
    action: "reroute",
    nexthops: [gateway],
  });
  return { row, membership: tenantRouterPolicy(row) };
}
