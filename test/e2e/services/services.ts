import type { EndpointSpec } from "./scene.ts";
import { familyOf, type Scene, type Service, servicePorts } from "./scene.ts";

/** The services of the table, and the endpoints of those that have no selector. */
export interface ServiceSpec {
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly endpoints?: readonly EndpointSpec[];
  readonly targetPort?: number;
}

const dual = { ipFamilyPolicy: "PreferDualStack" } as const;
const ports = servicePorts.filter(({ protocol }) => protocol !== "SCTP");
const sctp = servicePorts.filter(({ protocol }) => protocol === "SCTP");
const both: readonly EndpointSpec[] = [{ pod: "b1" }, { pod: "b2" }];
const everyNode: readonly EndpointSpec[] = [...both, { pod: "b3" }];
const nodePort = { type: "NodePort" } as const;
const balanced = { type: "LoadBalancer" } as const;

/** Two external addresses of each family per service; the outside routes the first by node1, the second by node3. */
export const routedBy = ["node1", "node3"] as const;
const external = (number: number) => [
  ...routedBy.map((_, index) => `198.51.100.${number + index}`),
  ...routedBy.map((_, index) => `2001:db8:51::${(number + index).toString(16)}`),
];

/** A network that holds every client of the tests, and one that holds none. */
const everyone = [
  ...["172.18.0.0/16", "10.244.0.0/16", "fd00:172:18::/64", "fd00:10:244::/48"],
  // Of pods in tenants, by the addresses that are one of a kind.
  ...["100.80.0.0/12", "fd97::/64"],
];
const nobody = ["192.0.2.0/24", "2001:db8:2::/64"];

/** @param zones the zones of node1, node2 and node3 */
export function serviceSpecs(zones: readonly string[]): readonly ServiceSpec[] {
  const hinted = everyNode.map(({ pod }, index) => ({ pod, zones: [zones[index] ?? ""] }));
  return [
    { name: "cluster", spec: { ...dual, ports, selector: { app: "echo" } } },
    { name: "manual", spec: { ...dual, ports }, endpoints: both },
    { name: "node-port", spec: { ...dual, ...nodePort, ports }, endpoints: both },
    { name: "external", spec: { ...dual, ports, externalIPs: external(1) }, endpoints: both },
    { name: "balanced", spec: { ...dual, ...balanced, ports }, endpoints: both },
    { name: "nobody", spec: { ...dual, ...balanced, ports, externalIPs: external(11) }, endpoints: [] },
    {
      name: "external-local",
      spec: { ...dual, ...balanced, ports, externalIPs: external(21), externalTrafficPolicy: "Local" },
      endpoints: [{ pod: "b1" }],
    },
    { name: "internal-local", spec: { ...dual, ports, internalTrafficPolicy: "Local" }, endpoints: everyNode },
    {
      name: "internal-elsewhere",
      spec: { ...dual, ports, internalTrafficPolicy: "Local" },
      endpoints: [{ pod: "b2" }],
    },
    {
      name: "both-policies",
      spec: { ...dual, ...nodePort, ports, internalTrafficPolicy: "Local", externalTrafficPolicy: "Cluster" },
      endpoints: [{ pod: "b2" }],
    },
    { name: "sticky", spec: { ...dual, ...nodePort, ports, sessionAffinity: "ClientIP" }, endpoints: everyNode },
    { name: "some-ready", spec: { ...dual, ports }, endpoints: [{ pod: "b1" }, { pod: "b2", ready: false }] },
    {
      name: "terminating",
      spec: { ...dual, ports },
      endpoints: [
        { pod: "b1", ready: false, serving: true, terminating: true },
        { pod: "b2", ready: false, serving: false },
      ],
    },
    {
      name: "none-serving",
      spec: { ...dual, ports },
      endpoints: [{ pod: "b1", ready: false, serving: false, terminating: true }],
    },
    {
      name: "publish",
      spec: { ...dual, ports, publishNotReadyAddresses: true },
      endpoints: [{ pod: "b1", ready: false, serving: false }],
    },
    { name: "hinted", spec: { ...dual, ports }, endpoints: hinted },
    {
      name: "half-hinted",
      spec: { ...dual, ports },
      endpoints: hinted.map(({ pod, zones: own }, index) => (index === 0 ? { pod } : { pod, zones: own })),
    },
    {
      name: "close",
      spec: { ...dual, ports, selector: { group: "all" }, trafficDistribution: "PreferClose" },
    },
    { name: "only-ipv4", spec: { ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack", ports }, endpoints: both },
    { name: "only-ipv6", spec: { ipFamilies: ["IPv6"], ipFamilyPolicy: "SingleStack", ports }, endpoints: both },
    {
      name: "named",
      spec: {
        ...dual,
        ports: [{ name: "web", port: 80, targetPort: "web", protocol: "TCP" }],
        selector: { app: "named" },
      },
    },
    {
      name: "sctp-same-port",
      spec: { ...dual, ports: sctp.map((port) => ({ ...port, port: 8080 })) },
      endpoints: both,
    },
    { name: "replaced", spec: { ...dual, ...nodePort, ports }, endpoints: [{ pod: "b1" }] },
    { name: "late", spec: { ...dual, ...nodePort, ports }, endpoints: [] },
    { name: "headless", spec: { ...dual, ports, clusterIP: "None", selector: { app: "echo" } } },
    { name: "alias", spec: { type: "ExternalName", externalName: "cluster.default.svc.cluster.local" } },
    {
      name: "another-proxy",
      spec: { ...dual, ports },
      labels: { "service.kubernetes.io/service-proxy-name": "another" },
      endpoints: both,
    },
    {
      name: "for-everyone",
      spec: { ...dual, ...balanced, ports, loadBalancerSourceRanges: everyone },
      endpoints: both,
    },
    { name: "for-nobody", spec: { ...dual, ...balanced, ports, loadBalancerSourceRanges: nobody }, endpoints: both },
    {
      name: "without-node-ports",
      spec: { ...dual, ...balanced, ports, allocateLoadBalancerNodePorts: false },
      endpoints: both,
    },
    {
      name: "on-host",
      spec: { ...dual, ...nodePort, ports: ports.map((port) => ({ ...port, targetPort: 8181 })) },
      endpoints: [{ pod: "host-backend" }],
      targetPort: 8181,
    },
  ];
}

export function serviceObject({ name, spec, labels }: ServiceSpec): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", ...(labels === undefined ? {} : { labels }) },
    spec,
  };
}

/** Addresses from which services of type LoadBalancer get theirs: a part of the nodes' own network. */
export const addressPool = {
  apiVersion: "ovenbird.io/v1alpha1",
  kind: "AddressPool",
  metadata: { name: "table" },
  spec: { addresses: ["172.18.200.0/24", "fd00:172:18::c800/120"] },
};

/** Sends outside what is for external addresses to the nodes that stand for them. */
export async function routeExternalAddresses(scene: Scene): Promise<void> {
  const addresses = serviceSpecs([]).flatMap(({ spec }) => (spec.externalIPs ?? []) as string[]);
  for (const [index, address] of addresses.entries()) {
    const gateway = scene
      .nodeAddresses(routedBy[index % routedBy.length] ?? "")
      .find((one) => familyOf(one) === familyOf(address));
    const length = familyOf(address) === "ipv6" ? 128 : 32;
    await scene.lab.exec("outside", ["ip", "route", "replace", `${address}/${length}`, "via", gateway ?? ""]);
  }
}

export const ingressOf = (service: Service) =>
  (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
