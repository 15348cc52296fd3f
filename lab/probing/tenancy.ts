import {
  defaultTenant,
  isKubeError,
  type KubeClient,
  podNetworkAnnotation,
  podNetworkAnnotationKey,
  type Resource,
  readAnnotation,
  subnets,
  tenants,
} from "@ovenbird/kube";
import { z } from "zod";

const tenantShape = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z
    .object({
      peers: z.array(z.string()).default([]),
      services: z.array(z.object({ namespace: z.string(), name: z.string().optional() })).optional(),
    })
    .prefault({}),
});
const subnetShape = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    tenant: z.string().default(defaultTenant),
    mode: z.string(),
    egress: z.object({ mode: z.string().default("Node") }).prefault({}),
  }),
});

/** What the matrix has to know of tenants: who may meet, and how they leave. */
export interface Tenancy {
  /** @param annotations the pod's */
  placeOf(annotations: Readonly<Record<string, string>>): TenantPlace;
  mayMeet(tenant: string, other: string): boolean;
  /** Whether the tenant's pods may ask the cluster's resolver. */
  findsNames(tenant: string): boolean;
}

export interface TenantPlace {
  readonly tenant: string;
  /** By the address of its node, by its own on the physical network (to nodes too), by some other one, or not at all. */
  readonly leaves: "by its node" | "by its wire" | "otherwise" | "never";
}

export async function readTenancy(client: KubeClient): Promise<Tenancy> {
  const [tenantList, subnetList] = await Promise.all([
    listed(client, tenants, tenantShape),
    listed(client, subnets, subnetShape),
  ]);
  const byName = new Map(tenantList.map(({ metadata, spec }) => [metadata.name, spec]));
  const subnetByName = new Map(subnetList.map(({ metadata, spec }) => [metadata.name, spec]));
  const names = (tenant: string, peer: string) => byName.get(tenant)?.peers.includes(peer) === true;
  return {
    placeOf(annotations) {
      const network = readAnnotation(podNetworkAnnotation, annotations[podNetworkAnnotationKey]);
      const subnet = network.kind === "valid" ? subnetByName.get(network.value.subnet ?? "") : undefined;
      if (subnet === undefined) return { tenant: defaultTenant, leaves: "by its node" };
      const { tenant, mode, egress } = subnet;
      if (mode === "Underlay") return { tenant, leaves: "by its wire" };
      if (egress.mode === "Node") return { tenant, leaves: "by its node" };
      return { tenant, leaves: egress.mode === "None" ? "never" : "otherwise" };
    },
    mayMeet: (tenant, other) => tenant === other || (names(tenant, other) && names(other, tenant)),
    findsNames(tenant) {
      const services = byName.get(tenant)?.services;
      if (tenant === defaultTenant || services === undefined) return true;
      return services.some(
        ({ namespace, name }) => namespace === "kube-system" && (name === undefined || name === "kube-dns"),
      );
    },
  };
}

/** Another cluster may lack the definitions. */
async function listed<T>(client: KubeClient, resource: Resource, shape: z.ZodType<T>): Promise<readonly T[]> {
  try {
    return (await client.list<unknown>(resource)).items.map((item) => shape.parse(item));
  } catch (error) {
    if (isKubeError(error) && error.code === "NOT_FOUND") return [];
    throw error;
  }
}
