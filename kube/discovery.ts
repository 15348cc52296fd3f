import { isKubeError } from "./error.ts";
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
  /** Groups and versions that could not be asked (an aggregated API server that is down): absence there proves nothing. */
  readonly failedGroups: readonly string[];
  /** The resource in the preferred version, or in `version`. */
  find(group: string, plural: string, version?: string): ServedResource | undefined;
  has(resource: Pick<Resource, "group" | "version" | "plural">): boolean;
}

type Fetch = (path: string, accept: string) => Promise<unknown>;

const aggregated = ["v2", "v2beta1"]
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .concat("application/json")
  .join(",");

/**
 * Asks the server what it serves: in two requests where it can (KEP-3352, aggregated discovery), else one per version.
 * @param fetch gets a path as JSON; throws KubeError
 */
export async function discover(fetch: Fetch): Promise<Discovery> {
  const found = await Promise.all([fromRoot(fetch, "/api"), fromRoot(fetch, "/apis")]);
  const resources = found.flatMap((part) => part.resources);
  const find = (group: string, plural: string, version?: string): ServedResource | undefined =>
    resources.find(
      (one) => one.group === group && one.plural === plural && (version === undefined || one.version === version),
    );
  return {
    resources,
    failedGroups: found.flatMap((part) => part.failedGroups),
    find,
    has: ({ group, plural, version }) => find(group, plural, version) !== undefined,
  };
}

type Found = Pick<Discovery, "resources" | "failedGroups">;

async function fromRoot(fetch: Fetch, root: "/api" | "/apis"): Promise<Found> {
  const answer = objectOf(await fetch(root, aggregated));
  if (answer.kind === "APIGroupDiscoveryList") return fromAggregated(answer);
  const versions: (readonly [group: string, version: string])[] =
    root === "/api"
      ? listOf(answer.versions).map((version) => ["", String(version)] as const)
      : listOf(answer.groups).flatMap((group) => versionsOf(objectOf(group)));
  const parts = await Promise.all(
    versions.map(async ([group, version]): Promise<Found> => {
      const path = group === "" ? `${root}/${version}` : `${root}/${group}/${version}`;
      try {
        return {
          resources: fromResourceList(group, version, objectOf(await fetch(path, "application/json"))),
          failedGroups: [],
        };
      } catch (error) {
        // A version that is listed and yet not there, or whose server is down, must not hide the others.
        if (!isKubeError(error, "NOT_FOUND", "UNAVAILABLE", "INTERNAL_ERROR")) throw error;
        return { resources: [], failedGroups: [group === "" ? version : `${group}/${version}`] };
      }
    }),
  );
  return {
    resources: parts.flatMap((part) => part.resources),
    failedGroups: parts.flatMap((part) => part.failedGroups),
  };
}

/** A group's versions, the preferred one first. */
function versionsOf(group: Fields): (readonly [string, string])[] {
  const preferred = objectOf(group.preferredVersion).version;
  const versions = listOf(group.versions).map((entry) => String(objectOf(entry).version));
  const order = versions.filter((version) => version === preferred).concat(versions.filter((v) => v !== preferred));
  return order.map((version) => [String(group.name), version] as const);
}

function fromAggregated(answer: Fields): Found {
  const resources: ServedResource[] = [];
  const failedGroups: string[] = [];
  for (const group of listOf(answer.items).map(objectOf)) {
    const name = String(objectOf(group.metadata).name ?? "");
    for (const entry of listOf(group.versions).map(objectOf)) {
      const version = String(entry.version);
      if (entry.freshness === "Stale") failedGroups.push(`${name}/${version}`);
      for (const resource of listOf(entry.resources).map(objectOf)) {
        resources.push({
          group: name,
          version,
          plural: String(resource.resource),
          kind: String(objectOf(resource.responseKind).kind),
          namespaced: resource.scope === "Namespaced",
          verbs: listOf(resource.verbs).map(String),
          subresources: listOf(resource.subresources).map((one) => String(objectOf(one).subresource)),
          shortNames: listOf(resource.shortNames).map(String),
        });
      }
    }
  }
  return { resources, failedGroups };
}

function fromResourceList(group: string, version: string, answer: Fields): ServedResource[] {
  const entries = listOf(answer.resources).map(objectOf);
  const names = entries.map((entry) => String(entry.name));
  return entries.flatMap((entry, at) => {
    const plural = names[at] ?? "";
    if (plural.includes("/")) return [];
    return {
      group,
      version,
      plural,
      kind: String(entry.kind),
      namespaced: entry.namespaced === true,
      verbs: listOf(entry.verbs).map(String),
      subresources: names.filter((name) => name.startsWith(`${plural}/`)).map((name) => name.slice(plural.length + 1)),
      shortNames: listOf(entry.shortNames).map(String),
    };
  });
}

type Fields = Readonly<Record<string, unknown>>;

function objectOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
