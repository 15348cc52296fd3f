import {
  adminNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  isKubeError,
  type KubeObject,
  namespaces,
  networkPolicies,
  nodeNetworkAnnotation,
  nodeNetworkAnnotationKey,
  nodes,
  podNetworkAnnotation,
  podNetworkAnnotationKey,
  pods,
  type Resource,
  services,
} from "../../../kube/index.ts";
import type { Lab } from "../../../lab/index.ts";
import { type Family, familyOf } from "../../policies/address-blocks.ts";
import { keyOf, type Policy, type World } from "../../policies/objects.ts";
import {
  namespaceObjects,
  type Places,
  podObject,
  type State,
  sceneNodes,
  scenePods,
  serviceObjects,
  worldOf,
} from "../../policies/scene.ts";
import type { Cluster } from "../cluster.ts";

/** The small town of `test/policies/scene.ts` in a lab. */
export interface LabTown {
  readonly places: Places;
  /** Of a service `namespace/name`. */
  serviceAddress(key: string, family: Family): string;
  /**
   * Brings the cluster from the state that it is in to another by changing what differs, all at once.
   * @returns the world as the API has it now, and the policies that it refused, which are not in it
   */
  become(state: State): Promise<{ readonly world: World; readonly refused: readonly string[] }>;
}

const resources: Readonly<Record<Policy["kind"], Resource>> = {
  NetworkPolicy: networkPolicies,
  AdminNetworkPolicy: adminNetworkPolicies,
  BaselineAdminNetworkPolicy: baselineAdminNetworkPolicies,
  ClusterNetworkPolicy: clusterNetworkPolicies,
};

const idOf = (policy: Policy): string => `${policy.kind}/${keyOf(policy)}`;

/** A merge patch from some labels to others. */
function labelPatch(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): object {
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return { metadata: { labels: { ...Object.fromEntries(gone.map((key) => [key, null])), ...after } } };
}

const refusals = new Set([400, 422]);

export async function buildTown(lab: Lab, { client, pods: known, untilReady }: Cluster): Promise<LabTown> {
  for (const namespace of namespaceObjects({})) {
    await client.create(namespaces, {}, { apiVersion: "v1", kind: "Namespace", ...namespace });
  }
  for (const [name, labels] of Object.entries(sceneNodes)) {
    await client.patch(nodes, { name }, { metadata: { labels } }, { type: "merge" });
  }
  const serviceAddresses = new Map<string, readonly string[]>();
  for (const service of serviceObjects) {
    const { namespace } = service.metadata;
    const body = {
      ...{ apiVersion: "v1", kind: "Service", metadata: service.metadata },
      spec: { ...service.spec, ipFamilyPolicy: "PreferDualStack" },
    };
    const made = await client.create<KubeObject & { spec?: { clusterIPs?: string[] } }>(
      services,
      { ...(namespace === undefined ? {} : { namespace }) },
      body,
    );
    serviceAddresses.set(keyOf(service), made.spec?.clusterIPs ?? []);
  }
  await Promise.all(
    scenePods.map(async (pod) => {
      const { metadata, spec } = podObject(pod, {});
      const body = { apiVersion: "v1", kind: "Pod", metadata, spec: { ...spec, terminationGracePeriodSeconds: 0 } };
      await client.create(pods, { namespace: metadata.namespace ?? "" }, body);
    }),
  );
  await Promise.all(scenePods.map(({ key }) => untilReady(key)));

  const managementAddresses: Record<string, readonly string[]> = {};
  for (const name of lab.nodes) {
    const { metadata } = await client.get(nodes, { name });
    const text = metadata?.annotations?.[nodeNetworkAnnotationKey] ?? "";
    const { managementPort } = nodeNetworkAnnotation.parse(JSON.parse(text));
    managementAddresses[name] = managementPort.addresses.map((address) => address.split("/")[0] ?? "");
  }
  function ownAddresses(key: string): readonly string[] {
    const text = known.get(key)?.metadata?.annotations?.[podNetworkAnnotationKey];
    const network = text === undefined ? undefined : podNetworkAnnotation.parse(JSON.parse(text));
    if (network?.infrastructure === undefined) return [];
    return network.addresses.map((address) => address.split("/")[0] ?? "");
  }
  const hasOwn = scenePods.some(({ key }) => ownAddresses(key).length > 0);

  const places: Places = {
    nodes: lab.layout.nodes.map(({ name, addresses }) => ({
      metadata: { name, labels: sceneNodes[name] ?? {} },
      status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
    })),
    managementAddresses,
    podAddresses: (key) => known.get(key)?.status?.podIPs?.map(({ ip }) => ip) ?? [],
    ...(hasOwn ? { ownAddresses } : {}),
  };

  /** What the API has, with what was asked for. */
  const applied = new Map<string, { readonly text: string; readonly policy: Policy | undefined }>();
  let current: State = { policies: [] };

  const target = ({ metadata }: Policy) => ({
    name: metadata.name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  });

  async function remove(policy: Policy): Promise<void> {
    await client.delete(resources[policy.kind], target(policy));
  }

  /** @returns the policy as the API has it, undefined when it refused */
  async function write(policy: Policy, former: Policy | undefined): Promise<Policy | undefined> {
    const resource = resources[policy.kind];
    const { name, ...where } = target(policy);
    try {
      // As it is stored: the API drops fields that the kind doesn't have, be they a peer's.
      const made: KubeObject & { readonly spec?: unknown } =
        former === undefined
          ? await client.create(resource, where, policy)
          : await client.replace(resource, { name, ...where }, policy);
      return { ...policy, metadata: { ...policy.metadata, ...made.metadata }, spec: made.spec } as Policy;
    } catch (error) {
      if (!isKubeError(error) || !refusals.has(error.status ?? 0)) throw error;
      if (former !== undefined) await remove(former);
      return undefined;
    }
  }

  async function becomePolicies(policies: readonly Policy[]): Promise<void> {
    const wanted = new Map(policies.map((policy) => [idOf(policy), policy]));
    const work: Promise<void>[] = [];
    for (const [id, policy] of wanted) {
      const text = JSON.stringify(policy);
      const before = applied.get(id);
      if (before?.text === text) continue;
      work.push(write(policy, before?.policy).then((made) => void applied.set(id, { text, policy: made })));
    }
    for (const [id, { policy }] of applied) {
      if (wanted.has(id)) continue;
      applied.delete(id);
      if (policy !== undefined) work.push(remove(policy));
    }
    await Promise.all(work);
  }

  async function becomeLabels(state: State): Promise<void> {
    const work: Promise<unknown>[] = [];
    const before = namespaceObjects(current);
    for (const [position, { metadata }] of namespaceObjects(state).entries()) {
      const former = before[position]?.metadata;
      if (JSON.stringify(former) === JSON.stringify(metadata)) continue;
      const annotations = { "ovenbird.io/log-policy": null, ...metadata.annotations };
      const { metadata: labels } = labelPatch(former?.labels ?? {}, metadata.labels ?? {}) as { metadata: object };
      const patch = { metadata: { ...labels, annotations } };
      work.push(client.patch(namespaces, { name: metadata.name }, patch, { type: "merge" }));
    }
    for (const pod of scenePods) {
      const { labels: former = {} } = podObject(pod, current).metadata;
      const { labels = {}, name, namespace = "" } = podObject(pod, state).metadata;
      if (JSON.stringify(former) === JSON.stringify(labels)) continue;
      work.push(client.patch(pods, { namespace, name }, labelPatch(former, labels), { type: "merge" }));
    }
    await Promise.all(work);
  }

  return {
    places,
    serviceAddress(key, family) {
      const address = serviceAddresses.get(key)?.find((one) => familyOf(one) === family);
      if (address === undefined) throw new Error(`service ${key} has no ${family} address`);
      return address;
    },
    async become(state) {
      await Promise.all([becomePolicies(state.policies), becomeLabels(state)]);
      current = state;
      const refused = state.policies.map(idOf).filter((id) => applied.get(id)?.policy === undefined);
      const policies = state.policies.flatMap((policy) => applied.get(idOf(policy))?.policy ?? []);
      return { world: worldOf({ ...state, policies }, places), refused };
    },
  };
}
