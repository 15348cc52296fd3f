import type { PolicyModel } from "../graph/policy-model.ts";
import { formatAddress, parseAddress } from "../ipam/address.ts";
import type { Labels } from "../state/labels.ts";
import type { PodRecord } from "../state/pod.ts";
import { ExplainError } from "./explain-error.ts";
import { type Party, placed } from "./party.ts";

export const namespaceNameLabel = "kubernetes.io/metadata.name";

/** Finds out who has an address, or which addresses somebody has. */
export interface Parties {
  /** @throws ExplainError NOT_FOUND, NO_ADDRESS */
  pod(key: string): readonly Party[];
  /** As the node's pods see it when it sends. @throws ExplainError NOT_FOUND, NO_ADDRESS */
  nodeSending(name: string): readonly Party[];
  /** As pods reach it. @throws ExplainError NOT_FOUND, NO_ADDRESS */
  nodeReceiving(name: string): readonly Party[];
  /** The same by the addresses that its tenant and those joined with it know; empty where there are no such. */
  podInTenant(key: string): readonly Party[];
  /**
   * @param address in any form that can be read
   * @param tenant who looks: pods of it and of its peers are known by own addresses too
   * @throws ExplainError AMBIGUOUS when pods of several tenants have it and it isn't said who looks
   */
  at(address: string, tenant?: string): Party;
  /** Who answers for an endpoint: a node is reached at its management address. */
  backendAt(address: string): Party;
}

/** The labels by which policies select a pod's namespace; one that wasn't seen has its name alone. */
export function namespaceLabelsOf(model: PolicyModel, namespace: string): Labels {
  return model.namespaces.get(namespace)?.labels ?? { [namespaceNameLabel]: namespace };
}

/** Whether a pod is one for policies: it has a port of its own. */
export function isSubject(model: PolicyModel, pod: PodRecord): boolean {
  return !pod.hostNetwork && !pod.finished && model.addressesOf(pod.key).length > 0;
}

export function createParties(model: PolicyModel): Parties {
  const { tenancy } = model;
  /** Nodes by their own addresses and by those of their management ports; made when first asked for. */
  let nodes: { readonly own: Map<string, string>; readonly management: Map<string, string> } | undefined;
  const namespaceLabels = new Map<string, Labels>();

  function labelsOfNamespace(namespace: string): Labels {
    let labels = namespaceLabels.get(namespace);
    if (labels === undefined) {
      labels = namespaceLabelsOf(model, namespace);
      namespaceLabels.set(namespace, labels);
    }
    return labels;
  }

  function nodeIndex() {
    if (nodes === undefined) {
      nodes = { own: new Map(), management: new Map() };
      for (const { key, internalAddresses } of model.nodes.values()) {
        for (const address of internalAddresses) {
          const parsed = parseAddress(address);
          if (parsed !== undefined) nodes.own.set(formatAddress(parsed), key);
        }
        for (const address of model.managementAddresses(key)) nodes.management.set(address, key);
      }
    }
    return nodes;
  }

  function nodeAt(name: string, address: string, isManagement: boolean): Party {
    const place = placed(address);
    const record = model.nodes.get(name);
    const own = (isManagement ? (record?.internalAddresses ?? []) : []).flatMap((text) => parseAddress(text) ?? []);
    return {
      kind: "node",
      key: name,
      labels: record?.labels ?? {},
      standsFor: own.filter(({ family }) => family === place.family),
      ...place,
    };
  }

  function podAt(pod: PodRecord, address: string, isOwn = false): Party {
    return {
      kind: "pod",
      key: pod.key,
      namespace: pod.namespace,
      namespaceLabels: labelsOfNamespace(pod.namespace),
      labels: pod.selectionLabels,
      node: pod.nodeName,
      tenant: tenancy.tenantOf(pod.key),
      isOwn,
      ...placed(address),
    };
  }

  /** Whose own address it is, as far as whoever looks can tell. */
  function podInTenantAt(address: string, viewer: string | undefined): Party | undefined {
    const holders = tenancy.podsAt(address).flatMap((key) => model.pods.get(key) ?? []);
    const tenantOf = ({ key }: PodRecord): string => tenancy.tenantOf(key);
    const near =
      viewer === undefined
        ? holders
        : holders.filter((pod) => tenantOf(pod) === viewer || tenancy.peersOf(viewer).includes(tenantOf(pod)));
    const [pod, ...others] = near;
    if (pod === undefined) return undefined;
    if (others.length === 0) return podAt(pod, address, true);
    const all = near.map((each) => `pod ${each.key} in tenant ${tenantOf(each)}`).join(", ");
    throw new ExplainError(
      "AMBIGUOUS",
      `${address} is the address of ${all}: say which by its name, or ${address}@TENANT`,
    );
  }

  function nodeRecord(name: string) {
    const node = model.nodes.get(name);
    if (node === undefined) throw new ExplainError("NOT_FOUND", `There is no node ${name}`);
    return node;
  }

  const parties: Parties = {
    podInTenant(key) {
      const pod = model.pods.get(key);
      return pod === undefined ? [] : tenancy.ownAddressesOf(key).map((address) => podAt(pod, address, true));
    },
    pod(key) {
      const pod = model.pods.get(key);
      if (pod === undefined) throw new ExplainError("NOT_FOUND", `There is no pod ${key}`);
      const parties = model.addressesOf(key).map((address) => podAt(pod, address));
      if (parties.length > 0 && !pod.finished) return parties;
      throw new ExplainError(
        "NO_ADDRESS",
        pod.finished
          ? `Pod ${key} has ended and has no network any more`
          : `Pod ${key} has no address yet${pod.nodeName === undefined ? ": it is not scheduled" : ""}`,
      );
    },
    nodeSending(name) {
      nodeRecord(name);
      const parties = model.managementAddresses(name).map((address) => nodeAt(name, address, true));
      if (parties.length === 0) throw new ExplainError("NO_ADDRESS", `Node ${name} has no network of the cluster yet`);
      return parties;
    },
    nodeReceiving(name) {
      const { internalAddresses } = nodeRecord(name);
      if (internalAddresses.length === 0) throw new ExplainError("NO_ADDRESS", `Node ${name} has no InternalIP`);
      return internalAddresses.map((address) => nodeAt(name, address, false));
    },
    at(text, tenant) {
      const parsed = parseAddress(text);
      if (parsed === undefined) throw new ExplainError("BAD_QUERY", `${text} is no address`);
      const address = formatAddress(parsed);
      const key = model.podAt(address);
      const pod = key === undefined ? undefined : model.pods.get(key);
      if (pod !== undefined) return podAt(pod, address);
      const { own, management } = nodeIndex();
      const manager = management.get(address);
      if (manager !== undefined) return nodeAt(manager, address, true);
      const owner = own.get(address);
      if (owner !== undefined) return nodeAt(owner, address, false);
      return podInTenantAt(address, tenant) ?? { kind: "address", key: address, ...placed(address) };
    },
    backendAt(address) {
      const party = parties.at(address);
      if (party.kind !== "node" || party.standsFor.length > 0) return party;
      const management = model.managementAddresses(party.key).find((text) => placed(text).family === party.family);
      return management === undefined ? party : nodeAt(party.key, management, true);
    },
  };
  return parties;
}
