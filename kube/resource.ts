/** A kind of object that the API serves, and where. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Which object of a resource; the namespace is wanted where the resource is namespaced. */
export interface ObjectTarget {
  readonly namespace?: string | undefined;
  readonly name: string;
}

function resource(group: string, version: string, plural: string, kind: string, namespaced: boolean): Resource {
  return Object.freeze({ group, version, plural, kind, namespaced });
}

export const pods = resource("", "v1", "pods", "Pod", true);
export const nodes = resource("", "v1", "nodes", "Node", false);
export const namespaces = resource("", "v1", "namespaces", "Namespace", false);
export const services = resource("", "v1", "services", "Service", true);
export const configMaps = resource("", "v1", "configmaps", "ConfigMap", true);
export const secrets = resource("", "v1", "secrets", "Secret", true);
export const serviceAccounts = resource("", "v1", "serviceaccounts", "ServiceAccount", true);
/** The core group's events: what `kubectl describe` of every version shows. */
export const events = resource("", "v1", "events", "Event", true);
export const leases = resource("coordination.k8s.io", "v1", "leases", "Lease", true);
export const endpointSlices = resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);
export const networkPolicies = resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true);
const policyGroup = "policy.networking.k8s.io";
export const adminNetworkPolicies = resource(
  policyGroup,
  "v1alpha1",
  "adminnetworkpolicies",
  "AdminNetworkPolicy",
  false,
);
export const baselineAdminNetworkPolicies = resource(
  policyGroup,
  "v1alpha1",
  "baselineadminnetworkpolicies",
  "BaselineAdminNetworkPolicy",
  false,
);
export const clusterNetworkPolicies = resource(
  policyGroup,
  "v1alpha2",
  "clusternetworkpolicies",
  "ClusterNetworkPolicy",
  false,
);
export const customResourceDefinitions = resource(
  "apiextensions.k8s.io",
  "v1",
  "customresourcedefinitions",
  "CustomResourceDefinition",
  false,
);

/** `apiVersion` as objects of the resource carry it: `v1`, `coordination.k8s.io/v1`. */
export function apiVersionOf(resource: Pick<Resource, "group" | "version">): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/**
 * The path of a resource's collection, or of one object or subresource in it.
 * Without a namespace, that of a namespaced resource spans all namespaces.
 */
export function pathOf(
  resource: Resource,
  target: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = resource.group === "" ? "/api" : `/apis/${resource.group}`;
  const scope =
    resource.namespaced && target.namespace !== undefined ? `/namespaces/${encodeURIComponent(target.namespace)}` : "";
  const name = target.name === undefined ? "" : `/${encodeURIComponent(target.name)}`;
  const subresource = target.subresource === undefined ? "" : `/${target.subresource}`;
  return `${root}/${resource.version}${scope}/${resource.plural}${name}${subresource}`;
}
