import { nodeNetworkAnnotation, podNetworkAnnotation, readAnnotation } from "@ovenbird/kube";
import type { Problem } from "../state/object-problem.ts";
import { locate } from "./block.ts";
import type { NetworkConfig } from "./network-config.ts";
import type { PodReservation } from "./reservation.ts";

/** A northbound row of ours that bears addresses: a port of a pod, or a node's management port. */
export interface ReservedRow {
  /** `external_ids:ovenbird.io/owner`: `Pod/namespace/name`, or `Node/name#part`. */
  readonly owner: string;
  /** `Logical_Switch_Port.addresses` as they are (`"MAC IP IP"`), or plain addresses, with or without prefix length. */
  readonly addresses: readonly string[];
  /** `options:iface-id-ver`: the uid of the pod for which the row was written. */
  readonly uid?: string | undefined;
  /** `external_ids:ovenbird.io/subnet` of a pod's port, where its addresses are a Subnet's. */
  readonly subnet?: string | undefined;
}

/** What must be known of a pod to restore its reservation; a `PodRecord` serves. */
export interface RestoredPod {
  readonly key: string;
  readonly uid: string;
  readonly nodeName: string | undefined;
  readonly hostNetwork: boolean;
  readonly finished: boolean;
  readonly networkAnnotation: string | undefined;
}

/** What must be known of a node to restore its block; a `NodeRecord` serves. */
export interface RestoredNode {
  readonly key: string;
  readonly networkAnnotation: string | undefined;
}

export interface RestoreInput {
  readonly rows: readonly ReservedRow[];
  readonly pods: readonly RestoredPod[];
  readonly nodes: readonly RestoredNode[];
}

/** How much speaks for a claim: NB and annotation agree, NB alone, the annotation alone. Lower goes first. */
type Strength = 0 | 1 | 2;

/** What a pod held before the restart, as far as the records tell. */
export interface PodClaim {
  readonly key: string;
  readonly nodeName: string;
  readonly strength: Strength;
  readonly reservation: PodReservation;
}

export interface NodeClaim {
  readonly name: string;
  readonly strength: Strength;
  readonly block: number;
}

export interface Claims {
  /** In the order in which they are to be granted: it depends on nothing but what was read. */
  readonly nodes: readonly NodeClaim[];
  readonly pods: readonly PodClaim[];
  /** What rows of pods that are gone hold: free, but to be used again last. */
  readonly abandoned: readonly PodReservation[];
  /** Announced addresses that can't be kept; by pod key. */
  readonly problems: ReadonlyMap<string, Problem>;
}

function reservationOf(network: NetworkConfig, uid: string, addresses: readonly string[]): PodReservation | undefined {
  let block: number | undefined;
  let ipv4Offset: number | undefined;
  let ipv6Offset: number | undefined;
  for (const text of addresses) {
    const place = locate(network, text);
    if (place === undefined) continue;
    if (block !== undefined && block !== place.block) return undefined;
    block = place.block;
    if (place.family === 4) ipv4Offset = place.offset;
    else ipv6Offset = place.offset;
  }
  return block === undefined ? undefined : { uid, block, ipv4Offset, ipv6Offset };
}

const agree = (a: PodReservation, b: PodReservation): boolean =>
  a.block === b.block && a.ipv4Offset === b.ipv4Offset && a.ipv6Offset === b.ipv6Offset;

const words = (addresses: readonly string[]): string[] => addresses.flatMap((text) => text.split(" "));

function byStrength<T extends { readonly strength: Strength }>(name: (claim: T) => string) {
  return (a: T, b: T): number => a.strength - b.strength || (name(a) < name(b) ? -1 : 1);
}

interface Held {
  readonly uid: string | undefined;
  readonly reservation: PodReservation;
}

function podClaim(network: NetworkConfig, pod: RestoredPod, row: Held | undefined): PodClaim | Problem | undefined {
  const { key, uid, nodeName } = pod;
  if (nodeName === undefined || pod.hostNetwork || pod.finished) return undefined;
  const annotation = readAnnotation(podNetworkAnnotation, pod.networkAnnotation);
  // A row or an annotation for another uid speaks of an earlier pod of that name, or was copied by a template.
  const inRow = row !== undefined && (row.uid ?? uid) === uid ? { ...row.reservation, uid } : undefined;
  const isAnnounced = annotation.kind === "valid" && annotation.value.uid === uid;
  const announced = isAnnounced ? reservationOf(network, uid, annotation.value.addresses) : undefined;
  if (inRow !== undefined) {
    const strength = announced !== undefined && agree(announced, inRow) ? 0 : 1;
    return { key, nodeName, strength, reservation: inRow };
  }
  if (announced !== undefined) return { key, nodeName, strength: 2, reservation: announced };
  // Addresses of a Subnet are restored elsewhere.
  if (isAnnounced && annotation.value.subnet === undefined) {
    const addresses = annotation.value.addresses.join(" and ");
    return { code: "ADDRESS_OUTSIDE_BLOCK", message: `${addresses} isn't in the cluster's networks; recreate the pod` };
  }
  return undefined;
}

function nodeClaims(network: NetworkConfig, input: RestoreInput, pods: readonly PodClaim[]): NodeClaim[] {
  const claims = new Map<string, NodeClaim>();
  const add = (name: string, strength: Strength, block: number): void => {
    if (block < network.maxNodes && !claims.has(name)) claims.set(name, { name, strength, block });
  };
  for (const { owner, addresses } of input.rows) {
    const name = /^Node\/([^#]+)/.exec(owner)?.[1];
    const block = name === undefined ? undefined : reservationOf(network, "", words(addresses))?.block;
    if (name !== undefined && block !== undefined) add(name, 0, block);
  }
  for (const { key, networkAnnotation } of input.nodes) {
    const annotation = readAnnotation(nodeNetworkAnnotation, networkAnnotation);
    const place = annotation.kind === "valid" ? locate(network, annotation.value.subnets[0] ?? "") : undefined;
    if (place !== undefined) add(key, 1, place.block);
  }
  // A node object that is away for a moment has neither rows nor annotation, but its pods still have their addresses.
  for (const { nodeName, reservation } of pods) add(nodeName, 2, reservation.block);
  return [...claims.values()].sort(byStrength(({ name }) => name));
}

/** Reads from rows and annotations who held what before the restart. */
export function readClaims(network: NetworkConfig, input: RestoreInput): Claims {
  const held = new Map<string, Held>();
  for (const { owner, addresses, uid } of input.rows) {
    const key = /^Pod\/([^#]+)/.exec(owner)?.[1];
    const reservation = key === undefined ? undefined : reservationOf(network, "", words(addresses));
    if (key !== undefined && reservation !== undefined) held.set(key, { uid, reservation });
  }
  const problems = new Map<string, Problem>();
  const pods: PodClaim[] = [];
  for (const pod of input.pods) {
    const claim = podClaim(network, pod, held.get(pod.key));
    if (claim === undefined) continue;
    if ("code" in claim) problems.set(pod.key, claim);
    else pods.push(claim);
    if (!("code" in claim) && claim.strength < 2) held.delete(pod.key);
  }
  pods.sort(byStrength(({ key }) => key));
  const abandoned = [...held].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { reservation }]) => reservation);
  return { nodes: nodeClaims(network, input, pods), pods, abandoned, problems };
}
