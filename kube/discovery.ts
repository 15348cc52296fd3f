import type { Resource } from "./resource.ts";

export interface ServedResource extends Resource {
  readonly verbs: readonly string[];
  /** `status`, `scale`, … */
  readonly subresources: readonly string[];
  readonly shortNames: readonly string[];
}

/** What the server offers. */
export interface Discovery {
  /** Every version of every resource; a group's preferred version first. */
  readonly resources: readonly ServedResource[];
  /** Groups that could not be asked (an aggregated API server that is down): absence there proves nothing. */
  readonly failedGroups: readonly string[];
  /** The resource in the preferred version, or in `version`. */
  find(group: string, plural: string, version?: string): ServedResource | undefined;
  has(resource: Pick<Resource, "group" | "version" | "plural">): boolean;
}
