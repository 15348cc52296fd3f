import {
  endpointSlices,
  type KubeObject,
  nodeNetworkAnnotation,
  nodeNetworkAnnotationKey,
  nodes,
  services,
} from "../../../kube/index.ts";
import { type Lab, type Place, placeOf } from "../../../lab/index.ts";
import { createProber, type Prober } from "../../../lab/probe/index.ts";
import type { Cluster, PodSpec } from "../cluster.ts";

/** From where a service is asked. Backends are on node1 and node2; node3 has none unless a row says so. */
export const vantages = ["pod, same node", "pod, other node", "node", "outside"] as const;
export type Vantage = (typeof vantages)[number];

export const families = ["ipv4", "ipv6"] as const;
export type Family = (typeof families)[number];
export const familyOf = (address: string): Family => (address.includes(":") ? "ipv6" : "ipv4");

/** Who asks. */
export interface Source {
  readonly name: string;
  readonly vantage: Vantage;
  /** Path of the network namespace. */
  readonly namespace: string;
  /** The node it is on; undefined outside. */
  readonly node: string | undefined;
  /** All addresses that are its own: for a node the management port's too. */
  readonly addresses: readonly string[];
}

/** As much of a Service as the tests look at. */
export interface Service extends KubeObject {
  readonly spec?: {
    readonly clusterIPs?: readonly string[];
    readonly externalIPs?: readonly string[];
    readonly healthCheckNodePort?: number;
    readonly ports?: readonly { readonly port: number; readonly protocol: string; readonly nodePort?: number }[];
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

/** One endpoint of a slice; conditions that are left out are as for a healthy pod. */
export interface EndpointSpec {
  readonly pod: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zones?: readonly string[];
}

export interface Scene {
  readonly lab: Lab;
  readonly cluster: Cluster;
  readonly prober: Prober;
  readonly sources: readonly Source[];
  /** Addresses of a node on the underlay. */
  nodeAddresses(node: string): readonly string[];
  podAddress(pod: string, family: Family): string;
  /** Where `namespace/pod`, a node or `outside` runs. */
  place(name: string): Promise<Place>;
  /** The object as the API had it when it was last read; see `refresh`. */
  service(name: string): Service;
  refresh(): Promise<void>;
  /** Writes a service's slices, one per family that has endpoints. */
  writeSlices(service: string, endpoints: readonly EndpointSpec[], targetPort?: number): Promise<void>;
  close(): Promise<void>;
}

/** All ports of a service of the scene: 80 in the three protocols. */
export const servicePorts = ["TCP", "UDP", "SCTP"].map((protocol) => ({
  ...{ name: protocol.toLowerCase(), port: 80, targetPort: 8080, protocol },
}));

const probe = { tcp: [8080], udp: [8080], sctp: [8080] } as const;

/** Clients and backends. `b1` to `b3` are each on the node of that number. */
const podSpecs: readonly PodSpec[] = [
  { name: "near", nodeName: "node1" },
  { name: "far", nodeName: "node3" },
  { name: "host-client", nodeName: "node2", hostNetwork: true, tcp: [8180] },
  { name: "b1", nodeName: "node1", labels: { app: "echo", group: "all" }, ...probe },
  { name: "b2", nodeName: "node2", labels: { app: "echo", group: "all" }, ...probe },
  { name: "b3", nodeName: "node3", labels: { group: "all" }, ...probe },
  { name: "named-1", nodeName: "node1", labels: { app: "named" }, portName: "web", tcp: [8081] },
  { name: "named-2", nodeName: "node2", labels: { app: "named" }, portName: "web", tcp: [8082] },
  { name: "host-backend", nodeName: "node2", hostNetwork: true, tcp: [8181], udp: [8181] },
];

/** Creates the pods and finds out who has which address. */
export async function setScene(lab: Lab, cluster: Cluster): Promise<Scene> {
  const prober = createProber();
  await Promise.all(podSpecs.map((pod) => cluster.create(pod)));
  await Promise.all(podSpecs.map(({ name }) => cluster.untilReady(`default/${name}`)));
  const known = new Map<string, Service>();
  const written = new Set<string>();

  const nodeAddresses = (node: string) => lab.layout.nodes.find(({ name }) => name === node)?.addresses ?? [];
  const podAddresses = (pod: string) => cluster.pods.get(`default/${pod}`)?.status?.podIPs?.map(({ ip }) => ip) ?? [];

  async function managementAddresses(node: string): Promise<readonly string[]> {
    const object = await cluster.client.get(nodes, { name: node });
    const text = object.metadata?.annotations?.[nodeNetworkAnnotationKey] ?? "";
    const { managementPort } = nodeNetworkAnnotation.parse(JSON.parse(text));
    return managementPort.addresses.map((address) => address.split("/")[0] ?? "");
  }

  async function source(name: string, vantage: Vantage, node: string | undefined): Promise<Source> {
    const { namespace } = await placeOf(lab.layout, name);
    const addresses =
      node === undefined
        ? [...lab.layout.outside.addresses, ...lab.layout.outside.internet]
        : vantage === "node"
          ? [...(await managementAddresses(node)), ...nodeAddresses(node)]
          : podAddresses(name.replace("default/", ""));
    return { name, vantage, namespace, node, addresses };
  }

  const sources = await Promise.all([
    source("default/near", "pod, same node", "node1"),
    source("default/far", "pod, other node", "node3"),
    source("node1", "node", "node1"),
    source("default/host-client", "node", "node2"),
    source("node3", "node", "node3"),
    source("outside", "outside", undefined),
  ]);

  function podAddress(pod: string, family: Family): string {
    const address = podAddresses(pod).find((one) => familyOf(one) === family);
    if (address === undefined) throw new Error(`${pod} has no ${family} address`);
    return address;
  }

  async function writeSlices(service: string, endpoints: readonly EndpointSpec[], targetPort = 8080): Promise<void> {
    const ports = servicePorts.map(({ name, protocol }) => ({ name, protocol, port: targetPort }));
    await Promise.all(
      families.map(async (family) => {
        const slice = {
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: {
            ...{ name: `${service}-${family}`, namespace: "default" },
            labels: {
              "kubernetes.io/service-name": service,
              "endpointslice.kubernetes.io/managed-by": "services.tests",
            },
          },
          addressType: family === "ipv4" ? "IPv4" : "IPv6",
          ports,
          endpoints: endpoints.map(({ pod, ready = true, serving = ready, terminating = false, zones }) => ({
            addresses: [podAddress(pod, family)],
            nodeName: cluster.pods.get(`default/${pod}`)?.spec?.nodeName,
            targetRef: { kind: "Pod", namespace: "default", name: pod },
            conditions: { ready, serving, terminating },
            ...(zones === undefined ? {} : { hints: { forZones: zones.map((name) => ({ name })) } }),
          })),
        };
        const target = { namespace: "default", name: slice.metadata.name };
        if (written.has(target.name)) await cluster.client.patch(endpointSlices, target, slice, { type: "merge" });
        else await cluster.client.create(endpointSlices, { namespace: "default" }, slice);
        written.add(target.name);
      }),
    );
  }

  return {
    ...{ lab, cluster, prober, sources, nodeAddresses, podAddress, writeSlices },
    place: (name) => placeOf(lab.layout, name),
    service(name) {
      const found = known.get(name);
      if (found === undefined) throw new Error(`there is no service ${name}`);
      return found;
    },
    async refresh() {
      const list = await cluster.client.list<Service>(services);
      known.clear();
      for (const item of list.items) {
        const { namespace, name = "" } = item.metadata ?? {};
        known.set(namespace === "default" ? name : `${namespace}/${name}`, item);
      }
    },
    async close() {
      prober.close();
    },
  };
}
