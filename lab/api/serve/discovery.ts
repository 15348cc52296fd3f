import type { Registry } from "../registry.ts";
import type { Resource } from "../resource.ts";

const objectVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** The version that is claimed; clients choose their behaviour by it. */
export const version = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.4",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: process.version,
  compiler: "node",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
} as const;

/** What a subresource takes and which verbs it has. */
function subresourceOf(resource: Resource, name: string) {
  const kinds: Readonly<Record<string, { group?: string; version?: string; kind: string; verbs: readonly string[] }>> =
    {
      status: { kind: resource.kind, verbs: ["get", "patch", "update"] },
      binding: { kind: "Binding", verbs: ["create"] },
      eviction: { group: "policy", version: "v1", kind: "Eviction", verbs: ["create"] },
      log: { kind: "Pod", verbs: ["get"] },
      ephemeralcontainers: { kind: "Pod", verbs: ["get", "patch", "update"] },
      finalize: { kind: "Namespace", verbs: ["update"] },
      scale: { group: "autoscaling", version: "v1", kind: "Scale", verbs: ["get", "patch", "update"] },
    };
  return { name, ...(kinds[name] ?? { kind: resource.kind, verbs: ["get"] }) };
}

export function subresourcesOf(resource: Resource): readonly string[] {
  return [...(resource.hasStatus === true ? ["status"] : []), ...(resource.subresources ?? [])];
}

const reviews = [
  { group: "authorization.k8s.io", plural: "selfsubjectaccessreviews", kind: "SelfSubjectAccessReview" },
  { group: "authorization.k8s.io", plural: "selfsubjectrulesreviews", kind: "SelfSubjectRulesReview" },
  { group: "authorization.k8s.io", plural: "subjectaccessreviews", kind: "SubjectAccessReview" },
  { group: "authentication.k8s.io", plural: "selfsubjectreviews", kind: "SelfSubjectReview" },
  { group: "authentication.k8s.io", plural: "tokenreviews", kind: "TokenReview" },
] as const;

interface GroupVersions {
  readonly name: string;
  readonly versions: readonly string[];
}

function groupsOf(registry: Registry): readonly GroupVersions[] {
  const reviewGroups = [...new Set(reviews.map(({ group }) => group))].map((name) => ({ name, versions: ["v1"] }));
  return [...registry.groups(), ...reviewGroups];
}

function apiGroup({ name, versions }: GroupVersions) {
  const entries = versions.map((one) => ({ groupVersion: `${name}/${one}`, version: one }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

/** /api: APIVersions. */
export function apiVersions(address: string) {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** /apis: APIGroupList. */
export function apiGroupList(registry: Registry) {
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: groupsOf(registry)
      .filter(({ name }) => name !== "")
      .map(apiGroup),
  };
}

/** /apis/GROUP: APIGroup, undefined when there is no such group. */
export function apiGroupNamed(registry: Registry, name: string) {
  const group = groupsOf(registry).find((one) => one.name === name);
  return group === undefined || name === "" ? undefined : { kind: "APIGroup", apiVersion: "v1", ...apiGroup(group) };
}

/** /api/v1 and /apis/GROUP/VERSION: APIResourceList, undefined when that isn't served. */
export function apiResourceList(registry: Registry, group: string, groupVersion: string) {
  if (!groupsOf(registry).some(({ name, versions }) => name === group && versions.includes(groupVersion)))
    return undefined;
  const served = registry.all().filter((one) => one.group === group && one.version === groupVersion);
  const resources = served.flatMap((resource) => [
    {
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: objectVerbs,
      ...(resource.shortNames === undefined ? {} : { shortNames: resource.shortNames }),
      ...(resource.categories === undefined ? {} : { categories: resource.categories }),
    },
    ...subresourcesOf(resource).map((name) => ({
      ...subresourceOf(resource, name),
      name: `${resource.plural}/${name}`,
      singularName: "",
      namespaced: resource.namespaced,
    })),
  ]);
  const reviewResources = reviews
    .filter((review) => review.group === group)
    .map(({ plural, kind }) => ({
      name: plural,
      singularName: kind.toLowerCase(),
      namespaced: false,
      kind,
      verbs: ["create"],
    }));
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? groupVersion : `${group}/${groupVersion}`,
    resources: [...resources, ...reviewResources],
  };
}

/** The answer to /api or /apis for clients that ask for aggregated discovery (KEP-3352): everything at once. */
export function aggregatedDiscovery(registry: Registry, core: boolean, apiVersion: string) {
  const items = groupsOf(registry)
    .filter(({ name }) => (name === "") === core)
    .map(({ name, versions }) => ({
      metadata: name === "" ? { creationTimestamp: null } : { name, creationTimestamp: null },
      versions: versions.map((one) => ({
        version: one,
        freshness: "Current",
        resources: [
          ...registry
            .all()
            .filter((resource) => resource.group === name && resource.version === one)
            .map((resource) => ({
              resource: resource.plural,
              responseKind: { group: name, version: one, kind: resource.kind },
              scope: resource.namespaced ? "Namespaced" : "Cluster",
              singularResource: resource.singular,
              verbs: objectVerbs,
              shortNames: resource.shortNames,
              categories: resource.categories,
              subresources: subresourcesOf(resource).map((subresource) => {
                const { group = name, version: subVersion = one, kind, verbs } = subresourceOf(resource, subresource);
                return { subresource, responseKind: { group, version: subVersion, kind }, verbs };
              }),
            })),
          ...reviews
            .filter((review) => review.group === name)
            .map(({ plural, kind }) => ({
              resource: plural,
              responseKind: { group: name, version: one, kind },
              scope: "Cluster",
              singularResource: kind.toLowerCase(),
              verbs: ["create"],
            })),
        ],
      })),
    }));
  return { kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${apiVersion}`, metadata: {}, items };
}
