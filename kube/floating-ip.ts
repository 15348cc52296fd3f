import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  addressText,
  ageColumn,
  column,
  conditions,
  objectName,
  observedGeneration,
  readyColumn,
  reasonColumn,
  setOf,
} from "./resource-schemas.ts";

/** FloatingIP: one pod in and out by an address. `deploy/crds/floatingips.yaml` is generated from this. */
export const floatingIps: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "floatingips",
  kind: "FloatingIP",
  namespaced: true,
});

export const floatingIpSpec = z
  .object({
    addresses: setOf(addressText, 2)
      .min(1)
      .describe("At most one per family; of the network that the nodes' gateways are on."),
    pod: objectName.describe("The pod's name, or the key of its annotation ovenbird.io/sticky."),
  })
  .describe("The addresses, and the pod that has them.");
export type FloatingIpSpec = z.infer<typeof floatingIpSpec>;

export const floatingIpStatus = z
  .object({
    observedGeneration,
    node: z.string().max(253).optional().describe("The pod's node, which answers for the addresses."),
    pod: z.string().max(253).optional().describe("The pod that has them."),
    conditions,
  })
  .describe("What the controller makes of it.");

export const floatingIp = z.object({ spec: floatingIpSpec, status: floatingIpStatus.optional() });

export function floatingIpDefinition(): object {
  return customResourceDefinition({
    resource: floatingIps,
    singular: "floatingip",
    description: "Addresses by which one pod is reached from outside of the cluster, and with which it leaves.",
    schema: floatingIp,
    hasStatus: true,
    columns: [
      readyColumn,
      reasonColumn,
      column("Addresses", "string", ".spec.addresses"),
      column("Pod", "string", ".spec.pod"),
      column("Node", "string", ".status.node"),
      ageColumn,
    ],
  });
}
