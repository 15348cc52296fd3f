import type { Labels } from "../state/labels.ts";
import { joinedRows, type PodPlace } from "../translate/pod-port.ts";
import type { Selection } from "./selector-index.ts";

/**
 * Pods of one namespace with the same labels and the same named ports: no selector can tell them apart, so what selects them
 * is found once, and what they are members of is kept once.
 */
export interface PodClass {
  readonly namespace: string;
  readonly labels: Labels;
  /** The keys of its pods; never empty. */
  readonly pods: Set<string>;
  /** Few: a list is far smaller than a set. */
  readonly selections: Selection[];
  /** What its pods are members of, as of the last flush; sorted by row. */
  places: readonly PodPlace[];
}

export const noPlaces: readonly PodPlace[] = Object.freeze([]);

export function samePlaces(one: readonly PodPlace[], other: readonly PodPlace[]): boolean {
  return one === other || joinedRows(one).join() === joinedRows(other).join();
}
