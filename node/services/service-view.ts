/**
 * What a node knows of the cluster's Services: those that are reached from outside the pods' network. A Service with
 * nothing but cluster addresses is OVN's affair alone, and so are headless Services, ExternalName, and those that bear the
 * label `service.kubernetes.io/service-proxy-name`: none of them is here.
 */

export type Protocol = "tcp" | "udp" | "sctp";
export type IpFamily = "ipv4" | "ipv6";

export interface NodeServicePort {
  readonly protocol: Protocol;
  readonly port: number;
  /** Absent where the Service has none (`allocateLoadBalancerNodePorts: false`, type ClusterIP with external addresses). */
  readonly nodePort?: number;
}

/** One Service, replaced as a whole by another object when anything of it changes. */
export interface NodeService {
  /** `namespace/name` */
  readonly key: string;
  readonly uid: string;
  /** `creationTimestamp`: of two Services that claim the same address and port the older has it, then the lesser key. */
  readonly createdAt: string;
  readonly families: readonly IpFamily[];
  readonly ports: readonly NodeServicePort[];
  /** `spec.externalIPs`, IPv6 in its canonical spelling. */
  readonly externalIps: readonly string[];
  /** Addresses in the status of a Service of type LoadBalancer whose `ipMode` is VIP; canonical spelling. */
  readonly ingressIps: readonly string[];
  /**
   * `spec.loadBalancerSourceRanges` as canonical CIDRs: who may use the ingress addresses. Absent = everybody; empty where
   * nothing of what is given can be read.
   */
  readonly sourceRanges?: readonly string[];
  /** `externalTrafficPolicy: Local` */
  readonly externalLocal: boolean;
  readonly healthCheckNodePort?: number;
  /** Usable endpoints on this node, counted once where the Service has both families; 0 unless `externalLocal`. */
  readonly localEndpoints: number;
  /** The same by family; 0 unless `externalLocal`. */
  readonly localEndpointsOf: Readonly<Record<IpFamily, number>>;
  /** The nodes that have usable endpoints; empty unless `externalLocal` and of type LoadBalancer. */
  readonly endpointNodes: ReadonlySet<string>;
}

/** A node of the cluster, this one included. */
export interface PeerNode {
  readonly name: string;
  /** On its gateway bridge, as its agent told; else the Node's InternalIPs. Without prefix lengths, canonical spelling. */
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly hasGateway: boolean;
}

/** An AddressPool: addresses that the nodes answer for on the wire. */
export interface PoolView {
  readonly name: string;
  /** Inclusive bounds as numbers, each within one family. */
  readonly ranges: readonly { readonly family: IpFamily; readonly first: bigint; readonly last: bigint }[];
  /** Labels that a node must bear to announce; empty = every node. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** False: others see to it that traffic arrives (a router, a provider's load balancer). */
  readonly announce: boolean;
}

export type ViewChange = "services" | "nodes" | "pools";

export interface ServiceView {
  readonly services: ReadonlyMap<string, NodeService>;
  /** By name. */
  readonly nodes: ReadonlyMap<string, PeerNode>;
  /** By name; empty where the cluster has no such resource. */
  readonly pools: ReadonlyMap<string, PoolView>;
  /** Whether Services, their endpoints, nodes and pools have all been told once. */
  readonly synced: boolean;
  /** Called once per burst of events, after all of it has been taken in. @returns ends it */
  onChange(listener: (changes: ReadonlySet<ViewChange>) => void): () => void;
  close(): void;
}
