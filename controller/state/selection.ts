import type { PodSelector, Requirement } from "./selector.ts";

/** Namespaces by name, by label, or by either; of none of both, none. */
export interface NamespaceSelection {
  readonly names: readonly string[];
  /** In the canonical form of selectors; an empty list selects all. */
  readonly requirements: readonly Requirement[] | undefined;
}

/** Pods by their namespaces and their own labels, in the canonical form of selectors. */
export type PodSelection = PodSelector;

/** What the records of Ovenbird's own kinds have in common. */
export interface ResourceRecord {
  /** `name` or `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion?: string;
  /** Of two that claim the same, the older one has it; then the first by name. */
  readonly createdAt: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** Why the spec can't be used; its fields then say as much as could be read, and whatever they would open stays shut. */
  readonly problem: string | undefined;
  /** `status` as it stands, as JSON, to see whether it has to be written. */
  readonly statusText: string;
  /** When conditions last changed, by type and status, as `Ready=True`. */
  readonly transitions: Readonly<Record<string, string>>;
}
