import { isIP } from "node:net";
import { familyOfAddress, type IpFamily, type NodeService, type Protocol } from "../services/index.ts";
import type { BridgeFlow } from "./bridge-flows.ts";

/** What the gateway bridge has to know of Services. */
export interface BridgeServices {
  readonly services: Iterable<NodeService>;
  /** The addresses of all nodes of the cluster: where one of them is a Service's, only the Service's ports are taken. */
  readonly nodeAddresses: ReadonlySet<string>;
  /** The external addresses that this node answers for on the wire. */
  readonly announced: ReadonlySet<string>;
}

export const noServices: BridgeServices = { services: [], nodeAddresses: new Set(), announced: new Set() };

/** The fields of a match, by family. */
const fields = {
  ipv4: { ip: "ip", icmp: "icmp", suffix: "", source: "nw_src", destination: "nw_dst" },
  ipv6: { ip: "ipv6", icmp: "icmp6", suffix: "6", source: "ipv6_src", destination: "ipv6_dst" },
} as const;

/**
 * The flows by which traffic for Services passes between uplink and OVN, untracked on the bridge:
 *
 * | priority | what |
 * |---|---|
 * | 195 | who answers for an external address: OVN where this node announces it, else at most the host |
 * | 165 | a port of an external address, 166 where only some sources may; else dropped |
 * | 160 | an external address's ICMP and later fragments, and all that OVN sends from it |
 * | 155 | anything else to an external address: dropped, for the host would send it round in circles |
 * | 150 | a NodePort at the node's own addresses |
 *
 * A Service with `externalTrafficPolicy: Local` and no endpoint here has its traffic dropped. Of two Services that claim
 * the same the older has it. An external address that is a node's own keeps everything but the Service's ports.
 */
export function serviceFlows(
  inputs: BridgeServices,
  ports: { readonly uplink: number; readonly patch: number; readonly ownAddresses: readonly string[] },
): readonly BridgeFlow[] {
  const { nodeAddresses, announced } = inputs;
  const { uplink, patch } = ports;
  const ownAddresses = ports.ownAddresses.filter((address) => !isLinkLocal(address));
  const own = new Set(ownAddresses);
  const flows: BridgeFlow[] = [];
  const add = (priority: number, match: string, actions: string) => flows.push({ table: 0, priority, match, actions });
  const toOvn = `output:${patch}`;
  const toUplink = `output:${uplink}`;
  const claimed = new Set<string>();
  const known = new Set<string>();

  /** One port of one address, both ways. @returns false where an older Service has it */
  function addPort(priority: number, address: string, protocol: Protocol, port: number, verdict: string): boolean {
    const claim = `${address} ${protocol} ${port}`;
    if (claimed.has(claim)) return false;
    claimed.add(claim);
    const { suffix, source, destination } = fields[familyOfAddress(address)];
    add(priority, `${protocol}${suffix},in_port=${uplink},${destination}=${address},tp_dst=${port}`, verdict);
    if (known.has(address)) return true;
    add(priority, `${protocol}${suffix},in_port=${patch},${source}=${address},tp_src=${port}`, toUplink);
    return true;
  }

  /** An external address as a whole, whoever has its ports. */
  function addAddress(address: string): void {
    const { ip, icmp, source, destination } = fields[familyOfAddress(address)];
    if (!own.has(address)) {
      const request =
        isIP(address) === 4
          ? `arp,in_port=${uplink},arp_op=1,arp_tpa=${address}`
          : `icmp6,in_port=${uplink},icmp_type=135,icmp_code=0,nd_target=${address}`;
      add(195, request, announced.has(address) ? toOvn : "LOCAL");
    }
    if (own.has(address) || nodeAddresses.has(address)) return;
    known.add(address);
    add(160, `${icmp},in_port=${uplink},${destination}=${address}`, toOvn);
    add(160, `${ip},in_port=${uplink},${destination}=${address},nw_frag=later`, toOvn);
    add(160, `${ip},in_port=${patch},${source}=${address}`, toUplink);
    add(155, `${ip},in_port=${uplink},${destination}=${address}`, "drop");
  }

  /** @param sources who may; undefined = everybody */
  function addExternal(service: NodeService, address: string, sources: readonly string[] | undefined): void {
    const family = familyOfAddress(address);
    if (!service.families.includes(family)) return;
    if (!seen.has(address)) {
      seen.add(address);
      addAddress(address);
    }
    const open = isReachable(service, family);
    const { suffix, source, destination } = fields[family];
    for (const { protocol, port } of service.ports) {
      const taken = addPort(165, address, protocol, port, open && sources === undefined ? toOvn : "drop");
      if (!taken || !open) continue;
      for (const range of sources ?? []) {
        const match = `${protocol}${suffix},in_port=${uplink},${source}=${range},${destination}=${address},tp_dst=${port}`;
        add(166, match, toOvn);
      }
    }
  }

  const seen = new Set<string>();
  for (const service of oldestFirst(inputs.services)) {
    // First what only some may use: an external IP that is an ingress address too is no way around that.
    for (const address of service.ingressIps) {
      const family = familyOfAddress(address);
      addExternal(
        service,
        address,
        service.sourceRanges?.filter((range) => isOfFamily(range, family)),
      );
    }
    for (const address of service.externalIps) {
      if (!service.ingressIps.includes(address)) addExternal(service, address, undefined);
    }
    for (const { protocol, nodePort } of service.ports) {
      if (nodePort === undefined) continue;
      for (const address of ownAddresses) {
        const family = familyOfAddress(address);
        if (!service.families.includes(family)) continue;
        addPort(150, address, protocol, nodePort, isReachable(service, family) ? toOvn : "drop");
      }
    }
  }
  return flows;
}

function isReachable(service: NodeService, family: IpFamily): boolean {
  return !service.externalLocal || service.localEndpointsOf[family] > 0;
}

function isOfFamily(cidr: string, family: IpFamily): boolean {
  const address = cidr.split("/")[0] ?? "";
  return isIP(address) === (family === "ipv4" ? 4 : 6);
}

/** Of two that claim the same the first one here has it. */
function oldestFirst(services: Iterable<NodeService>): readonly NodeService[] {
  return [...services].sort((a, b) => compare(a.createdAt, b.createdAt) || compare(a.key, b.key));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const isLinkLocal = (address: string): boolean => /^(fe[89ab][0-9a-f]:|169\.254\.)/i.test(address);
