import type { IpAddressRecord } from "../state/ip-address.ts";
import type { Problem } from "../state/object-problem.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import { formatAddress, parseAddress } from "./address.ts";
import { holderText } from "./choose-address.ts";
import { chooseAddresses } from "./choose-addresses.ts";
import { mostTenants, sliceOf } from "./infrastructure.ts";
import type { Outcome } from "./ipam.ts";
import { agrees, createKeeping, parsed } from "./keeping.ts";
import type { NetworkConfig } from "./network-config.ts";
import { createNumberPool } from "./number-pool.ts";
import { createSlices } from "./slices.ts";
import {
  hasSwitchPerNode,
  needsInfrastructure,
  type SubnetIpam,
  type SubnetRequest,
  switchKeyOf,
} from "./subnet-ipam.ts";
import type { SubnetReservation } from "./subnet-reservation.ts";
import { createSubnetSpace, type SubnetSpace } from "./subnet-space.ts";
import { usageOfPool, usageOfSpace } from "./subnet-usage.ts";

/** How long addresses of a StatefulSet's pods outlive them, unless they say otherwise: the set may be gone for good. */
export const statefulSetSeconds = 604_800;

const namespaceOf = (key: string): string => key.slice(0, key.indexOf("/"));
const nameOf = (key: string): string => key.slice(key.indexOf("/") + 1);
const refusal = (code: Problem["code"], message: string) => ({ kind: "refused", problem: { code, message } }) as const;

/** For whom the pod's addresses are kept: whoever has its sticky key, or its name. */
const holderOfPod = ({ key, wish }: SubnetRequest): string => wish?.sticky ?? nameOf(key);

/** Whether the pod's addresses are to outlive it though nobody wrote an IPAddress. */
function isLasting({ wish, workload, ordinal }: SubnetRequest, record: SubnetRecord | undefined): boolean {
  if (wish?.sticky !== undefined) return true;
  return record?.keepsStatefulSets === true && ordinal !== undefined && workload?.startsWith("StatefulSet/") === true;
}

export function createSubnetIpam({ infrastructure }: Pick<NetworkConfig, "infrastructure">): SubnetIpam {
  const spaces = new Map<string, SubnetSpace>();
  const subnetOfPool = new Map<string, string>();
  const pods = new Map<string, SubnetReservation>();
  /** Held before a restart, but somebody else has it. */
  const denied = new Map<string, SubnetReservation>();
  const keeping = createKeeping(spaceOf);
  const slices = createSlices(infrastructure);
  /** Subnets by whether they had a switch per node when they were seen last. */
  const perNode = new Map<string, boolean>();
  const tenants = new Map<string, number>();
  const tenantNumbers = createNumberPool(0, mostTenants);
  /** Before that, what is free isn't known. */
  let isRestored = false;

  function spaceOf(subnet: string): SubnetSpace {
    const known = spaces.get(subnet);
    if (known !== undefined) return known;
    const space = createSubnetSpace(subnet);
    spaces.set(subnet, space);
    return space;
  }

  function isInUse(subnet: string): boolean {
    const space = spaces.get(subnet);
    if (space === undefined) return false;
    return space.addresses[4].used > 0 || space.addresses[6].used > 0 || keeping.inSubnet(subnet).length > 0;
  }

  function forgetUnused(subnet: string): void {
    const space = spaces.get(subnet);
    if (space?.record === undefined && space?.pools.size === 0 && !isInUse(subnet)) {
      spaces.delete(subnet);
      perNode.delete(subnet);
    }
  }

  function switchOf({ subnet, node, infrastructure: number }: SubnetReservation): string {
    const record = spaces.get(subnet)?.record;
    if (record !== undefined) return switchKeyOf(subnet, hasSwitchPerNode(record), node);
    return (number === undefined ? undefined : slices.switchOf(sliceOf(number))) ?? subnet;
  }

  /** A Subnet of another mode has come in one's place: its slices are of other switches, each where the first of its pods is. */
  function rehome(subnet: string): void {
    const moved = new Set<number>();
    for (const [, held] of inOrder(pods)) {
      if (held.subnet !== subnet || held.infrastructure === undefined) continue;
      const slice = sliceOf(held.infrastructure);
      if (moved.has(slice)) continue;
      moved.add(slice);
      slices.move(slice, switchOf(held));
    }
  }

  function hold(key: string, reservation: SubnetReservation): void {
    const space = spaceOf(reservation.subnet);
    for (const { family, value } of parsed(reservation.addresses)) space.addresses[family].hold(value, key);
    space.macs.set(reservation.mac, key);
    pods.set(key, Object.freeze(reservation));
    if (reservation.keptBy !== undefined) keeping.setPod(reservation.keptBy, key);
  }

  function release(key: string): SubnetReservation | undefined {
    denied.delete(key);
    const held = pods.get(key);
    if (held === undefined) return undefined;
    pods.delete(key);
    const space = spaceOf(held.subnet);
    for (const { family, value } of parsed(held.addresses)) space.addresses[family].release(value);
    space.macs.delete(held.mac);
    if (held.infrastructure !== undefined) slices.release(held.infrastructure);
    if (held.keptBy !== undefined) keeping.setPod(held.keptBy, undefined);
    forgetUnused(held.subnet);
    return held;
  }

  /** Takes over what a pod had; says who has it now where somebody else does. */
  function grant(key: string, reservation: SubnetReservation): Outcome<SubnetReservation> {
    const space = spaceOf(reservation.subnet);
    const taken = [
      ...parsed(reservation.addresses).map((address) => ({
        text: formatAddress(address),
        pod: space.addresses[address.family].podOf(address.value),
      })),
      { text: reservation.mac, pod: space.macs.get(reservation.mac) },
    ].find(({ pod }) => pod !== undefined);
    const { infrastructure: number } = reservation;
    if (taken !== undefined || (number !== undefined && !slices.claim(switchOf(reservation), number))) {
      denied.set(key, reservation);
      const what = taken?.text ?? `the infrastructure address of ${reservation.addresses.join(" and ")}`;
      return refusal(
        "ADDRESS_CONFLICT",
        `${what} belongs to ${taken ? `pod ${taken.pod}` : "another pod"}; recreate one`,
      );
    }
    denied.delete(key);
    hold(key, reservation);
    return { kind: "reserved", value: reservation };
  }

  /** Has what the pod holds outlive it, where that is wanted. */
  function keepFor(request: SubnetRequest, held: SubnetReservation): SubnetReservation {
    const { subnet, addresses, mac, keptBy } = held;
    const namespace = namespaceOf(request.key);
    const holder = holderOfPod(request);
    const kept = keeping.of(subnet, namespace, holder);
    if (kept === undefined && !isLasting(request, spaces.get(subnet)?.record)) return held;
    if (kept !== undefined && (keeping.podOf(kept.name) ?? request.key) !== request.key) return held;
    const { wish } = request;
    const ttlSeconds = wish?.stickySeconds ?? (wish?.sticky === undefined ? statefulSetSeconds : undefined);
    const content = { addresses, mac, ttlSeconds };
    const name = kept?.name ?? keeping.keep(subnet, namespace, holder, content);
    // Where nothing is asked for, what a person writes while the pod runs is for the next one.
    const isComplete = kept === undefined || kept.addresses.length === addresses.length;
    if (kept !== undefined && !agrees(kept, held) && (!isComplete || (wish?.addresses.length ?? 0) > 0))
      keeping.override(name, content);
    if (keptBy === name) return held;
    if (keptBy !== undefined) keeping.setPod(keptBy, undefined);
    const next = Object.freeze({ ...held, keptBy: name });
    pods.set(request.key, next);
    keeping.setPod(name, request.key);
    return next;
  }

  function reserve(request: SubnetRequest): Outcome<SubnetReservation> {
    const { key, uid, node, subnet, wish } = request;
    const held = pods.get(key);
    if (held !== undefined && held.uid === uid && held.node === node)
      return { kind: "reserved", value: keepFor(request, held) };
    const claim = denied.get(key);
    if (held === undefined && claim?.uid === uid && claim.node === node) return grant(key, claim);
    release(key);
    const problem = wish?.problems[0];
    if (problem !== undefined) return { kind: "refused", problem };
    const space = spaceOf(subnet);
    const kept = keeping.of(subnet, namespaceOf(key), holderOfPod(request));
    const choice = chooseAddresses(space, request, kept, kept && keeping.podOf(kept.name));
    if (choice.kind === "refused") {
      forgetUnused(subnet);
      return choice;
    }
    const { record } = space;
    const switchKey = switchKeyOf(subnet, record !== undefined && hasSwitchPerNode(record), node);
    const number = record !== undefined && needsInfrastructure(record) ? slices.take(switchKey) : undefined;
    if (record !== undefined && needsInfrastructure(record) && number === undefined)
      return refusal("INFRASTRUCTURE_EXHAUSTED", "the infrastructure networks have no room for another pod");
    const reservation = {
      uid,
      node,
      subnet,
      addresses: choice.value.addresses.map(formatAddress),
      mac: choice.value.mac,
      infrastructure: number,
      keptBy: undefined,
    };
    hold(key, reservation);
    return { kind: "reserved", value: keepFor(request, reservation) };
  }

  /** An IPAddress for a pod that is there already is that pod's. */
  function adopt(name: string, { namespace, holder, subnet, addresses }: IpAddressRecord): void {
    const key = `${namespace}/${holder}`;
    const held = pods.get(key);
    if (held?.subnet !== subnet || held.keptBy !== undefined || keeping.podOf(name) !== undefined) return;
    if (keeping.of(subnet, namespace, holder)?.name !== name) return;
    pods.set(key, Object.freeze({ ...held, keptBy: name }));
    keeping.setPod(name, key);
    if (addresses.length === 0) {
      keeping.override(name, { addresses: held.addresses, mac: held.mac, ttlSeconds: undefined });
    }
  }

  /** Gives addresses to IPAddress objects of flat subnets that name none. */
  function fill(subnet: string): void {
    const space = spaces.get(subnet);
    if (!isRestored || space?.record === undefined || space.record.mode === "PerNode") return;
    const { networks } = space.record;
    for (const kept of keeping.inSubnet(subnet)) {
      if (kept.addresses.length >= networks.length || keeping.podOf(kept.name) !== undefined) continue;
      const request: SubnetRequest = {
        key: `${kept.namespace}/${kept.holder}`,
        uid: "",
        node: "",
        nodeNumber: 0,
        subnet,
        wish: undefined,
        workload: undefined,
        ordinal: undefined,
        pools: [],
      };
      const choice = chooseAddresses(space, request, kept, kept && keeping.podOf(kept.name));
      if (choice.kind === "refused") continue;
      const addresses = choice.value.addresses.map(formatAddress);
      keeping.override(kept.name, { addresses, mac: kept.mac, ttlSeconds: kept.ttlSeconds });
    }
  }

  /** An IPAddress of the pod's namespace that has one of its addresses keeps them for it. */
  function keeperOf(key: string, { subnet, addresses }: SubnetReservation): string | undefined {
    for (const { family, value } of parsed(addresses)) {
      const name = spaceOf(subnet).addresses[family].keeperOf(value);
      const kept = name === undefined ? undefined : keeping.get(name);
      if (kept?.namespace === namespaceOf(key) && keeping.podOf(kept.name) === undefined) return kept.name;
    }
    return undefined;
  }

  const inOrder = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

  return {
    restore(holdings, numbers, slicesOf) {
      for (const [name, number] of inOrder(numbers)) if (tenantNumbers.claim(number)) tenants.set(name, number);
      for (const [switchKey, each] of inOrder(slicesOf)) for (const slice of each) slices.claimSlice(switchKey, slice);
      const byStrength = holdings.toSorted((a, b) => a.strength - b.strength || (a.key < b.key ? -1 : 1));
      for (const { key, reservation } of byStrength) grant(key, { ...reservation, keptBy: keeperOf(key, reservation) });
      slices.dropEmpty();
      isRestored = true;
      for (const subnet of [...spaces.keys()].sort()) fill(subnet);
    },
    setSubnet(name, subnet) {
      spaceOf(name).setRecord(subnet);
      const before = perNode.get(name);
      if (subnet !== undefined) perNode.set(name, hasSwitchPerNode(subnet));
      const isMoved = before !== undefined && before !== perNode.get(name);
      if (isMoved) rehome(name);
      fill(name);
      forgetUnused(name);
      return isMoved;
    },
    isMisplaced(key) {
      const held = pods.get(key);
      if (held?.infrastructure === undefined) return false;
      return slices.switchOf(sliceOf(held.infrastructure)) !== switchOf(held);
    },
    setPool(name, pool) {
      const former = subnetOfPool.get(name);
      if (former !== undefined && former !== pool?.subnet) {
        spaceOf(former).setPool(name, undefined);
        forgetUnused(former);
      }
      if (pool === undefined) {
        subnetOfPool.delete(name);
      } else {
        subnetOfPool.set(name, pool.subnet);
        spaceOf(pool.subnet).setPool(name, pool);
      }
    },
    setKept(name, record) {
      const former = keeping.get(name)?.subnet;
      keeping.setRecord(name, record);
      if (record !== undefined) {
        adopt(name, record);
        fill(record.subnet);
      }
      if (former !== undefined) forgetUnused(former);
    },
    reserve,
    release,
    reservation: (key) => pods.get(key),
    reservations: () => pods.entries(),
    holderOf(subnet, text) {
      const address = parseAddress(text);
      const space = spaces.get(subnet);
      return address && space && holderText(space, address);
    },
    podAt(subnet, text) {
      const address = parseAddress(text);
      return address && spaces.get(subnet)?.addresses[address.family].podOf(address.value);
    },
    keeperAt(subnet, text) {
      const address = parseAddress(text);
      return address && spaces.get(subnet)?.addresses[address.family].keeperOf(address.value);
    },
    reserveTenant(name) {
      const value = tenants.get(name) ?? tenantNumbers.take();
      if (value === undefined)
        return refusal("INFRASTRUCTURE_EXHAUSTED", `all ${mostTenants} links of the infrastructure networks are taken`);
      tenants.set(name, value);
      return { kind: "reserved", value };
    },
    releaseTenant(name) {
      const number = tenants.get(name);
      if (number === undefined) return;
      tenants.delete(name);
      tenantNumbers.release(number);
    },
    slicesOf: slices.of,
    isInUse,
    usageOf: (subnet) => usageOfSpace(spaces.get(subnet)),
    usageOfPool: (pool) => usageOfPool(spaces.get(subnetOfPool.get(pool) ?? ""), pool),
    kept: keeping.all,
    keptBy: keeping.get,
    podOfKept: keeping.podOf,
    isWritten: keeping.isWritten,
    forgetKept(name) {
      const subnet = keeping.get(name)?.subnet;
      keeping.forget(name);
      if (subnet !== undefined) forgetUnused(subnet);
    },
    onKept: keeping.onChange,
  };
}
