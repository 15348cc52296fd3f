import type { Problem, ResourceKind } from "../state/object-problem.ts";

export type { ResourceKind };

/** What the graph makes of an object of Ovenbird's own kinds; its `status` follows from this. */
export interface ResourceConditions {
  /** Whether it does what it says; with problems too, where those concern a part of it. */
  readonly isReady: boolean;
  /** What its user has to act on. */
  readonly problems: readonly Problem[];
  /** Further fields of `status` as they shall be (`pods`, `total`, `node`, …); those that are not named stay as they are, undefined removes. */
  readonly status: Readonly<Record<string, unknown>>;
  /** Somebody depends on it, so that it isn't let go when it is deleted. */
  readonly isInUse: boolean;
}

/** Under which name the graph speaks of an object: `Tenant/shop`, `FloatingIP/ns/name`. */
export const resourceId = (kind: ResourceKind, key: string): string => `${kind}/${key}`;
