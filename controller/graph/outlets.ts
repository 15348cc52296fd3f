import { createHash } from "node:crypto";
import { type Family, formatAddress, parseAddress } from "../ipam/address.ts";
import { mostOutlets } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { EgressIpRecord } from "../state/egress-ip.ts";
import type { FloatingIpRecord } from "../state/floating-ip.ts";
import type { Problem, ResourceKind } from "../state/object-problem.ts";
import type { ResourceRecord } from "../state/selection.ts";
import { meetsAll } from "../state/selector.ts";
import type { Bundle, BundleChange, Owner } from "../translate/desired.ts";
import {
  type EgressGroup,
  egressGroupBundle,
  egressIpOwner,
  egressIpRouter,
  egressPriorities,
  subnetEgressBundle,
  subnetEgressOwner,
  subnetEgressRouter,
  subnetEgressSet,
} from "../translate/egress-ip.ts";
import {
  floatingIpBundle,
  floatingIpOwner,
  floatingRouterBundle,
  floatingRouterOwner,
} from "../translate/floating-ip.ts";
import { defaultTenant } from "../translate/names.ts";
import type { NodeTopology } from "../translate/node-topology.ts";
import { outletBundle, outletOwner } from "../translate/outlet.ts";
import { type OutletNetwork, outletNetworkOf, outletNetworks } from "../translate/outlet-network.ts";
import { outletCandidates } from "../translate/outlet-router.ts";
import { ownerText } from "../translate/owner.ts";
import type { PodPort } from "../translate/pod-port-kinds.ts";
import type { HubTenancy } from "../translate/tenancy.ts";
import type { NodeGraph } from "./nodes.ts";
import type { PodSets } from "./pod-sets.ts";
import type { PodGraph } from "./pods.ts";
import { type ResourceConditions, resourceId } from "./resource-conditions.ts";
import type { ResolvedSubnet } from "./subnet-resolution.ts";
import { PolicyUses } from "./used-set.ts";

export interface OutletGraphOptions {
  readonly network: NetworkConfig;
  readonly nodes: Pick<NodeGraph, "records" | "topologyOf">;
  readonly pods: Pick<PodGraph, "records" | "bundleOf">;
  readonly podSets: PodSets;
  readonly subnets: () => Iterable<ResolvedSubnet>;
  readonly hub: () => HubTenancy | undefined;
  /** Whether the pod's own way out is a physical network. */
  readonly isInUnderlay: (port: PodPort) => boolean;
}

/** The part of the graph that gives pods addresses on the nodes' network: EgressIPs, FloatingIPs, and Subnets' egress addresses. */
export interface OutletGraph {
  applyEgressIp(name: string, record: EgressIpRecord | undefined): void;
  applyFloatingIp(key: string, record: FloatingIpRecord | undefined): void;
  /** A pod came, changed or went: a sticky key may be another's. */
  applyPod(key: string): void;
  /** Nodes, subnets, or what the default tenant's router knows of them, are others than before. */
  touch(): void;
  /** Where OVN has a router's outer port now. @param port `Logical_Router_Port.name` */
  applyActive(port: string, systemId: string | undefined): void;
  /** Decides who has which address, and asks for the sets of pods; after nodes and subnets, before pods have their places. */
  resolve(): void;
  /** @param pods those whose ports are others than before */
  flush(pods: Iterable<string>): {
    readonly gone: readonly BundleChange[];
    /** Floating addresses that were there: before another pod has what their pod had. */
    readonly moved: readonly BundleChange[];
    readonly changed: readonly BundleChange[];
  };
  /** Whether there is anything of the kind. */
  readonly isUsed: boolean;
  bundleOf(owner: Owner): Bundle | undefined;
  conditions(kind: ResourceKind, key: string): ResourceConditions | undefined;
  /** Of a Subnet's egress addresses. */
  problemsOfSubnet(name: string): readonly Problem[];
  takeChangedConditions(): readonly { readonly kind: ResourceKind; readonly key: string }[];
}

interface Claimant {
  readonly id: string;
  readonly record: ResourceRecord;
  readonly addresses: readonly string[];
}

interface PlacedBundle {
  readonly owner: Owner;
  readonly bundle: Bundle;
  readonly signature: string;
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);
const byAge = (one: Claimant, other: Claimant): number =>
  compare(one.record.createdAt, other.record.createdAt) || compare(one.id, other.id);
const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** The first is that of floating addresses. */
const floatingSlot = 0;

/**
 * Numbers for links, each by a hash of who it is for, or the next one that is free: whoever is older has its own, so that they
 * follow from what is there now and need not be remembered.
 */
export function outletSlots(ids: readonly string[]): ReadonlyMap<string, number> {
  const slots = new Map<string, number>();
  const taken = new Set<number>();
  for (const id of ids.slice(0, mostOutlets - 1)) {
    let slot = 1 + (createHash("sha1").update(id).digest().readUInt32BE(0) % (mostOutlets - 1));
    while (taken.has(slot)) slot = slot === mostOutlets - 1 ? 1 : slot + 1;
    taken.add(slot);
    slots.set(id, slot);
  }
  return slots;
}

export function createOutletGraph(options: OutletGraphOptions): OutletGraph {
  const { network, nodes, pods, podSets } = options;
  const egressIps = new Map<string, EgressIpRecord>();
  const floatingIps = new Map<string, FloatingIpRecord>();
  /** FloatingIPs by whom they name: `namespace/name` of a pod, or its sticky key likewise. */
  const byTarget = new Map<string, Set<string>>();
  /** Pods by their sticky key, and back. */
  const stickyPods = new Map<string, Set<string>>();
  const stickyOf = new Map<string, string>();
  const placed = new Map<string, PlacedBundle>();
  const problems = new Map<string, readonly Problem[]>();
  const uses = new Map<string, PolicyUses>();
  /** The chassis on which outer ports are, by the router's name. */
  const active = new Map<string, string>();
  /** Nodes by their chassis; as of the last time that nodes changed. */
  const nodeOfChassis = new Map<string, string>();
  /** How many pods each EgressIP selected when that was told last. */
  const selected = new Map<string, number>();
  const changedConditions = new Map<string, { readonly kind: ResourceKind; readonly key: string }>();
  const dirtyFloating = new Set<string>();
  let dirty = false;
  /** What is to be committed since the last flush. */
  let gone: BundleChange[] = [];
  let changed: BundleChange[] = [];
  let outlet: OutletNetwork | undefined;

  const say = (kind: ResourceKind, key: string): void => {
    changedConditions.set(resourceId(kind, key), { kind, key });
  };

  function place(owner: Owner, bundle: () => Bundle, signature: string, into: BundleChange[] = changed): void {
    const id = ownerText(owner);
    if (placed.get(id)?.signature === signature) return;
    const made = bundle();
    placed.set(id, { owner, bundle: made, signature });
    into.push({ owner, bundle: made });
  }

  function displace(owner: Owner): void {
    if (placed.delete(ownerText(owner))) gone.push({ owner, bundle: undefined });
  }

  function* topologies(): Generator<NodeTopology> {
    for (const name of [...nodes.records.keys()].sort()) {
      const topology = nodes.topologyOf(name);
      if (topology !== undefined) yield topology;
    }
  }

  function addressSubnets(): readonly ResolvedSubnet[] {
    return [...options.subnets()].filter(({ record }) => record.egress === "Address" && record.mode !== "Underlay");
  }

  /** Why some don't have their addresses, of all that claim some. @param taken by whom, before all of them */
  function claim(claimants: readonly Claimant[], taken: ReadonlyMap<string, string>): void {
    const holders = new Map(taken);
    for (const { id, record, addresses } of [...claimants].sort(byAge)) {
      if (record.problem !== undefined) {
        problems.set(id, [{ code: "INVALID_RESOURCE", message: record.problem }]);
        continue;
      }
      const lost = addresses.flatMap((address): Problem[] => {
        const holder = holders.get(address);
        const message = `${address} is ${holder}'s already; take another address`;
        return holder === undefined ? [] : [{ code: "OUTLET_ADDRESS_TAKEN", message }];
      });
      if (lost.length > 0) problems.set(id, lost);
      else for (const address of addresses) holders.set(address, id);
    }
  }

  /** Addresses on the nodes' networks that are nobody's to claim: who answered for these would cut off nodes, or all of them. */
  function takenAddresses(all: readonly NodeTopology[]): ReadonlyMap<string, string> {
    const taken = new Map<string, string>();
    const take = (text: string, whose: string): void => {
      const address = parseAddress(text.split("/", 1)[0] ?? "");
      if (address !== undefined) taken.set(formatAddress(address), whose);
    };
    for (const { chassis } of all) for (const hop of chassis?.gateway?.nextHops ?? []) take(hop, "the nodes' router");
    for (const { addresses, chassis } of all) {
      for (const address of [...addresses, ...(chassis?.gateway?.addresses ?? [])]) take(address, "a node");
    }
    return taken;
  }

  function placeGroup(
    id: string,
    group: Omit<EgressGroup, "outlet" | "candidates" | "slot" | "inside" | "tenants">,
    given: { readonly networks: readonly OutletNetwork[]; readonly slot: number | undefined },
    mayHave: (node: string) => boolean,
    extra: (bundle: Bundle | undefined) => Bundle | undefined = (bundle) => bundle,
  ): void {
    const { networks, slot } = given;
    const found = outletNetworkOf(networks, group.addresses);
    const candidates = outletCandidates(id, found?.nodes.filter(({ name }) => mayHave(name)) ?? []);
    if (slot === undefined && !problems.has(id)) {
      problems.set(id, [{ code: "OUTLET_EXHAUSTED", message: `all ${mostOutlets} links are taken` }]);
    }
    if (candidates.length === 0 && !problems.has(id)) {
      const message =
        found === undefined
          ? `no node's gateway is on a network that has ${group.addresses.join(" and ")}`
          : `no node that may have ${group.addresses.join(" and ")} is on ${found.key}`;
      problems.set(id, [{ code: "OUTLET_NO_NETWORK", message }]);
    }
    const isUsable = found !== undefined && slot !== undefined && candidates.length > 0 && !problems.has(id);
    const hub = options.hub();
    const complete: EgressGroup | undefined = isUsable
      ? {
          ...group,
          slot,
          candidates,
          outlet: found,
          inside: hub?.overlays ?? [],
          tenants: hub?.infrastructure === true,
        }
      : undefined;
    const signature = JSON.stringify(complete ?? null);
    const make = (): Bundle | undefined => extra(complete && egressGroupBundle(network, complete));
    if (complete === undefined && make() === undefined) displace(group.owner);
    else place(group.owner, () => make() ?? { rows: [], memberships: [] }, signature);
  }

  function placeEgressIp(
    name: string,
    record: EgressIpRecord,
    given: { readonly networks: readonly OutletNetwork[]; readonly slot: number | undefined },
  ): void {
    const id = `EgressIP/${name}`;
    const set = podSets.of(record.pods);
    const wanted = new PolicyUses();
    const sources = record.addresses.map(familyOf).map((family) => {
      const { use, name: setName, uuid } = set.addresses(family, false);
      wanted.add(set, use);
      return { family, name: setName, uuid };
    });
    wanted.replace(uses.get(id) ?? new PolicyUses(), id);
    uses.set(id, wanted);
    placeGroup(
      id,
      {
        owner: egressIpOwner(name),
        name: egressIpRouter(name),
        priority: egressPriorities.egressIp,
        addresses: record.addresses,
        sources,
      },
      given,
      (node) => meetsAll(nodes.records.get(node)?.labels ?? {}, record.nodes),
    );
  }

  function resolveAll(): void {
    const all = [...topologies()];
    nodeOfChassis.clear();
    for (const { name, chassis } of all) if (chassis !== undefined) nodeOfChassis.set(chassis.systemId, name);
    const networks = outletNetworks(all);
    const subnets = addressSubnets();
    const claimants: Claimant[] = [
      ...[...egressIps].map(([key, record]) => ({ id: `EgressIP/${key}`, record, addresses: record.addresses })),
      ...[...floatingIps].map(([key, record]) => ({ id: `FloatingIP/${key}`, record, addresses: record.addresses })),
      ...subnets.map(({ record }) => ({ id: `Subnet/${record.key}`, record, addresses: record.egressAddresses })),
    ];
    problems.clear();
    claim(claimants, takenAddresses(all));
    const slots = outletSlots(
      [...claimants]
        .sort(byAge)
        .map(({ id }) => id)
        .filter((id) => !id.startsWith("FloatingIP/")),
    );
    [outlet] = networks;
    const isWanted = claimants.length > 0 && outlet !== undefined;
    const hub = options.hub();
    if (isWanted && outlet !== undefined) {
      const { physicalNetwork } = outlet;
      const overlays = hub?.overlays ?? [];
      place(
        outletOwner,
        () => outletBundle(network, physicalNetwork, overlays),
        JSON.stringify([physicalNetwork, overlays]),
      );
    }
    const wanted = new Set<string>([ownerText(outletOwner)]);
    for (const [name, record] of egressIps) {
      wanted.add(ownerText(egressIpOwner(name)));
      placeEgressIp(name, record, { networks, slot: slots.get(`EgressIP/${name}`) });
      say("EgressIP", name);
    }
    for (const { record } of subnets) {
      const { key: name, egressAddresses: addresses } = record;
      const owner = subnetEgressOwner(name);
      wanted.add(ownerText(owner));
      const sources = addresses.map(familyOf).map((family) => {
        const { name: setName, uuid } = subnetEgressSet(name, family);
        return { family, name: setName, uuid };
      });
      const group = { owner, name: subnetEgressRouter(name), priority: egressPriorities.subnet, addresses, sources };
      const given = { networks, slot: slots.get(`Subnet/${name}`) };
      // Switches fill the sets, so these are there whatever becomes of the addresses.
      placeGroup(
        `Subnet/${name}`,
        group,
        given,
        () => true,
        (bundle) => subnetEgressBundle(network, name, bundle),
      );
      say("Subnet", name);
    }
    if (floatingIps.size > 0 && outlet !== undefined) {
      const found = outlet;
      const router = {
        slot: floatingSlot,
        outlet: found,
        inside: hub?.overlays ?? [],
        tenants: hub?.infrastructure === true,
      };
      place(floatingRouterOwner, () => floatingRouterBundle(network, router), JSON.stringify(router));
      wanted.add(ownerText(floatingRouterOwner));
    }
    for (const key of floatingIps.keys()) {
      wanted.add(ownerText(floatingIpOwner(key)));
      dirtyFloating.add(key);
    }
    for (const [id, { owner }] of [...placed].reverse()) {
      if (!wanted.has(id) || (id === ownerText(outletOwner) && !isWanted)) displace(owner);
    }
    for (const [id, former] of uses) {
      if (egressIps.has(id.slice("EgressIP/".length))) continue;
      new PolicyUses().replace(former, id);
      uses.delete(id);
    }
  }

  /** The pod that a FloatingIP is about: by its name, else by its sticky key; of several the first that has a port. */
  function podOf({ namespace, pod }: FloatingIpRecord): PodPort | undefined {
    const target = `${namespace}/${pod}`;
    for (const key of [target, ...[...(stickyPods.get(target) ?? [])].sort()]) {
      const port = pods.bundleOf(key);
      if (port !== undefined) return port;
    }
    return undefined;
  }

  function placeFloating(key: string, moved: BundleChange[]): void {
    const owner = floatingIpOwner(key);
    const record = floatingIps.get(key);
    const id = `FloatingIP/${key}`;
    say("FloatingIP", key);
    if (record === undefined) {
      displace(owner);
      return;
    }
    const known = problems.get(id) ?? [];
    const lasting = known.filter(({ code }) => code === "INVALID_RESOURCE" || code === "OUTLET_ADDRESS_TAKEN");
    const problem = (code: Problem["code"], message: string): void => {
      problems.set(id, [{ code, message }]);
      displace(owner);
    };
    if (lasting.length > 0) {
      displace(owner);
      return;
    }
    const found = outletNetworkOf(outlet === undefined ? [] : [outlet], record.addresses);
    if (found === undefined) {
      const where = outlet === undefined ? "no node has a gateway" : `the nodes' gateways are on ${outlet.key}`;
      problem("OUTLET_NO_NETWORK", `${record.addresses.join(" and ")} can't be reached: ${where}`);
      return;
    }
    const port = podOf(record);
    if (port === undefined) {
      const message = `${record.namespace} has no pod ${record.pod} with an address, nor one with that sticky key`;
      problem("FLOATING_POD_MISSING", message);
      return;
    }
    if (options.isInUnderlay(port)) {
      problem("FLOATING_POD_UNDERLAY", `pod ${port.key} is in an Underlay subnet; give it an address there`);
      return;
    }
    problems.delete(id);
    const node = pods.records.get(port.key)?.nodeName;
    const pairs = record.addresses.flatMap((address) => {
      const inside = port.addresses.find((candidate) => familyOf(candidate) === familyOf(address));
      return inside === undefined ? [] : [{ family: familyOf(address), address, inside }];
    });
    const floating = { key, pairs, pod: port.key, isLocal: found.nodes.some(({ name }) => name === node) };
    const isThere = placed.has(ownerText(owner));
    place(owner, () => floatingIpBundle(floating), JSON.stringify(floating), isThere ? moved : changed);
  }

  function nodeOfRouter(router: string): string | undefined {
    const systemId = active.get(router);
    return systemId === undefined ? undefined : nodeOfChassis.get(systemId);
  }

  function selectedBy({ pods: selector }: EgressIpRecord): number {
    return [...podSets.index.select(selector).classes].reduce((sum, podClass) => sum + podClass.pods.size, 0);
  }

  function retarget(record: FloatingIpRecord | undefined, key: string, change: "add" | "remove"): void {
    if (record === undefined) return;
    const target = `${record.namespace}/${record.pod}`;
    const keys = byTarget.get(target) ?? new Set<string>();
    if (change === "add") {
      keys.add(key);
      byTarget.set(target, keys);
    } else if (keys.delete(key) && keys.size === 0) byTarget.delete(target);
  }

  function touchPod(key: string): void {
    for (const target of [key, stickyOf.get(key)]) {
      if (target !== undefined) for (const floating of byTarget.get(target) ?? []) dirtyFloating.add(floating);
    }
  }

  return {
    applyEgressIp(name, record) {
      if (record === undefined) {
        egressIps.delete(name);
        selected.delete(name);
      } else egressIps.set(name, record);
      dirty = true;
    },
    applyFloatingIp(key, record) {
      retarget(floatingIps.get(key), key, "remove");
      if (record === undefined) floatingIps.delete(key);
      else floatingIps.set(key, record);
      retarget(record, key, "add");
      dirtyFloating.add(key);
      dirty = true;
    },
    applyPod(key) {
      const record = pods.records.get(key);
      const sticky = record?.request?.sticky;
      const now = record === undefined || sticky === undefined ? undefined : `${record.namespace}/${sticky}`;
      const before = stickyOf.get(key);
      if (before === now) return;
      touchPod(key);
      if (before !== undefined) {
        const others = stickyPods.get(before);
        others?.delete(key);
        if (others?.size === 0) stickyPods.delete(before);
        stickyOf.delete(key);
      }
      if (now === undefined) return;
      stickyOf.set(key, now);
      const siblings = stickyPods.get(now) ?? new Set<string>();
      stickyPods.set(now, siblings.add(key));
      touchPod(key);
    },
    touch() {
      if (egressIps.size + floatingIps.size + placed.size > 0 || addressSubnets().length > 0) dirty = true;
    },
    applyActive(port, systemId) {
      const router = port.replace(/-to-external$/, "");
      if (systemId === undefined) active.delete(router);
      else active.set(router, systemId);
      const name = router.slice("egress.".length);
      if (router === egressIpRouter(name) && egressIps.has(name)) say("EgressIP", name);
    },
    resolve() {
      if (!dirty) return;
      dirty = false;
      resolveAll();
    },
    flush(changedPods) {
      const moved: BundleChange[] = [];
      if (egressIps.size + byTarget.size > 0) {
        let any = false;
        for (const key of changedPods) {
          touchPod(key);
          any = true;
        }
        for (const [name, record] of any ? egressIps : []) {
          if (selected.get(name) !== selectedBy(record)) say("EgressIP", name);
        }
      }
      for (const key of dirtyFloating) placeFloating(key, moved);
      dirtyFloating.clear();
      const changes = { gone, moved, changed };
      gone = [];
      changed = [];
      return changes;
    },
    get isUsed() {
      return placed.size > 0;
    },
    bundleOf: (owner) => placed.get(ownerText(owner))?.bundle,
    conditions(kind, key) {
      const own = problems.get(`${kind}/${key}`) ?? [];
      const egressIp = kind === "EgressIP" ? egressIps.get(key) : undefined;
      if (egressIp !== undefined) {
        const count = selectedBy(egressIp);
        selected.set(key, count);
        const node = own.length === 0 ? nodeOfRouter(egressIpRouter(key)) : undefined;
        const pending = own.length === 0 && node === undefined ? "None of its nodes has the addresses yet" : undefined;
        return { isReady: node !== undefined, problems: own, pending, status: { node, pods: count }, isInUse: false };
      }
      const floating = kind === "FloatingIP" ? floatingIps.get(key) : undefined;
      if (floating === undefined) return undefined;
      const port = own.length === 0 ? podOf(floating) : undefined;
      const node = port && pods.records.get(port.key)?.nodeName;
      const pod = port?.key.slice(port.key.indexOf("/") + 1);
      return { isReady: own.length === 0, problems: own, status: { pod, node }, isInUse: false };
    },
    problemsOfSubnet: (name) => problems.get(`Subnet/${name}`) ?? [],
    takeChangedConditions() {
      const all = [...changedConditions.values()];
      changedConditions.clear();
      return all;
    },
  };
}

export const isOutletOwner = ({ kind, key }: Owner): boolean =>
  kind === "EgressIP" ||
  kind === "FloatingIP" ||
  kind === "SubnetEgress" ||
  (kind === "Outlet" && (key === defaultTenant || key === floatingRouterOwner.key));
