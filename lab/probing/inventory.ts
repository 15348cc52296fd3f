import {
  adminNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  createKubeClient,
  isKubeError,
  type KubeClient,
  loadKubeConfig,
  networkPolicies,
  nodeNetworkAnnotation,
  nodeNetworkAnnotationKey,
  nodes,
  pods,
  readAnnotation,
  services,
} from "@ovenbird/kube";
import { z } from "zod";
import { demoNamespace, demoPodNames, demoService } from "../supervisor/demo-pods.ts";
import { type Layout, paths } from "../topology/layout.ts";
import { readTenancy, type Tenancy, type TenantPlace } from "./tenancy.ts";

export interface MatrixPod extends TenantPlace {
  readonly key: string;
  readonly nodeName: string;
  readonly addresses: readonly string[];
  readonly tcpPort: number | undefined;
  readonly isDemo: boolean;
}

export interface MatrixNode {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly managementAddresses: readonly string[];
}

const podShape = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    deletionTimestamp: z.string().optional(),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.object({
    nodeName: z.string().default(""),
    hostNetwork: z.boolean().default(false),
    containers: z.array(
      z.object({
        image: z.string().default(""),
        ports: z.array(z.object({ containerPort: z.int(), protocol: z.string().default("TCP") })).default([]),
      }),
    ),
  }),
  status: z
    .object({ phase: z.string().default(""), podIPs: z.array(z.object({ ip: z.string() })).default([]) })
    .default({ phase: "", podIPs: [] }),
});
const nodeShape = z.object({
  metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).default({}) }),
});

/** What of the cluster the matrix is about. */
export interface Inventory {
  readonly podList: MatrixPod[];
  readonly nodeList: MatrixNode[];
  /** Whether the demonstration service is there. */
  readonly hasService: boolean;
  readonly policies: number;
  readonly tenancy: Tenancy;
}

/** Policies of all kinds; a kind that the API does not know has none. */
async function countPolicies(client: KubeClient): Promise<number> {
  const kinds = [networkPolicies, adminNetworkPolicies, baselineAdminNetworkPolicies, clusterNetworkPolicies];
  const counts = await Promise.all(
    kinds.map(async (kind) => {
      try {
        return (await client.list(kind)).items.length;
      } catch (error) {
        if (isKubeError(error) && error.code === "NOT_FOUND") return 0;
        throw error;
      }
    }),
  );
  return counts.reduce((total, count) => total + count, 0);
}

export async function inventory(layout: Layout): Promise<Inventory> {
  const client = createKubeClient(loadKubeConfig({ path: paths(layout.folder).kubeconfig }));
  try {
    const [policies, tenancy, podItems, nodeItems, serviceItems] = await Promise.all([
      countPolicies(client),
      readTenancy(client),
      client.list<unknown>(pods),
      client.list<unknown>(nodes),
      client.list(services, { namespace: demoNamespace, fieldSelector: `metadata.name=${demoService}` }),
    ]);
    const hasService = layout.config.kubeconfig === undefined && serviceItems.items.length > 0;
    const podList = podItems.items
      .map((raw) => podShape.parse(raw))
      .filter(
        ({ metadata, spec, status }) =>
          status.phase === "Running" && !spec.hostNetwork && metadata.deletionTimestamp === undefined,
      )
      .map(({ metadata, spec, status }) => ({
        ...tenancy.placeOf(metadata.annotations),
        key: `${metadata.namespace}/${metadata.name}`,
        nodeName: spec.nodeName,
        addresses: status.podIPs.map(({ ip }) => ip),
        tcpPort: spec.containers
          .filter(({ image }) => image !== "exec")
          .flatMap(({ ports }) => ports)
          .find(({ protocol }) => protocol === "TCP")?.containerPort,
        isDemo: metadata.namespace === demoNamespace && demoPodNames(layout).includes(metadata.name),
      }));
    const annotations = new Map(
      nodeItems.items.map((raw) => nodeShape.parse(raw).metadata).map((node) => [node.name, node.annotations] as const),
    );
    const nodeList = layout.nodes.map(({ name, addresses }) => {
      const network = readAnnotation(nodeNetworkAnnotation, annotations.get(name)?.[nodeNetworkAnnotationKey]);
      const managementAddresses =
        network.kind === "valid"
          ? network.value.managementPort.addresses.map((address) => address.split("/")[0] ?? "")
          : [];
      return { name, addresses, managementAddresses };
    });
    return { podList, nodeList, hasService, policies, tenancy };
  } finally {
    await client.close();
  }
}
