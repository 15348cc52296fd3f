import {
  adminNetworkPolicies,
  canonicalDomain,
  clusterNetworkPolicies,
  domainPatternsOf,
  type KubeClient,
  type KubeObject,
  reflect,
} from "@ovenbird/kube";
import type { Logger } from "../logger.ts";

/** The domain names that policies of the cluster give, wildcards among them. */
export interface WantedNames {
  readonly size: number;
  /** Whether some policy means this name. */
  means(name: string): boolean;
  close(): void;
}

/** AdminNetworkPolicy v1alpha1 and ClusterNetworkPolicy v1alpha2 alike, as far as domain names go. */
interface RawPolicy extends KubeObject {
  readonly spec?: {
    readonly egress?: readonly { readonly to?: readonly { readonly domainNames?: readonly unknown[] }[] }[];
  };
}

/** The names that a policy gives, each once, canonical; what can't be read gives none. */
export function projectNames(raw: unknown): readonly string[] {
  const { spec } = raw as RawPolicy;
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  const names = list(spec?.egress)
    .flatMap((rule) => list((rule as { readonly to?: unknown } | null)?.to))
    .flatMap((peer) => list((peer as { readonly domainNames?: unknown } | null)?.domainNames))
    .flatMap((name) => (typeof name === "string" ? (canonicalDomain(name) ?? []) : []));
  return [...new Set(names)];
}

/** @param onChange called when there are some where there were none, or none any more, and when they change */
export function followWantedNames(
  client: Pick<KubeClient, "listPage" | "watch">,
  logger: Logger,
  onChange: () => void,
): WantedNames {
  /** How many policies give a name. */
  const counts = new Map<string, number>();

  function count(names: readonly string[], by: 1 | -1): void {
    for (const name of names) {
      const now = (counts.get(name) ?? 0) + by;
      if (now === 0) counts.delete(name);
      else counts.set(name, now);
    }
  }

  // A cluster that does not know such policies, or no longer, has no names; that is no trouble, and may change.
  const watches = [adminNetworkPolicies, clusterNetworkPolicies].map((resource) =>
    reflect(client, resource, {
      ...{ project: projectNames, mayBeAbsent: true, backoff: { minMs: 1_000, maxMs: 60_000 } },
    }).subscribe({
      next(event) {
        if (event.kind === "synced") return;
        const after = event.kind === "upsert" ? event.object : [];
        const before = event.kind === "upsert" ? (event.old ?? []) : event.object;
        if (after.length === 0 && before.length === 0) return;
        count(after, 1);
        count(before, -1);
        onChange();
      },
      error: (error) => logger.warn({ err: error, resource: resource.plural }, "a watch has ended"),
    }),
  );

  return {
    get size() {
      return counts.size;
    },
    means: (name) => domainPatternsOf(name).some((pattern) => counts.has(pattern)),
    close() {
      for (const watch of watches) watch.unsubscribe();
    },
  };
}
