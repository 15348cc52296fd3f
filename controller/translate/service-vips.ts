import type { Family } from "../ipam/address.ts";
import type { Protocol, ServicePort, ServiceRecord } from "../state/service.ts";

/** One address and port at which a service wants to be reached. */
export interface Vip {
  readonly kind: "cluster" | "external" | "ingress" | "node";
  /** Absent for node ports. */
  readonly address: string;
  readonly family: Family;
  readonly port: ServicePort;
  /** What two services can't both have: `tcp 10.0.0.1 80`, or `tcp nodes 30080` for a port of every node. */
  readonly key: string;
}

function vipKey(protocol: Protocol, address: string, port: number): string {
  return `${protocol} ${address} ${port}`;
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);

/**
 * All that a service claims; what is not of one of its families is left out. An address that is given twice (an
 * external IP that is an ingress IP too) is claimed once, for the stricter use.
 */
export function serviceVips(service: ServiceRecord): readonly Vip[] {
  if (service.skipped) return [];
  const vips: Vip[] = [];
  const seen = new Set<string>();
  const claim = (kind: "cluster" | "external" | "ingress", address: string): void => {
    const family = familyOf(address);
    if (!service.families.includes(family)) return;
    for (const port of service.ports) {
      const key = vipKey(port.protocol, address, port.port);
      if (seen.has(key)) continue;
      seen.add(key);
      vips.push({ kind, address, family, port, key });
    }
  };
  for (const address of service.clusterIps) claim("cluster", address);
  for (const address of service.ingressIps) claim("ingress", address);
  for (const address of service.externalIps) claim("external", address);
  for (const port of service.ports) {
    if (port.nodePort === undefined) continue;
    const key = vipKey(port.protocol, "nodes", port.nodePort);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const family of service.families) vips.push({ kind: "node", address: "", family, port, key });
  }
  return vips;
}

/** The keys of all that a service claims, each once, those of cluster IPs first: `tcp 10.0.0.1 80`, `tcp nodes 30080`. */
export function vipsOf(service: ServiceRecord): readonly string[] {
  return [...new Set(serviceVips(service).map(({ key }) => key))];
}

/** How many of `vipsOf` are of the service's cluster IPs. */
export function clusterVipsOf(service: ServiceRecord): number {
  return serviceVips(service).filter(({ kind }) => kind === "cluster").length;
}
