import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";

/**
 * AddressPool: addresses of the underlay that Services of type LoadBalancer get. The schemas here are the only source;
 * `deploy/crds/addresspools.yaml` is generated from them.
 */
export const addressPools: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "addresspools",
  kind: "AddressPool",
  namespaced: false,
});

/** `spec.loadBalancerClass` of Services that want an address of a pool and of nobody else. */
export const addressPoolClass = "ovenbird.io/address-pool";
/** On a Service: the name of the one pool that its addresses are to come from. */
export const addressPoolAnnotationKey = "ovenbird.io/address-pool";
/** On a Service: the addresses that it wants, with commas, at most one per family. */
export const loadBalancerAddressesAnnotationKey = "ovenbird.io/load-balancer-addresses";

const count = z.int().min(0);
const counts = z.object({
  ipv4: count.describe("IPv4 addresses."),
  ipv6: count.describe("IPv6 addresses; 9007199254740991 stands for that many or more."),
});

export const addressPoolSpec = z
  .object({
    addresses: z
      .array(z.string().min(1).max(96))
      .min(1)
      .max(256)
      .describe("Networks (192.0.2.0/28, 2001:db8::/112) and ranges (192.0.2.16-192.0.2.31), of both families."),
    autoAssign: z
      .boolean()
      .default(true)
      .describe("Whether Services that name neither a loadBalancerClass nor this pool get its addresses."),
    nodeSelector: z
      .object({ matchLabels: z.record(z.string(), z.string()).optional().describe("Labels that the node must have.") })
      .optional()
      .describe("The nodes that may announce the addresses; all nodes with a gateway where absent."),
    announce: z
      .boolean()
      .default(true)
      .describe(
        "Whether one node answers ARP and neighbour discovery for each address; false where routers know the way.",
      ),
  })
  .describe("What the pool offers.");
export type AddressPoolSpec = z.infer<typeof addressPoolSpec>;

/** metav1.Condition. */
const condition = z.object({
  type: z.string().describe("Ready, RangesValid or Overlapping."),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().describe("One word for machines."),
  message: z.string().describe("For people."),
  lastTransitionTime: z.string().meta({ format: "date-time" }),
  observedGeneration: z.int().min(0).optional(),
});
export type AddressPoolCondition = z.infer<typeof condition>;

export const addressPoolStatus = z
  .object({
    total: counts.optional().describe("Addresses that the pool can hand out, per family."),
    assigned: counts.optional().describe("Addresses of the pool that Services have, per family."),
    conditions: z
      .array(condition)
      .max(8)
      .optional()
      .meta({
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
      }),
  })
  .describe("What the controller makes of it.");
export type AddressPoolStatus = z.infer<typeof addressPoolStatus>;

export const addressPool = z.object({ spec: addressPoolSpec, status: addressPoolStatus.optional() });
export type AddressPool = z.infer<typeof addressPool>;

/** The CustomResourceDefinition, made of the schemas above. */
export function addressPoolDefinition(): object {
  const column = (name: string, type: string, jsonPath: string) => ({ name, type, jsonPath });
  return customResourceDefinition({
    resource: addressPools,
    singular: "addresspool",
    description: "Addresses that Services of type LoadBalancer get, and the nodes that announce them.",
    schema: addressPool,
    hasStatus: true,
    columns: [
      column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
      column("Auto-Assign", "boolean", ".spec.autoAssign"),
      column("IPv4", "integer", ".status.total.ipv4"),
      column("Assigned-IPv4", "integer", ".status.assigned.ipv4"),
      column("IPv6", "integer", ".status.total.ipv6"),
      column("Assigned-IPv6", "integer", ".status.assigned.ipv6"),
      column("Age", "date", ".metadata.creationTimestamp"),
    ],
  });
}
