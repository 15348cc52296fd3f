/** By which a pod, or its template, asks for its network; `ovenbird.io/subnet` also on a namespace. */
export const requestAnnotationKeys = {
  /** The name of a Subnet of the pod's tenant. */
  subnet: "ovenbird.io/subnet",
  /** Addresses with commas: the pod gets the first free one of each family, one of a StatefulSet that at its ordinal. */
  addresses: "ovenbird.io/ip",
  mac: "ovenbird.io/mac",
  /** Names of IPPools with commas. */
  pools: "ovenbird.io/ip-pool",
  /** A key of the namespace: whoever bears it has the addresses that the last one had. */
  sticky: "ovenbird.io/sticky",
  /** How long they are kept: seconds, or `90s`, `15m`, `2h`, `1d`. */
  stickySeconds: "ovenbird.io/sticky-ttl",
  /** 0–63. */
  dscp: "ovenbird.io/dscp",
  /** 0–7: a DSCP class selector (RFC 2474), unless `dscp` is given. */
  priority: "ovenbird.io/priority",
  /** Bits per second as a quantity (`10M`), towards the pod. */
  ingressBandwidth: "kubernetes.io/ingress-bandwidth",
  /** Likewise, from the pod. */
  egressBandwidth: "kubernetes.io/egress-bandwidth",
} as const satisfies Readonly<Record<string, string>>;
