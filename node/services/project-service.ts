import type { KubeObject } from "@ovenbird/kube";
import { canonicalAddress, canonicalCidr } from "./addresses.ts";
import type { IpFamily, NodeService, NodeServicePort, Protocol } from "./service-view.ts";

/** What the Service itself says; its endpoints are told elsewhere. */
export type ServiceSpec = Omit<NodeService, "localEndpoints" | "localEndpointsOf" | "endpointNodes"> & {
  readonly isLoadBalancer: boolean;
};

/** core/v1 Service, as far as it is read here. */
interface RawService extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly ipFamilies?: readonly string[];
    readonly externalIPs?: readonly string[];
    readonly loadBalancerSourceRanges?: readonly string[];
    readonly externalTrafficPolicy?: string;
    readonly healthCheckNodePort?: number;
    readonly ports?: readonly { readonly protocol?: string; readonly port: number; readonly nodePort?: number }[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: string }[] };
  };
}

/** A Service with this label is served by another proxy (kube-proxy's contract). */
const proxyNameLabel = "service.kubernetes.io/service-proxy-name";
const protocols: ReadonlyMap<string, Protocol> = new Map([
  ["TCP", "tcp"],
  ["UDP", "udp"],
  ["SCTP", "sctp"],
]);

/** @returns undefined for a Service that no node has anything to do with: most have cluster addresses only */
export function projectService(raw: unknown): ServiceSpec | undefined {
  const { metadata, spec = {}, status } = raw as RawService;
  if (spec.type === "ExternalName" || spec.clusterIP === "None" || spec.clusterIP === "") return undefined;
  if (metadata?.labels?.[proxyNameLabel] !== undefined) return undefined;
  const isLoadBalancer = spec.type === "LoadBalancer";
  const ports = (spec.ports ?? []).flatMap((port): NodeServicePort[] => {
    const protocol = protocols.get(port.protocol ?? "TCP");
    if (protocol === undefined) return [];
    const { nodePort } = port;
    return [
      Object.freeze({
        protocol,
        port: port.port,
        ...(nodePort === undefined || nodePort === 0 ? {} : { nodePort }),
      }),
    ];
  });
  const externalIps = addresses(spec.externalIPs);
  const ingressIps = isLoadBalancer
    ? addresses(
        // Absent means VIP (KEP-1860).
        status?.loadBalancer?.ingress?.filter(({ ipMode }) => ipMode !== "Proxy").map(({ ip = "" }) => ip),
      )
    : none;
  const isReachable =
    ports.some(({ nodePort }) => nodePort !== undefined) || externalIps.length + ingressIps.length > 0;
  if (!isReachable) return undefined;
  const { healthCheckNodePort } = spec;
  return Object.freeze({
    key: `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`,
    uid: metadata?.uid ?? "",
    createdAt: metadata?.creationTimestamp ?? "",
    families: familiesOf(spec.ipFamilies, spec.clusterIP),
    ports: Object.freeze(ports),
    externalIps,
    ingressIps,
    ...sourceRangesOf(spec.loadBalancerSourceRanges),
    externalLocal: spec.externalTrafficPolicy === "Local",
    ...(healthCheckNodePort === undefined || healthCheckNodePort === 0 ? {} : { healthCheckNodePort }),
    isLoadBalancer,
  });
}

const none: readonly string[] = Object.freeze([]);

function addresses(texts: readonly string[] | undefined): readonly string[] {
  if (texts === undefined || texts.length === 0) return none;
  return Object.freeze([...new Set(texts.flatMap((text) => canonicalAddress(text) ?? []))]);
}

/** What can't be read lets nobody in: it becomes part of a flow's text, and the controller tells of it. */
function sourceRangesOf(texts: readonly string[] | undefined): Pick<NodeService, "sourceRanges"> {
  if (texts === undefined || texts.length === 0) return {};
  return { sourceRanges: Object.freeze([...new Set(texts.flatMap((text) => canonicalCidr(text.trim()) ?? []))]) };
}

const ipv4Only: readonly IpFamily[] = Object.freeze(["ipv4"]);
const ipv6Only: readonly IpFamily[] = Object.freeze(["ipv6"]);
const both: readonly IpFamily[] = Object.freeze(["ipv4", "ipv6"]);

function familiesOf(ipFamilies: readonly string[] | undefined, clusterIp: string | undefined): readonly IpFamily[] {
  if (ipFamilies === undefined || ipFamilies.length === 0) return clusterIp?.includes(":") ? ipv6Only : ipv4Only;
  if (ipFamilies.length > 1) return both;
  return ipFamilies[0] === "IPv6" ? ipv6Only : ipv4Only;
}
