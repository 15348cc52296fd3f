import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  addressText,
  ageColumn,
  column,
  conditions,
  labelSelector,
  objectCount,
  observedGeneration,
  readyColumn,
  reasonColumn,
  setOf,
} from "./resource-schemas.ts";

/** EgressIP: a group of pods leaves through an address. `deploy/crds/egressips.yaml` is generated from this. */
export const egressIps: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "egressips",
  kind: "EgressIP",
  namespaced: false,
});

export const egressIpSpec = z
  .object({
    addresses: setOf(addressText, 2)
      .min(1)
      .describe("What outside sees, at most one per family; of the network that the nodes' gateways are on."),
    namespaceSelector: labelSelector.describe("The pods' namespaces; all where empty."),
    podSelector: labelSelector.optional().describe("Pods in them; all where absent or empty."),
    nodeSelector: labelSelector
      .optional()
      .describe("Nodes that may have the addresses; all with a gateway where absent or empty."),
  })
  .describe("The addresses, and who leaves the cluster through them.");
export type EgressIpSpec = z.infer<typeof egressIpSpec>;

export const egressIpStatus = z
  .object({
    observedGeneration,
    node: z.string().max(253).optional().describe("The node that has the addresses."),
    pods: objectCount.optional().describe("Pods that leave through them."),
    conditions,
  })
  .describe("What the controller makes of it.");

export const egressIp = z.object({ spec: egressIpSpec, status: egressIpStatus.optional() });

export function egressIpDefinition(): object {
  return customResourceDefinition({
    resource: egressIps,
    singular: "egressip",
    description: "Addresses through which a group of pods leaves the cluster; they move when their node dies.",
    schema: egressIp,
    hasStatus: true,
    columns: [
      readyColumn,
      reasonColumn,
      column("Addresses", "string", ".spec.addresses"),
      column("Node", "string", ".status.node"),
      column("Pods", "integer", ".status.pods"),
      ageColumn,
    ],
  });
}
