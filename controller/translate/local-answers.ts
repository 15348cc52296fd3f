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
import { outletPriorities } from "./outlet.ts";
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

interface Endpoint {
  readonly address: string;
  readonly port: string;
}

function endpointOf(text: string): Endpoint {
  const colon = text.lastIndexOf(":");
  return { address: text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port: text.slice(colon + 1) };
}

/** What comes from these: `ip4.src == 10.244.0.5 && tcp.src == 8080`. */
function sourcesText(endpoints: readonly Endpoint[], family: Family, protocol: Protocol): string {
  const byPort = Map.groupBy(endpoints, ({ port }) => port);
  const sources = [...byPort].map(([port, ofPort]) => {
    const addresses = ofPort.map(({ address }) => address);
    return `ip${family}.src == ${oneOf(addresses)} && ${protocol}.src == ${port}`;
  });
  return sources.length === 1 ? (sources[0] ?? "") : `(${sources.map((source) => `(${source})`).join(" || ")})`;
}

/**
 * The way back to a node that asked for a NodePort whose external traffic policy is Local, for itself or for one of its
 * pods: its address stays as it is, and the router would send the answer to that node over the management port, past
 * the gateway that has to put the NodePort's address back. A node that reaches a pod without a NodePort asks from its
 * management address, so nothing else answers to a node's address from an endpoint's port. Pods of subnets come to the router
 * by other ports than the node's switch, whichever they are.
 * @param outlets whether pods may leave by addresses of their own: then clients in the world are to be answered by the gateway too
 */
export function localAnswers(
  network: NetworkConfig,
  owner: Owner,
  { node: name, family, protocol, backends }: LocalEndpoints,
  { management }: ServiceNode,
  outlets = false,
): readonly { readonly row: DesiredRow; readonly membership: Membership }[] {
  const address = management.find((candidate) => isIP(candidate) === family);
  const block = address === undefined ? undefined : locate(network, address)?.block;
  if (block === undefined) return [];
  const gateway = nodeFamilies(network, block).find((candidate) => candidate.family === family)?.gatewayOnJoin;
  if (gateway === undefined) return [];
  const endpoints = [...new Set(backends)].map(endpointOf);
  const isOnNode = ({ address: own }: Endpoint): boolean => locate(network, own) !== undefined;
  const answers = (part: string, resident: string, own: readonly Endpoint[]) => {
    if (own.length === 0) return [];
    const row = desiredRow("Logical_Router_Policy", owner, `${part}.${name}.${protocol}.ipv${family}`, {
      priority,
      match: [resident, `ip${family}.dst == $${nodeAddressSet(family)}`, sourcesText(own, family, protocol)].join(
        " && ",
      ),
      action: "reroute",
      nexthops: [gateway],
    });
    return [{ row, membership: tenantRouterPolicy(row) }];
  };
  const toWorld = (resident: string) => {
    if (!outlets || endpoints.length === 0) return [];
    const row = desiredRow("Logical_Router_Policy", owner, `answer.world.${name}.${protocol}.ipv${family}`, {
      priority: outletPriorities.answers,
      match: `${resident} && ${sourcesText(endpoints, family, protocol)}`,
      action: "reroute",
      nexthops: [gateway],
    });
    return [{ row, membership: tenantRouterPolicy(row) }];
  };
  const resident = `is_chassis_resident("${managementPort(name)}")`;
  const ofSubnets = endpoints.filter((endpoint) => !isOnNode(endpoint));
  return [
    ...answers(
      "answer",
      `${resident} && inport == "${tenantToSwitch(defaultTenant, name)}"`,
      endpoints.filter(isOnNode),
    ),
    ...answers("answer.subnets", resident, ofSubnets),
    ...toWorld(resident),
  ];
}
