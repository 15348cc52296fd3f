import type { Family } from "./address-blocks.ts";
import { keyOf, type Namespace, type Node, type Pod, type Policy, type Service, type World } from "./objects.ts";
import type { Protocol } from "./parties.ts";

/**
 * The small town that policies are tried on: three namespaces, two nodes, seven pods with addresses of their own, of which
 * some give one name to different ports, and one on its node's network. What a state may change are labels and policies.
 */

export const nodeNames = ["node1", "node2"] as const;

/** Each pod listens on all of them, in each protocol; names differ. */
export const openPorts = [8080, 8081, 9090] as const;
export const hostPodPort = 8180;

export type PortNames = readonly {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}[];

export interface PodOfScene {
  readonly key: string;
  readonly node: (typeof nodeNames)[number];
  readonly labels: Readonly<Record<string, string>>;
  readonly names: PortNames;
  readonly hostNetwork?: boolean;
}

const http = (port: number) => ({ name: "http", protocol: "TCP", port }) as const;
const data = (port: number) => ({ name: "data", protocol: "UDP", port }) as const;
const signal = (port: number) => ({ name: "signal", protocol: "SCTP", port }) as const;
/** One name for ports of two protocols. */
const both = (tcp: number, udp: number) =>
  [
    { name: "both", protocol: "TCP", port: tcp },
    { name: "both", protocol: "UDP", port: udp },
  ] as const;

export const scenePods: readonly PodOfScene[] = [
  { key: "shop/web-1", node: "node1", labels: { app: "web", tier: "front" }, names: [http(8080), ...both(9090, 8081)] },
  { key: "shop/web-2", node: "node2", labels: { app: "web", tier: "back" }, names: [http(8081), signal(8080)] },
  { key: "shop/db", node: "node1", labels: { app: "db" }, names: [http(9090), data(8080)] },
  { key: "bank/api", node: "node2", labels: { app: "api", tier: "front" }, names: [http(8080), ...both(8081, 9090)] },
  { key: "bank/vault", node: "node1", labels: { app: "db" }, names: [data(8081), signal(8081)] },
  { key: "play/bot", node: "node2", labels: { app: "bot" }, names: [] },
  { key: "play/cat", node: "node1", labels: { app: "web" }, names: [http(8081), data(8080)] },
  { key: "play/host", node: "node2", labels: { app: "web", tier: "front" }, names: [], hostNetwork: true },
];

export const sceneNamespaces: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  shop: { team: "red", env: "prod" },
  bank: { team: "blue", env: "prod" },
  play: { team: "red" },
};

export const sceneNodes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  node1: { rack: "a" },
  node2: { rack: "b" },
};

/** By these a service finds its pod, whatever happens to the pod's other labels. */
export const podLabel = "pod";

/** What can change from one state to the next. */
export interface State {
  readonly policies: readonly Policy[];
  /** By key; who is not named has its first labels. */
  readonly podLabels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly namespaceLabels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What of each namespace's decisions is logged; that must change none. */
  readonly logged?: Readonly<Record<string, "deny" | "allow" | "all">>;
  /** Keys of pods that are gone for now. */
  readonly absent?: readonly string[];
  /** Keys of pods that have come to their end, but are still there as objects. */
  readonly finished?: readonly string[];
}

/** The pods that are there. */
export function podsOf({ absent = [] }: Pick<State, "absent">): readonly PodOfScene[] {
  return scenePods.filter(({ key }) => !absent.includes(key));
}

/** What of a world is not up to the state: who has which address. */
export interface Places {
  readonly nodes: readonly Node[];
  readonly managementAddresses: Readonly<Record<string, readonly string[]>>;
  podAddresses(key: string): readonly string[];
  /** Those that it has in its tenant beside; absent where no pod has such. */
  ownAddresses?(key: string): readonly string[];
}

export function namespaceObjects({
  namespaceLabels = {},
  logged = {},
}: Pick<State, "namespaceLabels" | "logged">): readonly Namespace[] {
  return Object.entries(sceneNamespaces).map(([name, labels]) => ({
    metadata: {
      name,
      labels: { "kubernetes.io/metadata.name": name, ...(namespaceLabels[name] ?? labels) },
      ...(logged[name] === undefined ? {} : { annotations: { "ovenbird.io/log-policy": logged[name] } }),
    },
  }));
}

/** A pod as it is written; without status. */
export function podObject(pod: PodOfScene, { podLabels = {} }: Pick<State, "podLabels">): Omit<Pod, "status"> {
  const [namespace = "", name = ""] = pod.key.split("/");
  const numbers = pod.hostNetwork === true ? [hostPodPort] : openPorts;
  const ports = (["TCP", "UDP", "SCTP"] as const).flatMap((protocol) =>
    numbers.map((containerPort) => {
      const named = pod.names.find((one) => one.protocol === protocol && one.port === containerPort);
      return { containerPort, protocol, ...(named === undefined ? {} : { name: named.name }) };
    }),
  );
  return {
    metadata: { namespace, name, labels: { [podLabel]: name, ...(podLabels[pod.key] ?? pod.labels) } },
    spec: {
      nodeName: pod.node,
      ...(pod.hostNetwork === true ? { hostNetwork: true } : {}),
      containers: [{ name: "probe", image: "probe", ports }],
    },
  };
}

/** A service for each pod with an address of its own; of SCTP the userspace datapath translates no ports. */
export const serviceObjects: readonly Service[] = scenePods
  .filter(({ hostNetwork }) => hostNetwork !== true)
  .map(({ key, names }) => {
    const [namespace = "", name = ""] = key.split("/");
    const named = names.some((port) => port.name === "http");
    return {
      metadata: { namespace, name },
      spec: {
        selector: { [podLabel]: name },
        ports: [
          { name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 },
          { name: "udp", protocol: "UDP", port: 80, targetPort: 8081 },
          { name: "sctp", protocol: "SCTP", port: 9090, targetPort: 9090 },
          ...(named ? [{ name: "named", protocol: "TCP", port: 81, targetPort: "http" }] : []),
        ],
      },
    };
  });

export function worldOf(state: State, { nodes, managementAddresses, podAddresses, ownAddresses }: Places): World {
  return {
    namespaces: namespaceObjects(state),
    nodes,
    pods: podsOf(state).map((pod) => ({
      ...podObject(pod, state),
      status: {
        phase: state.finished?.includes(pod.key) === true ? "Succeeded" : "Running",
        podIPs: podAddresses(pod.key).map((ip) => ({ ip })),
        conditions: [{ type: "Ready", status: "True" }],
      },
    })),
    services: serviceObjects,
    policies: state.policies,
    managementAddresses,
    ...(ownAddresses === undefined
      ? {}
      : { ownAddresses: Object.fromEntries(podsOf(state).map(({ key }) => [key, ownAddresses(key)])) }),
  };
}

/** Addresses without any cluster: for what is judged by evaluators alone. */
export const paperPlaces: Places = {
  nodes: nodeNames.map((name, index) => ({
    metadata: { name, labels: sceneNodes[name] ?? {} },
    status: {
      addresses: [
        { type: "InternalIP", address: `172.18.0.${11 + index}` },
        { type: "InternalIP", address: `fd00:172:18::${(11 + index).toString(16)}` },
      ],
    },
  })),
  managementAddresses: Object.fromEntries(
    nodeNames.map((name, index) => [name, [`10.244.${index}.2`, `fd00:10:244:${index}::2`]]),
  ),
  podAddresses: (key) => {
    const position = scenePods.findIndex((pod) => pod.key === key);
    const block = nodeNames.indexOf(scenePods[position]?.node ?? "node1");
    return [`10.244.${block}.${10 + position}`, `fd00:10:244:${block}::${10 + position}`];
  },
};

/** Who is outside of the cluster. */
export const outsideAddresses: Readonly<Record<Family, string>> = { ipv4: "203.0.113.10", ipv6: "2001:db8:113::10" };

/** Whom pods, nodes and the world may ask for, in each protocol. */
export interface Ask {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number | undefined;
}

const protocols = ["tcp", "udp", "sctp"] as const;
const ownPods = scenePods.filter(({ hostNetwork }) => hostNetwork !== true).map(({ key }) => key);
const nodePlaces = [...nodeNames.map((name) => `node:${name}`), "play/host"];

function asks(sources: readonly string[], targets: readonly string[], numbers: readonly number[]): readonly Ask[] {
  return sources.flatMap((from) =>
    targets
      .filter((to) => to !== from)
      .flatMap((to) => [
        ...protocols.flatMap((protocol) => numbers.map((port) => ({ from, to, protocol, port }))),
        { from, to, protocol: "icmp" as const, port: undefined },
      ]),
  );
}

/** By addresses: pods to pods, pods to nodes and hosts' pods, nodes to pods. */
export const podAsks = asks(ownPods, ownPods, openPorts);
export const nodeAsks: readonly Ask[] = [
  ...asks(nodePlaces, ownPods, openPorts),
  ...asks(ownPods, nodePlaces, [hostPodPort]),
];
/** By services, also to oneself. */
export const serviceAsks: readonly Ask[] = [...ownPods, "node:node1", "play/host"].flatMap((from) =>
  serviceObjects.flatMap((service) =>
    service.spec.ports.map(({ port, protocol = "TCP" }) => ({
      from,
      to: `service:${keyOf(service)}`,
      protocol: protocol.toLowerCase() as Protocol,
      port,
    })),
  ),
);
