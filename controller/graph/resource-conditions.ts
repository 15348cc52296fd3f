import type { Problem, ResourceKind } from "../state/object-problem.ts";

export type { ResourceKind };

/** What the graph makes of an object of Ovenbird's own kinds; its `status` follows from this. */
export interface ResourceConditions {
  /** Whether it does what it says; with problems too, where those concern a part of it. */
  readonly isReady: boolean;
  /** What its user has to act on. */
  readonly problems: readonly Problem[];
  /** What it waits for where nothing is wrong with it; its user has nothing to do but to wait. */
  readonly pending?: string | undefined;
  /** Further fields of `status` as they shall be (`pods`, `total`, `node`, …); those that are not named stay as they are, undefined removes. */
  readonly status: Readonly<Record<string, unknown>>;
  /** Somebody depends on it, so that it isn't let go when it is deleted. */
  readonly isInUse: boolean;
}

/** Under which name the graph speaks of an object: `Tenant/shop`, `FloatingIP/ns/name`. */
export const resourceId = (kind: ResourceKind, key: string): string => `${kind}/${key}`;

/** What the graph says of objects of Ovenbird's own kinds, and of pods that it gives no port. */
export interface ResourceOutlook {
  /** @returns undefined where there is nothing to say, as of an object that it doesn't know */
  conditions(kind: ResourceKind, key: string): ResourceConditions | undefined;
  /** Those of which it may say something else than when this was asked last. */
  takeChangedConditions(): readonly { readonly kind: ResourceKind; readonly key: string }[];
  /** Why the pod has no port. */
  podRefusal(key: string): Problem | undefined;
  /** Pods whose refusal came, went or became another since this was asked last. */
  takeChangedRefusals(): readonly string[];
}
