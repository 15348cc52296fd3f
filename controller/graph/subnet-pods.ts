import { podNetworkAnnotation, readAnnotation } from "@ovenbird/kube";
import { contains, parseAddress } from "../ipam/address.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { SubnetIpam } from "../ipam/subnet-ipam.ts";
import type { SubnetReservation } from "../ipam/subnet-reservation.ts";
import type { Labels } from "../state/labels.ts";
import type { Problem } from "../state/object-problem.ts";
import type { PodRecord } from "../state/pod.ts";
import { labelsInTenant } from "../state/tenant-labels.ts";
import { defaultTenant } from "../translate/names.ts";
import type { SubnetPlacement } from "../translate/tenancy.ts";
import { switchKey } from "./subnet-switches.ts";
import type { SubnetGraph } from "./subnets.ts";
import type { PodNetworkChoice, Tenancy } from "./tenancy.ts";
import { createWaitingPods } from "./waiting-pods.ts";

export interface SubnetPodsOptions {
  readonly network: NetworkConfig;
  readonly ipam: Ipam;
  readonly subnetIpam: SubnetIpam;
  readonly tenancy: Tenancy;
  readonly subnets: SubnetGraph;
}

/** Which pods have their addresses in subnets, and what those wait for who have none. */
export interface SubnetPods {
  held(key: string): SubnetReservation | undefined;
  /** Whether it can't be where it holds addresses; or that is a subnet that is no more, and it was never told of them. */
  isStranded(pod: PodRecord): boolean;
  /** All that hold something. */
  restored(): readonly string[];
  /**
   * The pods as far as they can be believed after a restart: of those that were told of a network that isn't their tenant's only
   * their rows speak, for whoever may change pods may have told them.
   */
  credible(pods: readonly PodRecord[]): readonly PodRecord[];
  /** Frees what the pod holds. @returns who shall try again */
  release(key: string): readonly string[];
  /** The pod is gone, or wants no port any more. */
  forget(key: string): void;
  /** Finds out in whose network the pod shall be, unless it is in one, and gives it addresses if that is a subnet. */
  reserve(pod: PodRecord & { readonly nodeName: string }): void;
  /** What `reserve` came to: why it gets nothing, if that is it. @param isInBlock whether it holds addresses of its node's block */
  choiceOf(pod: PodRecord, isInBlock: boolean): "cluster" | "subnet" | readonly Problem[];
  placementOf(reservation: SubnetReservation): SubnetPlacement | undefined;
  /** What its user has to know although it has a port. @param reservation none where its addresses are of its node's block */
  problemsOf(pod: PodRecord, reservation: SubnetReservation | undefined): readonly Problem[];
  /** By what policies know the pod now. */
  labelsOf(pod: PodRecord): Labels;
  labelsOf(pod: PodRecord | undefined): Labels | undefined;
  /** By what they shall know it. */
  tagged(pod: PodRecord): Labels;
  /** Everybody who was refused shall try again. */
  wakeAll(): void;
  /** Those who wait for addresses of a subnet shall. */
  wake(subnet: string): void;
  takeWoken(): readonly string[];
  /** The pod that has an address which is one of a kind in the cluster. */
  at(address: string): string | undefined;
  /** Those that have it in their tenants, and another one for everybody. */
  ownAt(address: string): readonly string[];
  /** The pod whose addresses an IPAddress keeps. */
  keptBy(name: string): string | undefined;
  refusalOf(key: string): Problem | undefined;
  takeChangedRefusals(): readonly string[];
}

const noProblems: readonly Problem[] = Object.freeze([]);

interface Refusal {
  readonly uid: string;
  /** Absent while it isn't known where the pod belongs. */
  readonly problem: Problem | undefined;
  /** The switch on which it waits for addresses. */
  readonly waitsOn: string | undefined;
}

const exhausted: ReadonlySet<string> = new Set([
  "SUBNET_EXHAUSTED",
  "SUBNET_POOL_EXHAUSTED",
  "INFRASTRUCTURE_EXHAUSTED",
]);

export function createSubnetPods(options: SubnetPodsOptions): SubnetPods {
  const { network, ipam, subnetIpam, tenancy, subnets } = options;
  const refusals = new Map<string, Refusal>();
  const changedRefusals = new Set<string>();
  const waiting = createWaitingPods();
  const switchesAwaited = new Map<string, Set<string>>();
  const woken = new Set<string>();
  /** The tenants of pods that have infrastructure addresses, as policies know them. */
  const tags = new Map<string, string>();
  const byNumber = new Map<number, string>();
  const byOwnAddress = new Map<string, Set<string>>();
  const byKept = new Map<string, string>();
  let isRestored = false;

  function note(key: string, reservation: SubnetReservation): void {
    subnets.noteHeld(key, reservation);
    if (reservation.infrastructure !== undefined) byNumber.set(reservation.infrastructure, key);
    if (reservation.keptBy !== undefined) byKept.set(reservation.keptBy, key);
    for (const address of reservation.addresses) {
      const holders = byOwnAddress.get(address);
      if (holders === undefined) byOwnAddress.set(address, new Set([key]));
      else holders.add(key);
    }
  }

  function unnote(key: string, reservation: SubnetReservation): void {
    subnets.noteReleased(key, reservation);
    const { infrastructure, keptBy } = reservation;
    if (infrastructure !== undefined && byNumber.get(infrastructure) === key) byNumber.delete(infrastructure);
    if (keptBy !== undefined && byKept.get(keptBy) === key) byKept.delete(keptBy);
    for (const address of reservation.addresses) {
      const holders = byOwnAddress.get(address);
      holders?.delete(key);
      if (holders?.size === 0) byOwnAddress.delete(address);
    }
  }

  /** What was restored is held from the first question on. */
  function takeRestored(): void {
    if (isRestored) return;
    isRestored = true;
    for (const [key, reservation] of subnetIpam.reservations()) note(key, reservation);
  }

  function stopWaiting(key: string): void {
    const on = refusals.get(key)?.waitsOn;
    if (on !== undefined) waiting.remove(on, key);
  }

  function settle(key: string, refusal: Refusal | undefined): void {
    const before = refusals.get(key);
    stopWaiting(key);
    if (refusal === undefined) refusals.delete(key);
    else refusals.set(key, refusal);
    const isSame =
      before?.uid === refusal?.uid &&
      before?.problem?.code === refusal?.problem?.code &&
      before?.problem?.message === refusal?.problem?.message;
    if (!isSame) changedRefusals.add(key);
  }

  function switchOf(subnet: string, node: string): string {
    const record = tenancy.subnets.get(subnet);
    return record === undefined ? subnet : switchKey(record, node);
  }

  /** The subnet that the pod was told of; empty for its node's block. */
  function toldSubnet({ uid, networkAnnotation }: PodRecord): string | undefined {
    if (networkAnnotation === undefined) return undefined;
    const annotation = readAnnotation(podNetworkAnnotation, networkAnnotation);
    if (annotation.kind !== "valid" || annotation.value.uid !== uid) return undefined;
    return annotation.value.subnet ?? "";
  }

  /** Whether the pod could be where it was told to be. */
  function isToldTruly(pod: PodRecord): boolean {
    const subnet = toldSubnet(pod);
    if (subnet === undefined) return true;
    const whose = subnet === "" ? defaultTenant : tenancy.subnets.get(subnet)?.tenant;
    return whose === undefined || whose === tenancy.tenantOf(pod.namespace);
  }

  /**
   * A pod stays in the network that it was told of. But whoever may change pods may have told it that: what isn't its tenant's is
   * not heeded, for what it holds of another one, since before its namespace moved, it holds by its port.
   */
  function announced(pod: PodRecord): PodNetworkChoice | undefined {
    const subnet = toldSubnet(pod);
    if (subnet === undefined) return undefined;
    const tenant = tenancy.tenantOf(pod.namespace);
    if (subnet === "") return tenant === defaultTenant ? { kind: "cluster" } : undefined;
    const resolved = tenancy.resolution.subnets.get(subnet);
    if (resolved !== undefined) return resolved.record.tenant === tenant ? { kind: "subnet", subnet } : undefined;
    const message = `the pod is in subnet ${subnet}, which isn't there any more or can't be used; recreate the pod`;
    return { kind: "refused", problem: { code: "SUBNET_NOT_FOUND", message } };
  }

  function awaitAddress(key: string, subnet: string, on: string, reason: "exhausted" | "conflict"): void {
    waiting.add(on, key, reason);
    const awaited = switchesAwaited.get(subnet);
    if (awaited === undefined) switchesAwaited.set(subnet, new Set([on]));
    else awaited.add(on);
  }

  function labelsOf(pod: PodRecord): Labels;
  function labelsOf(pod: PodRecord | undefined): Labels | undefined;
  function labelsOf(pod: PodRecord | undefined): Labels | undefined {
    const tag = pod && tags.get(pod.key);
    return tag === undefined ? pod?.selectionLabels : pod && labelsInTenant(pod.selectionLabels, tag);
  }

  function keep({ key, uid, request, workload, ordinal }: PodRecord, held: SubnetReservation): void {
    const { node, subnet } = held;
    const nodeNumber = ipam.blockOf(node) ?? 0;
    const asked = { key, uid, node, nodeNumber, subnet, wish: request, workload, ordinal, pools: [] };
    const outcome = subnetIpam.reserve(asked);
    if (outcome.kind !== "reserved" || outcome.value === held) return;
    unnote(key, held);
    note(key, outcome.value);
  }

  return {
    held(key) {
      takeRestored();
      return subnetIpam.reservation(key);
    },
    isStranded(pod) {
      const held = subnetIpam.reservation(pod.key);
      if (held === undefined) return false;
      if (tenancy.hasNetworks(held.subnet)) return subnetIpam.isMisplaced(pod.key);
      return toldSubnet(pod) !== held.subnet;
    },
    credible(pods) {
      if (!tenancy.isUsed) return pods;
      return pods.map((pod) => (isToldTruly(pod) ? pod : { ...pod, networkAnnotation: undefined }));
    },
    restored() {
      takeRestored();
      return [...subnetIpam.reservations()].map(([key]) => key);
    },
    release(key) {
      takeRestored();
      const held = subnetIpam.release(key);
      if (held === undefined) return [];
      unnote(key, held);
      return waiting.next(switchOf(held.subnet, held.node), 1);
    },
    forget(key) {
      tags.delete(key);
      settle(key, undefined);
    },
    reserve(pod) {
      const { key, uid, nodeName } = pod;
      const held = subnetIpam.reservation(key);
      if (held?.uid === uid) {
        if (refusals.has(key)) settle(key, undefined);
        // What outlives the pod may not have been written before a restart.
        const isLasting = pod.request?.sticky !== undefined || pod.ordinal !== undefined;
        if (held.keptBy === undefined && isLasting) keep(pod, held);
        return;
      }
      const isPlain = pod.request === undefined && pod.networkAnnotation === undefined;
      const chosen = isPlain && !tenancy.isUsed ? { kind: "cluster" as const } : tenancy.choose(pod);
      const isPlaceKnown = chosen.kind !== "refused" || chosen.problem !== undefined;
      const choice = (isPlaceKnown ? announced(pod) : undefined) ?? chosen;
      if (choice.kind === "cluster") {
        if (refusals.has(key)) settle(key, undefined);
        return;
      }
      if (choice.kind === "refused") {
        settle(key, { uid, problem: choice.problem, waitsOn: undefined });
        return;
      }
      const { subnet } = choice;
      const outcome = subnetIpam.reserve({
        key,
        uid,
        node: nodeName,
        nodeNumber: ipam.blockOf(nodeName) ?? 0,
        subnet,
        wish: pod.request,
        workload: pod.workload,
        ordinal: pod.ordinal,
        pools: tenancy.poolsFor(pod, subnet),
      });
      if (outcome.kind === "refused") {
        const { problem } = outcome;
        const waitsOn = switchOf(subnet, nodeName);
        settle(key, { uid, problem, waitsOn });
        awaitAddress(key, subnet, waitsOn, exhausted.has(problem.code) ? "exhausted" : "conflict");
        return;
      }
      settle(key, undefined);
      note(key, outcome.value);
    },
    choiceOf({ key, uid }, isInBlock) {
      if (subnetIpam.reservation(key)?.uid === uid) return "subnet";
      if (isInBlock) return "cluster";
      const refusal = refusals.get(key);
      if (refusal?.uid !== uid) return "cluster";
      return refusal.problem === undefined ? [] : [refusal.problem];
    },
    placementOf: ({ subnet, node }) => subnets.placementOf(subnet, node),
    problemsOf({ namespace }, reservation) {
      const own = (reservation && tenancy.subnets.get(reservation.subnet)?.tenant) ?? defaultTenant;
      const tenant = tenancy.tenantOf(namespace);
      if (tenant === own) return noProblems;
      const message = `namespace ${namespace} is in tenant ${tenant} now, and the pod still in ${own}; recreate the pod`;
      return [{ code: "NAMESPACE_MOVED", message }];
    },
    labelsOf,
    tagged(pod) {
      const held = subnetIpam.reservation(pod.key);
      const isTagged = held?.uid === pod.uid && held.infrastructure !== undefined;
      if (isTagged) tags.set(pod.key, tenancy.subnets.get(held.subnet)?.tenant ?? defaultTenant);
      else tags.delete(pod.key);
      return labelsOf(pod);
    },
    wakeAll() {
      for (const key of refusals.keys()) woken.add(key);
    },
    wake(subnet) {
      for (const on of switchesAwaited.get(subnet) ?? []) {
        for (const key of waiting.next(on, Number.POSITIVE_INFINITY)) woken.add(key);
      }
      switchesAwaited.delete(subnet);
    },
    takeWoken() {
      const keys = [...woken];
      woken.clear();
      return keys;
    },
    at(address) {
      const parsed = parseAddress(address);
      if (parsed === undefined) return undefined;
      const cidr = network.infrastructure.find((candidate) => contains(candidate, parsed));
      if (cidr !== undefined) return byNumber.get(Number(parsed.value - cidr.base));
      for (const key of byOwnAddress.get(address) ?? []) {
        if (subnetIpam.reservation(key)?.infrastructure === undefined) return key;
      }
      return undefined;
    },
    ownAt: (address) =>
      [...(byOwnAddress.get(address) ?? [])]
        .filter((key) => subnetIpam.reservation(key)?.infrastructure !== undefined)
        .sort(),
    keptBy: (name) => byKept.get(name),
    refusalOf: (key) => refusals.get(key)?.problem,
    takeChangedRefusals() {
      const keys = [...changedRefusals];
      changedRefusals.clear();
      return keys;
    },
  };
}
