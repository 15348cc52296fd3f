import { gatewayRouter, managementPort, podPort } from "../translate/names.ts";
import type { Microflow, WhyPath } from "./answer.ts";
import type { Party } from "./party.ts";
import type { PacketProtocol } from "./rule-match.ts";

/** Hardware addresses and switches, which policies know nothing of. */
export interface FlowPorts {
  /** Undefined when the pod has no port. A pod that isn't on its node's switch has `at`. */
  pod(key: string):
    | {
        readonly node: string;
        readonly mac: string;
        readonly at?: { readonly name: string; readonly routerMac: string } | undefined;
      }
    | undefined;
  /** Undefined when the node has no rows. */
  node(
    name: string,
  ): { readonly switch: string; readonly managementMac: string; readonly routerMac: string } | undefined;
}

/** From where connections come, as far as `ovn-trace` is concerned; no rule looks at it. */
const sourcePort = 40_000;

function protocolMatch(protocol: PacketProtocol, family: 4 | 6, port: number): string {
  if (protocol === "icmp")
    return family === 4 ? "icmp4.type == 8 && icmp4.code == 0" : "icmp6.type == 128 && icmp6.code == 0";
  return `${protocol}.src == ${sourcePort} && ${protocol}.dst == ${port}`;
}

/**
 * The packet of a path as `ovn-trace` takes it; undefined when it doesn't begin at a port of the cluster's switches, or goes
 * back to where it comes from: what a hairpin becomes is found in flows that ovn-trace doesn't see.
 */
export function microflowOf(
  ports: FlowPorts,
  path: {
    readonly from: Party;
    readonly to: Party;
    readonly protocol: PacketProtocol;
    readonly port: number;
    readonly service: WhyPath["service"];
  },
): Microflow | undefined {
  const { from, to, protocol, port, service } = path;
  if (from.kind === "address" || (from.kind === to.kind && from.key === to.key)) return undefined;
  const sender = from.kind === "pod" ? ports.pod(from.key) : undefined;
  const nodeName = from.kind === "pod" ? sender?.node : from.key;
  const node = nodeName === undefined ? undefined : ports.node(nodeName);
  const mac = from.kind === "pod" ? sender?.mac : node?.managementMac;
  if (node === undefined || mac === undefined) return undefined;
  const receiver = to.kind === "pod" ? ports.pod(to.key) : undefined;
  // That a node reaches its own pods of a subnet says an ACL with is_chassis_resident, which ovn-trace takes for true everywhere.
  if (from.kind === "node" && receiver?.at !== undefined && receiver.node !== from.key) return undefined;
  const { name: switchName, routerMac } = sender?.at ?? { name: node.switch, routerMac: node.routerMac };
  // Of a tenant's switch the addresses that are one of a kind are behind the router, even a neighbour's.
  const isNear =
    sender?.at === undefined
      ? receiver?.node === nodeName && receiver?.at === undefined
      : to.kind === "pod" && to.isOwn && receiver?.at?.name === switchName;
  const isNeighbour = service === undefined && isNear;
  const ip = from.family === 4 ? "ip4" : "ip6";
  const bracketed = to.family === 6 ? `[${to.address}]` : to.address;
  return {
    datapath: switchName,
    expression: [
      `inport == "${from.kind === "pod" ? podPort(from.key) : managementPort(from.key)}"`,
      `eth.src == ${mac}`,
      `eth.dst == ${isNeighbour && receiver !== undefined ? receiver.mac : routerMac}`,
      `${ip}.src == ${from.address}`,
      `${ip}.dst == ${service?.address ?? to.address}`,
      "ip.ttl == 64",
      protocolMatch(protocol, from.family, service?.port ?? port),
    ].join(" && "),
    ...(service === undefined ? {} : { lbDestination: `${bracketed}:${port}` }),
    outport:
      to.kind === "pod" ? podPort(to.key) : to.kind === "node" ? managementPort(to.key) : gatewayRouter(nodeName ?? ""),
  };
}
