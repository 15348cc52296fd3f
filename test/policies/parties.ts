import { type Family, familyOf } from "./address-blocks.ts";
import { keyOf, type Node, type Pod, type Service, type World } from "./objects.ts";

/** One end of a packet as policies see it: after the translation of service addresses, before any that hides a source. */
export interface Party {
  /** How people call it: a pod's key, `node:NAME`, `outside`. */
  readonly name: string;
  readonly address: string;
  /** The pod whose own address this is; pods on their node's network are their node. */
  readonly pod: Pod | undefined;
  /** The node that speaks from this address or listens on it. */
  readonly node: Node | undefined;
}

export type Protocol = "tcp" | "udp" | "sctp" | "icmp";

/** A pod that is over has no address any more; one with its node's network is not a pod to policies. */
export function hasOwnAddress(pod: Pod): boolean {
  return pod.spec.hostNetwork !== true && pod.status.phase !== "Succeeded" && pod.status.phase !== "Failed";
}

function addressIn(addresses: readonly string[], family: Family): string | undefined {
  return addresses.find((address) => familyOf(address) === family);
}

export function nodeAddresses(node: Node): readonly string[] {
  return node.status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address);
}

/**
 * Whoever has that name, `namespace/pod` or `node:NAME`, as the source of packets to pods: a node speaks to pods from its
 * management address.
 * @returns undefined when it has no address of the family
 */
export function sourceParty(world: World, name: string, family: Family): Party | undefined {
  const found = partyOf(world, name, family);
  if (found?.node === undefined) return found;
  const address = addressIn(world.managementAddresses[found.node.metadata.name] ?? [], family);
  return address === undefined ? undefined : { ...found, address };
}

/** The same as a destination: a node is reached at its own address. */
export function partyOf(world: World, name: string, family: Family): Party | undefined {
  const ofNode = (nodeName: string | undefined): Party | undefined => {
    const node = world.nodes.find(({ metadata }) => metadata.name === nodeName);
    const address = node && addressIn(nodeAddresses(node), family);
    return node === undefined || address === undefined ? undefined : { name, address, pod: undefined, node };
  };
  if (name.startsWith("node:")) return ofNode(name.slice("node:".length));
  const [isOwn, key] = name.startsWith("own:") ? [true, name.slice("own:".length)] : [false, name];
  const pod = world.pods.find((one) => keyOf(one) === key);
  if (pod === undefined) return undefined;
  if (pod.spec.hostNetwork === true) return ofNode(pod.spec.nodeName);
  const addresses = isOwn ? world.ownAddresses?.[key] : pod.status.podIPs?.map(({ ip }) => ip);
  const address = hasOwnAddress(pod) ? addressIn(addresses ?? [], family) : undefined;
  return address === undefined ? undefined : { name, address, pod, node: undefined };
}

/** Whoever has this address. */
export function partyAt(world: World, address: string): Party {
  const family = familyOf(address);
  for (const pod of world.pods) {
    if (hasOwnAddress(pod) && partyOf(world, keyOf(pod), family)?.address === address)
      return { name: keyOf(pod), address, pod, node: undefined };
  }
  const node = world.nodes.find(
    (one) =>
      nodeAddresses(one).includes(address) || world.managementAddresses[one.metadata.name]?.includes(address) === true,
  );
  return { name: node === undefined ? address : `node:${node.metadata.name}`, address, pod: undefined, node };
}

/** The number that a pod gives to a port of this name and protocol. */
export function namedPort(pod: Pod, protocol: Protocol, name: string): number | undefined {
  return pod.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .find((port) => port.name === name && (port.protocol ?? "TCP").toLowerCase() === protocol)?.containerPort;
}

/** A backend of a service's port: where a packet to the service's address may go. */
export interface Backend {
  readonly party: Party;
  readonly port: number;
}

export function backendsOf(
  world: World,
  service: Service,
  port: number,
  protocol: Protocol,
  family: Family,
): readonly Backend[] {
  const wanted = service.spec.ports.find(
    (one) => one.port === port && (one.protocol ?? "TCP").toLowerCase() === protocol,
  );
  const selector = Object.entries(service.spec.selector ?? {});
  if (wanted === undefined || selector.length === 0) return [];
  return world.pods.flatMap((pod) => {
    const { namespace, labels = {} } = pod.metadata;
    const isReady = pod.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
    if (namespace !== service.metadata.namespace || !isReady) return [];
    if (!selector.every(([key, value]) => labels[key] === value)) return [];
    const party = partyOf(world, keyOf(pod), family);
    const { targetPort = wanted.port } = wanted;
    const number = typeof targetPort === "number" ? targetPort : namedPort(pod, protocol, targetPort);
    return party === undefined || number === undefined ? [] : [{ party, port: number }];
  });
}
