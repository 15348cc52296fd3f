import type { NetworkConfig } from "../ipam/network-config.ts";
import { hasSwitchPerNode, type SubnetIpam } from "../ipam/subnet-ipam.ts";
import type { SubnetReservation } from "../ipam/subnet-reservation.ts";
import type { Problem } from "../state/object-problem.ts";
import type { Bundle, BundleChange, Owner } from "../translate/desired.ts";
import { defaultTenant } from "../translate/names.ts";
import type { NodeTopology } from "../translate/node-topology.ts";
import type { PolicyLayout } from "../translate/policy-layout.ts";
import { subnetPlacement } from "../translate/subnet-pod-port.ts";
import { subnetSwitchBundle, subnetSwitchOwner } from "../translate/subnet-switch.ts";
import type { HubTenancy, SubnetPlacement, SubnetSwitch, TenantTopology } from "../translate/tenancy.ts";
import { tenantTopologyBundle } from "../translate/tenant-topology.ts";
import { createAddressOwners } from "./address-owners.ts";
import { grants, type SharedServicesInput, sharedEndpoints, usualServices } from "./shared-services.ts";
import { parseSwitchKey, subnetSwitchOf, switchKey } from "./subnet-switches.ts";
import type { Tenancy } from "./tenancy.ts";

export interface SubnetGraphOptions {
  readonly network: NetworkConfig;
  readonly layout: PolicyLayout;
  readonly subnetIpam: SubnetIpam;
  readonly tenancy: Tenancy;
  readonly services: SharedServicesInput;
  topologyOf(node: string): NodeTopology | undefined;
  /** Told during `flush` of a pod whose port may have to be another. */
  readonly onPlacement: (pod: string) => void;
  /** Told of a subnet to which somebody came, or that somebody left. */
  readonly onUse: (subnet: string) => void;
}

/** What tenants and subnets need in rows: routers, switches with their slices, and what pods' ports depend on of them. */
export interface SubnetGraph {
  /** Brings tenants' numbers up to date; after addresses were released, and before nodes are made. */
  resolve(): { readonly choicesChanged: boolean; readonly allChanged: boolean; readonly hubChanged: boolean };
  /** What nodes have to know; none without subnets. */
  readonly hub: HubTenancy | undefined;
  /** Tenants that have numbers from before. */
  noteNumbers(restored: ReadonlyMap<string, number>): void;
  /** A pod holds addresses, or holds them no more. */
  noteHeld(pod: string, reservation: SubnetReservation): void;
  noteReleased(pod: string, reservation: SubnetReservation): void;
  touchNode(name: string): void;
  touchService(key: string): void;
  /** Whether somebody on the node holds addresses of a subnet, so that the node's number can't be another's. */
  holdsOn(node: string): boolean;
  /** What to commit for routers and switches; a switch's new slices are to come before its pods. */
  flush(): {
    readonly gone: readonly BundleChange[];
    readonly changed: readonly BundleChange[];
    /** Tenants whose pods have infrastructure addresses, with their peers; undefined for those that have none any more. */
    readonly peers: readonly (readonly [tenant: string, peers: readonly string[] | undefined])[];
  };
  /** As of the last flush. */
  placementOf(subnet: string, node: string): SubnetPlacement | undefined;
  topology(tenant: string): TenantTopology | undefined;
  switchOf(subnet: string, node: string): SubnetSwitch | undefined;
  bundleOf(owner: Owner): Bundle | undefined;
  podsOf(subnet: string): number;
  /** Those that hold addresses of it. */
  podsIn(subnet: string): Iterable<string>;
  /** Why a tenant has no router. */
  problemOf(tenant: string): Problem | undefined;
  /** Owners of rows, as of the last flush. */
  owns(owner: Owner): boolean;
}

interface PlacedSwitch {
  readonly value: SubnetSwitch;
  readonly signature: string;
  /** The signature of what pods' ports depend on. */
  readonly shape: string;
}

interface PlacedTenant {
  readonly value: TenantTopology;
  readonly signature: string;
}

const usualStormKbps = 2000;
const tenantOwnerOf = (key: string): Owner => ({ kind: "Tenant", key });

export function createSubnetGraph(options: SubnetGraphOptions): SubnetGraph {
  const { network, layout, subnetIpam, tenancy, services, topologyOf, onPlacement, onUse } = options;
  const numbers = new Map<string, number>();
  const problems = new Map<string, Problem>();
  /** Pods that hold addresses, by switch. */
  const podsOfSwitch = new Map<string, Set<string>>();
  const podsOfSubnet = new Map<string, number>();
  const switchesOfNode = new Map<string, Map<string, number>>();
  /** As of the last flush. */
  const switches = new Map<string, PlacedSwitch>();
  const tenants = new Map<string, PlacedTenant>();
  const placements = new Map<string, Map<string, SubnetPlacement>>();
  const peersTold = new Map<string, string>();
  const dirtySwitches = new Set<string>();
  const dirtyTenants = new Set<string>();
  const owners = createAddressOwners(network);
  /** Tenants that may use services with endpoints in tenants: whose these are follows from slices. */
  const usersOfSlices = new Set<string>();
  let hub: HubTenancy | undefined;
  let hubText: string | undefined;

  const stormKbpsOf = (tenant: string): number => tenancy.tenants.get(tenant)?.stormKbps ?? usualStormKbps;

  function* tenantNames(): Generator<string> {
    const seen = new Set<string>();
    for (const { record } of tenancy.resolution.subnets.values()) {
      if (seen.has(record.tenant)) continue;
      seen.add(record.tenant);
      yield record.tenant;
    }
  }

  function hubOf(): HubTenancy | undefined {
    const { subnets } = tenancy.resolution;
    const record = tenancy.tenants.get(defaultTenant);
    const isUsable = record !== undefined && record.problem === undefined;
    const hasRoutes = isUsable && record.routes.length + record.policyRoutes.length > 0;
    if (subnets.size === 0 && !hasRoutes) return undefined;
    const sorted = [...subnets.values()].sort((one, other) => (one.record.key < other.record.key ? -1 : 1));
    return {
      infrastructure: sorted.some(({ infrastructure }) => infrastructure),
      overlays: sorted.flatMap(({ record, networks, infrastructure }) =>
        infrastructure
          ? []
          : networks.map(({ family, cidr }) => ({
              family,
              cidr,
              subnet: record.key,
              egress: record.egress,
              mode: record.mode,
            })),
      ),
      routed: sorted.flatMap(({ record, networks }) =>
        record.egress === "Routed" && record.mode !== "Underlay"
          ? networks.map(({ family, cidr }) => ({ family, cidr }))
          : [],
      ),
      ...(hasRoutes ? { own: { routes: record.routes, policyRoutes: record.policyRoutes } } : {}),
    };
  }

  /** Tenants' numbers in the infrastructure networks: those that are gone give theirs up first. */
  function number(): void {
    const wanted = new Set([...tenantNames()].filter((name) => name !== defaultTenant));
    for (const name of [...numbers.keys()]) {
      if (wanted.has(name)) continue;
      subnetIpam.releaseTenant(name);
      numbers.delete(name);
    }
    problems.clear();
    for (const name of [...wanted].sort()) {
      const outcome = subnetIpam.reserveTenant(name);
      if (outcome.kind === "reserved") numbers.set(name, outcome.value);
      else problems.set(name, outcome.problem);
    }
  }

  function switchKeyOf(subnet: string, node: string): string | undefined {
    const record = tenancy.resolution.subnets.get(subnet)?.record ?? tenancy.subnets.get(subnet);
    return record && switchKey(record, node);
  }

  /** Under each of its names, since which one it has may not be known when it is gone. */
  function count(pod: string, { subnet, node }: SubnetReservation, by: 1 | -1): void {
    onUse(subnet);
    podsOfSubnet.set(subnet, (podsOfSubnet.get(subnet) ?? 0) + by);
    if (podsOfSubnet.get(subnet) === 0) podsOfSubnet.delete(subnet);
    for (const key of [subnet, `${subnet}@${node}`]) {
      const pods = podsOfSwitch.get(key);
      if (by === 1) {
        if (pods === undefined) podsOfSwitch.set(key, new Set([pod]));
        else pods.add(pod);
      } else {
        pods?.delete(pod);
        if (pods?.size === 0) podsOfSwitch.delete(key);
      }
    }
    const onNode = switchesOfNode.get(node) ?? new Map<string, number>();
    switchesOfNode.set(node, onNode);
    onNode.set(subnet, (onNode.get(subnet) ?? 0) + by);
    if (onNode.get(subnet) === 0) onNode.delete(subnet);
    if (onNode.size === 0) switchesOfNode.delete(node);
    const key = switchKeyOf(subnet, node);
    if (key !== undefined) dirtySwitches.add(key);
  }

  function switchAsIs(key: string): SubnetSwitch | undefined {
    const { subnet: name, node } = parseSwitchKey(key);
    const subnet = tenancy.resolution.subnets.get(name);
    if (subnet === undefined) return undefined;
    const { record } = subnet;
    if (record.tenant !== defaultTenant && !numbers.has(record.tenant)) return undefined;
    const isPerNode = hasSwitchPerNode(record);
    if (isPerNode !== (node !== undefined)) return undefined;
    const topology = node === undefined ? undefined : topologyOf(node);
    if (isPerNode && (topology === undefined || !podsOfSwitch.has(key))) return undefined;
    return subnetSwitchOf(subnet, {
      network,
      node: topology && {
        name: topology.name,
        number: topology.block,
        zone: topology.zone,
        chassis: topology.chassis?.systemId ?? topology.name,
      },
      slices: subnet.infrastructure ? subnetIpam.slicesOf(key) : [],
      stormKbps: stormKbpsOf(record.tenant),
      tenantNumber: numbers.get(record.tenant),
    });
  }

  function placePods(key: string): void {
    const pods = podsOfSwitch.get(key);
    if (pods !== undefined) for (const pod of pods) onPlacement(pod);
  }

  function slicesOf(tenant: string): readonly number[] {
    const slices: number[] = [];
    for (const { value } of switches.values()) if (value.tenant === tenant) slices.push(...value.slices);
    return slices.sort((one, other) => one - other);
  }

  /** Without those in an underlay, to which routers of ours know no way. */
  function networksOf(tenant: string): TenantTopology["networks"] {
    return [...tenancy.resolution.subnets.values()]
      .filter(({ record }) => record.tenant === tenant && record.mode !== "Underlay")
      .flatMap(({ record, networks }) => networks.map(({ family, cidr }) => ({ family, cidr, subnet: record.key })))
      .sort((one, other) => one.family - other.family || (one.subnet < other.subnet ? -1 : 1));
  }

  function accessOf(tenant: string) {
    return tenancy.tenants.get(tenant)?.services ?? usualServices;
  }

  function tenantAsIs(name: string): TenantTopology | undefined {
    if (!numbers.has(name) && (name !== defaultTenant || tenancy.resolution.subnets.size === 0)) return undefined;
    const networks = networksOf(name);
    const record = tenancy.tenants.get(name);
    const tenantOf = (service: string): string => tenancy.tenantOf(service.slice(0, service.indexOf("/")));
    const isOwn = (service: string): boolean => tenantOf(service) === name;
    usersOfSlices.delete(name);
    const mayShow = (service: string, address: string): boolean => {
      const owner = owners.ownerOf(address, hub?.overlays ?? []);
      if (owner?.by === "slice") usersOfSlices.add(name);
      return owner === undefined || owner.tenant === tenantOf(service);
    };
    return {
      name,
      number: numbers.get(name),
      networks,
      peers: (tenancy.resolution.peers.get(name) ?? []).map((peer) => ({
        name: peer,
        number: numbers.get(peer),
        networks: networksOf(peer).map(({ family, cidr }) => ({ family, cidr })),
        slices: slicesOf(peer),
      })),
      services: name === defaultTenant ? [] : sharedEndpoints(services, accessOf(name), isOwn, mayShow),
      routes: record?.problem === undefined ? (record?.routes ?? []) : [],
      policyRoutes: record?.problem === undefined ? (record?.policyRoutes ?? []) : [],
      stormKbps: stormKbpsOf(name),
    };
  }

  /** @returns the bundle where it is other than before */
  function remakeSwitch(key: string, gone: BundleChange[], changed: BundleChange[]): void {
    const before = switches.get(key);
    const value = switchAsIs(key);
    if (owners.setSlices(key, value?.tenant ?? "", value?.slices ?? [])) {
      for (const name of usersOfSlices) dirtyTenants.add(name);
    }
    if (value === undefined) {
      if (before === undefined) return;
      switches.delete(key);
      placements.delete(key);
      gone.push({ owner: subnetSwitchOwner(before.value), bundle: undefined });
      touchPeers(before.value.tenant);
      placePods(key);
      return;
    }
    const signature = JSON.stringify(value);
    if (before?.signature === signature) return;
    const shape = JSON.stringify({ ...value, slices: undefined });
    switches.set(key, { value, signature, shape });
    changed.push({ owner: subnetSwitchOwner(value), bundle: subnetSwitchBundle(network, layout, value) });
    if (before?.value.slices.join() !== value.slices.join()) touchPeers(value.tenant);
    if (before?.shape === shape) return;
    placements.delete(key);
    placePods(key);
  }

  function touchPeers(tenant: string): void {
    for (const peer of tenancy.resolution.peers.get(tenant) ?? []) dirtyTenants.add(peer);
  }

  function remakeTenant(name: string, gone: BundleChange[], changed: BundleChange[]): void {
    const before = tenants.get(name);
    const value = tenantAsIs(name);
    if (value === undefined) {
      usersOfSlices.delete(name);
      if (!tenants.delete(name)) return;
      if (name !== defaultTenant) gone.push({ owner: tenantOwnerOf(name), bundle: undefined });
      return;
    }
    const signature = `${JSON.stringify(value)} ${hubText}`;
    if (before?.signature === signature) return;
    tenants.set(name, { value, signature });
    if (name !== defaultTenant) changed.push({ owner: tenantOwnerOf(name), bundle: bundleOfTenant(value) });
  }

  const bundleOfTenant = (value: TenantTopology): Bundle => tenantTopologyBundle(network, layout, value, hub);

  function peersToTell(): (readonly [string, readonly string[] | undefined])[] {
    const told: [string, readonly string[] | undefined][] = [];
    const wanted = new Map<string, readonly string[]>();
    for (const { record, infrastructure } of tenancy.resolution.subnets.values()) {
      if (infrastructure) wanted.set(record.tenant, tenancy.resolution.peers.get(record.tenant) ?? []);
    }
    for (const name of [...peersTold.keys()]) {
      if (wanted.has(name)) continue;
      peersTold.delete(name);
      told.push([name, undefined]);
    }
    for (const [name, peers] of wanted) {
      if (peersTold.get(name) === peers.join()) continue;
      peersTold.set(name, peers.join());
      told.push([name, peers]);
    }
    return told;
  }

  return {
    resolve() {
      const what = tenancy.resolve();
      if (what !== "all") {
        // A namespace that moved may make a service the tenant's own.
        if (what === "moves") for (const name of tenants.keys()) dirtyTenants.add(name);
        return { choicesChanged: what !== undefined, allChanged: false, hubChanged: false };
      }
      number();
      for (const key of switches.keys()) dirtySwitches.add(key);
      for (const [name, { record }] of tenancy.resolution.subnets) {
        if (!hasSwitchPerNode(record)) dirtySwitches.add(name);
      }
      for (const key of podsOfSwitch.keys()) dirtySwitches.add(key);
      for (const name of tenants.keys()) dirtyTenants.add(name);
      for (const name of [defaultTenant, ...tenantNames()]) dirtyTenants.add(name);
      const now = hubOf();
      const text = now && JSON.stringify(now);
      const hubChanged = text !== hubText;
      if (hubChanged) [hub, hubText] = [now, text];
      return { choicesChanged: true, allChanged: true, hubChanged };
    },
    noteNumbers(restored) {
      for (const [name, number] of restored) numbers.set(name, number);
    },
    get hub() {
      return hub;
    },
    noteHeld(pod, reservation) {
      count(pod, reservation, 1);
    },
    noteReleased(pod, reservation) {
      count(pod, reservation, -1);
      if (!podsOfSubnet.has(reservation.subnet)) tenancy.touchUse(reservation.subnet);
    },
    touchNode(name) {
      if (topologyOf(name) === undefined) for (const byNode of placements.values()) byNode.delete(name);
      for (const subnet of switchesOfNode.get(name)?.keys() ?? []) {
        const key = switchKeyOf(subnet, name);
        if (key === undefined) continue;
        dirtySwitches.add(key);
        placePods(`${subnet}@${name}`);
      }
    },
    touchService(key) {
      for (const name of tenants.keys()) if (grants(accessOf(name), key)) dirtyTenants.add(name);
    },
    holdsOn: (node) => switchesOfNode.has(node),
    flush() {
      const switchesGone: BundleChange[] = [];
      const switchesChanged: BundleChange[] = [];
      for (const key of dirtySwitches) remakeSwitch(key, switchesGone, switchesChanged);
      dirtySwitches.clear();
      const tenantsGone: BundleChange[] = [];
      const tenantsChanged: BundleChange[] = [];
      for (const name of dirtyTenants) remakeTenant(name, tenantsGone, tenantsChanged);
      dirtyTenants.clear();
      return {
        gone: [...switchesGone, ...tenantsGone],
        changed: [...tenantsChanged, ...switchesChanged],
        peers: peersToTell(),
      };
    },
    placementOf(subnet, node) {
      const key = switchKeyOf(subnet, node);
      const on = key === undefined ? undefined : switches.get(key)?.value;
      const topology = topologyOf(node);
      if (key === undefined || on === undefined || topology === undefined) return undefined;
      const known = placements.get(key) ?? new Map<string, SubnetPlacement>();
      placements.set(key, known);
      let placement = known.get(node);
      const requestedChassis = topology.chassis?.systemId ?? node;
      if (placement?.requestedChassis !== requestedChassis) {
        placement = subnetPlacement(network, on, node, requestedChassis);
        known.set(node, placement);
      }
      return placement;
    },
    topology: (tenant) => tenants.get(tenant)?.value,
    switchOf(subnet, node) {
      const key = switchKeyOf(subnet, node);
      return key === undefined ? undefined : switches.get(key)?.value;
    },
    bundleOf({ kind, key }) {
      if (kind === "Tenant") {
        const topology = tenants.get(key)?.value;
        return topology && bundleOfTenant(topology);
      }
      const on = kind === "Subnet" ? switches.get(key)?.value : undefined;
      return on && subnetSwitchBundle(network, layout, on);
    },
    podsOf: (subnet) => podsOfSubnet.get(subnet) ?? 0,
    podsIn: (subnet) => podsOfSwitch.get(subnet) ?? [],
    problemOf: (tenant) => problems.get(tenant),
    owns: ({ kind, key }) => (kind === "Tenant" ? tenants.has(key) : kind === "Subnet" && switches.has(key)),
  };
}
