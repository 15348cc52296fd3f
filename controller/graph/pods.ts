import { podNetworkAnnotation, readAnnotation } from "@ovenbird/kube";
import { locate } from "../ipam/block.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { SubnetReservation } from "../ipam/subnet-reservation.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import type { PodRecord } from "../state/pod.ts";
import type { BundleChange } from "../translate/desired.ts";
import { ownerText } from "../translate/owner.ts";
import { PodBundle, type PodPlacement, podOwner } from "../translate/pod-port.ts";
import type { PodPort } from "../translate/pod-port-kinds.ts";
import { SubnetPodBundle } from "../translate/subnet-pod-port.ts";
import { networkOfPort } from "./network-of-port.ts";
import { noPlaces, samePlaces } from "./pod-class.ts";
import type { ProblemLog } from "./problem-log.ts";
import type { SelectorIndex } from "./selector-index.ts";
import type { SubnetPods } from "./subnet-pods.ts";
import { createWaitingPods } from "./waiting-pods.ts";

export interface PodGraphOptions {
  readonly network: NetworkConfig;
  readonly ipam: Ipam;
  readonly problems: ProblemLog;
  readonly report: (problem: ObjectProblem) => void;
  /** Kept up to date with the pods that shall have ports. */
  readonly index: SelectorIndex;
  /** Pods that have, or shall have, their addresses elsewhere than in their node's block. */
  readonly subnets: SubnetPods;
  placementOf(node: string): PodPlacement | undefined;
}

/** The part of the graph that gives pods their addresses, and makes the bundles of their ports. */
export interface PodGraph {
  /** The newest that were applied. */
  readonly records: ReadonlyMap<string, PodRecord>;
  apply(key: string, pod: PodRecord | undefined): void;
  /** The pods of a node may have to have other ports. */
  touchNode(name: string): void;
  touch(key: string): void;
  /** Those whose namespaces are another tenant's than theirs, or are so no more, have something else to say. */
  touchMoved(namespaces: "all" | ReadonlySet<string>): void;
  /**
   * Gives up addresses that nobody wants any more, and lets those try again who waited for what became free.
   * @param all whether what is held by pods that nobody knows is given up too
   * @returns the nodes whose blocks lost a pod
   */
  release(all: boolean): ReadonlySet<string>;
  /** Gives addresses of subnets to those that shall have some and have none; before what depends on whose pods are whose. */
  reserve(): void;
  /**
   * @param restored owners that had rows before the start: their pods are not new
   * @param inSteps whether pods stay in groups that shut them until what else changes is in place
   */
  flush(restored: ReadonlySet<string>, inSteps: boolean): PodChanges;
  bundleOf(key: string): PodPort | undefined;
  /** The pod whose port has the address. */
  at(address: string): string | undefined;
  readonly ports: number;
}

export interface PodChanges {
  readonly gone: readonly BundleChange[];
  /** Pods that had ports; they are still in the groups that shut pods, where they leave them only with `opened`. */
  readonly changed: readonly BundleChange[];
  /** New pods, those first that replace one of their name. */
  readonly added: readonly BundleChange[];
  /** Pods that leave groups that shut pods, for when that is in place which may shut them instead. */
  readonly opened: readonly BundleChange[];
}

/** Whether the pod shall have a port of ours once its node has one. */
export function wantsPort(pod: PodRecord | undefined): pod is PodRecord & { readonly nodeName: string } {
  return pod !== undefined && pod.nodeName !== undefined && !pod.hostNetwork && !pod.finished && pod.uid !== "";
}

export function createPodGraph(options: PodGraphOptions): PodGraph {
  const { network, ipam, problems, report, index, subnets, placementOf } = options;
  const records = new Map<string, PodRecord>();
  const podsOfNode = new Map<string, Set<string>>();
  /** As of the last flush. */
  const ports = new Map<string, PodPort>();
  const dirty = new Set<string>();
  /** Dirty ones that hold no addresses yet: new pods, or other ones than those whose ports there are. */
  const fresh = new Set<string>();
  const waiting = createWaitingPods();
  /** Pods that stay in a tenant that their namespace has left. */
  const leftBehind = new Set<string>();

  /** What is to be known of a pod that has a port. */
  function tell(pod: PodRecord, reservation: SubnetReservation | undefined): void {
    const said = subnets.problemsOf(pod, reservation);
    if (said.length > 0) leftBehind.add(pod.key);
    else leftBehind.delete(pod.key);
    // A limit that can't be read any more is none: whoever changed it is to know.
    const unread = pod.request?.problems ?? [];
    problems.set({ kind: "Pod", key: pod.key, uid: pod.uid }, unread.length === 0 ? said : [...said, ...unread]);
  }

  function leaveNode(pod: PodRecord): void {
    if (pod.nodeName === undefined) return;
    waiting.remove(pod.nodeName, pod.key);
    const siblings = podsOfNode.get(pod.nodeName);
    siblings?.delete(pod.key);
    if (siblings?.size === 0) podsOfNode.delete(pod.nodeName);
  }

  function enterNode(pod: PodRecord): void {
    if (pod.nodeName === undefined) return;
    const siblings = podsOfNode.get(pod.nodeName);
    if (siblings === undefined) podsOfNode.set(pod.nodeName, new Set([pod.key]));
    else siblings.add(pod.key);
  }

  function reclassify(old: PodRecord | undefined, pod: PodRecord | undefined): void {
    const was = wantsPort(old) ? old : undefined;
    const is = wantsPort(pod) ? pod : undefined;
    const labels = subnets.labelsOf(was);
    const now = subnets.labelsOf(is);
    if (was !== undefined && is !== undefined && labels === now) return;
    if (was !== undefined && labels !== undefined) index.removePod(was.namespace, labels, was.key);
    if (is !== undefined && now !== undefined) index.addPod(is.namespace, now, is.key);
  }

  /** What policies know it by, once it is known in whose subnet it is. */
  function retag(pod: PodRecord): void {
    const before = subnets.labelsOf(pod);
    const now = subnets.tagged(pod);
    if (before === now || before === undefined) return;
    index.removePod(pod.namespace, before, pod.key);
    index.addPod(pod.namespace, now, pod.key);
  }

  /** Only what isn't the very text that we wrote is worth a look. */
  function checkAnnotation({ key, uid, networkAnnotation }: PodRecord): void {
    if (networkAnnotation === undefined) return;
    const port = ports.get(key);
    if (port !== undefined && networkAnnotation === JSON.stringify(networkOfPort(network, port))) return;
    const annotation = readAnnotation(podNetworkAnnotation, networkAnnotation);
    if (annotation.kind !== "invalid") return;
    report({ code: "INVALID_NETWORK_ANNOTATION", message: annotation.reason, object: { kind: "Pod", key, uid } });
  }

  /** Gives up addresses that nobody wants any more, and says how many became free in which block. */
  function releaseAddresses(all: boolean, vacated: Set<string>): Map<number, number> {
    const freed = new Map<number, number>();
    const release = (key: string): void => {
      const inSubnet = subnets.held(key);
      if (inSubnet !== undefined) vacated.add(inSubnet.node);
      for (const woken of subnets.release(key)) dirty.add(woken);
      const block = ipam.releasePod(key);
      if (block !== undefined) freed.set(block, (freed.get(block) ?? 0) + 1);
    };
    if (all) {
      for (const [key] of ipam.podReservations()) if (!wantsPort(records.get(key))) release(key);
      for (const key of subnets.restored()) if (!wantsPort(records.get(key))) release(key);
    }
    for (const key of dirty) {
      const pod = records.get(key);
      if (!wantsPort(pod)) {
        release(key);
        subnets.forget(key);
        problems.forget("Pod", key);
        continue;
      }
      const inSubnet = subnets.held(key);
      if (inSubnet !== undefined) {
        if (inSubnet.uid !== pod.uid) fresh.add(key);
        if (inSubnet.uid !== pod.uid || inSubnet.node !== pod.nodeName || subnets.isStranded(pod)) release(key);
        continue;
      }
      const held = ipam.podReservation(key);
      if (held?.uid !== pod.uid) fresh.add(key);
      if (held === undefined) continue;
      if (held.uid !== pod.uid || ipam.nodeOf(held.block) !== pod.nodeName) release(key);
    }
    return freed;
  }

  /** The port of a pod that holds addresses of a subnet. */
  function subnetPortOf(pod: PodRecord & { readonly nodeName: string }): PodPort | undefined {
    const { key } = pod;
    const reservation = subnets.held(key);
    const placement = reservation && subnets.placementOf(reservation);
    if (reservation === undefined || placement === undefined) return undefined;
    tell(pod, reservation);
    const before = ports.get(key);
    const places = index.classOf(pod.namespace, subnets.labelsOf(pod) ?? pod.selectionLabels)?.places ?? noPlaces;
    const qos = pod.request?.qos;
    if (before?.placement === placement && before.reservation === reservation && before.qos === qos) {
      return samePlaces(before.places, places) ? before : before.at(places);
    }
    return new SubnetPodBundle(key, placement, reservation, qos, places);
  }

  /** The pod's port as it shall be; reserves its addresses where those are of its node's block. */
  function portOf(key: string): PodPort | undefined {
    const pod = records.get(key);
    if (!wantsPort(pod)) return undefined;
    waiting.remove(pod.nodeName, key);
    const object = { kind: "Pod", key, uid: pod.uid } as const;
    const placement = placementOf(pod.nodeName);
    const choice = subnets.choiceOf(pod, ipam.podReservation(key)?.uid === pod.uid);
    if (choice === "subnet") return subnetPortOf(pod);
    if (placement === undefined) {
      problems.set(object, []);
      return undefined;
    }
    if (choice !== "cluster") {
      problems.set(object, choice);
      return undefined;
    }
    const outcome = ipam.reservePod(key, pod.uid, pod.nodeName);
    if (outcome.kind === "refused") {
      const { code } = outcome.problem;
      if (code === "BLOCK_EXHAUSTED") waiting.add(pod.nodeName, key, "exhausted");
      if (code === "ADDRESS_CONFLICT") waiting.add(pod.nodeName, key, "conflict");
      problems.set(object, [outcome.problem]);
      return undefined;
    }
    tell(pod, undefined);
    const before = ports.get(key);
    const places = index.classOf(pod.namespace, pod.selectionLabels)?.places ?? noPlaces;
    const qos = pod.request?.qos;
    if (before?.placement === placement && before.reservation === outcome.value && before.qos === qos) {
      return samePlaces(before.places, places) ? before : before.at(places);
    }
    return new PodBundle(key, placement, outcome.value, places, undefined, qos);
  }

  return {
    records,
    apply(key, pod) {
      const old = records.get(key);
      if (old === undefined && pod === undefined) return;
      if (pod === undefined) records.delete(key);
      else records.set(key, pod);
      if (old?.networkAnnotation !== pod?.networkAnnotation && pod !== undefined) checkAnnotation(pod);
      const isSame =
        old !== undefined &&
        pod !== undefined &&
        old.uid === pod.uid &&
        old.nodeName === pod.nodeName &&
        old.hostNetwork === pod.hostNetwork &&
        old.finished === pod.finished &&
        old.request === pod.request &&
        old.workload === pod.workload &&
        old.selectionLabels === pod.selectionLabels;
      if (isSame) return;
      reclassify(old, pod);
      if (old !== undefined) leaveNode(old);
      if (pod !== undefined) enterNode(pod);
      dirty.add(key);
    },
    touchNode(name) {
      for (const key of podsOfNode.get(name) ?? []) dirty.add(key);
    },
    touch(key) {
      dirty.add(key);
    },
    touchMoved(namespaces) {
      if (namespaces !== "all" && namespaces.size === 0) return;
      for (const key of ports.keys()) {
        const pod = records.get(key);
        if (pod === undefined || (namespaces !== "all" && !namespaces.has(pod.namespace))) continue;
        const isLeft = subnets.problemsOf(pod, subnets.held(key)).length > 0;
        if (isLeft !== leftBehind.has(key)) dirty.add(key);
      }
    },
    release(all) {
      const vacated = new Set<string>();
      for (const [block, count] of releaseAddresses(all, vacated)) {
        const node = ipam.nodeOf(block);
        if (node === undefined) continue;
        vacated.add(node);
        for (const key of waiting.next(node, count)) dirty.add(key);
      }
      return vacated;
    },
    reserve() {
      for (const key of subnets.takeWoken()) dirty.add(key);
      for (const key of dirty) {
        const pod = records.get(key);
        if (!wantsPort(pod)) continue;
        const isInBlock = ipam.podReservation(key)?.uid === pod.uid;
        if (!isInBlock && placementOf(pod.nodeName) !== undefined) subnets.reserve(pod);
        retag(pod);
      }
    },
    flush(restored, inSteps) {
      const gone: BundleChange[] = [];
      const changed: BundleChange[] = [];
      const renewed: BundleChange[] = [];
      const added: BundleChange[] = [];
      const opened: BundleChange[] = [];
      for (const key of dirty) {
        const before = ports.get(key);
        const port = portOf(key);
        if (port === before) continue;
        const owner = podOwner(key);
        if (port === undefined) {
          ports.delete(key);
          leftBehind.delete(key);
          gone.push({ owner, bundle: undefined });
          continue;
        }
        ports.set(key, port);
        const change = { owner, bundle: port };
        const isThere = before !== undefined || (restored.size > 0 && restored.has(ownerText(owner)));
        if (!isThere) added.push(change);
        else if (fresh.has(key)) renewed.push(change);
        else if (before === undefined) changed.push(change);
        else {
          const guarded = inSteps && before.reservation === port.reservation ? port.keepingGuards(before) : port;
          if (guarded !== before) changed.push({ owner, bundle: guarded });
          if (guarded !== port) opened.push(change);
        }
      }
      dirty.clear();
      fresh.clear();
      // A new port may have an address that another gave up, so it comes after it.
      return { gone, changed, added: [...renewed, ...added], opened };
    },
    bundleOf: (key) => ports.get(key),
    at(address) {
      const inSubnet = subnets.at(address);
      if (inSubnet !== undefined) return inSubnet;
      const place = locate(network, address);
      const node = place && ipam.nodeOf(place.block);
      if (place === undefined || node === undefined) return undefined;
      const offset = place.family === 4 ? "ipv4Offset" : "ipv6Offset";
      for (const key of podsOfNode.get(node) ?? []) {
        const held = ipam.podReservation(key);
        if (ports.has(key) && held?.block === place.block && held[offset] === place.offset) return key;
      }
      return undefined;
    },
    get ports() {
      return ports.size;
    },
  };
}
