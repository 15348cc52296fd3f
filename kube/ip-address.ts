import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  addressText,
  ageColumn,
  cannotChange,
  column,
  conditions,
  labelName,
  macText,
  objectName,
  observedGeneration,
  readyColumn,
  rules,
  setOf,
} from "./resource-schemas.ts";

/** IPAddress: addresses that outlive their pod. `deploy/crds/ipaddresses.yaml` is generated from this. */
export const ipAddresses: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "ipaddresses",
  kind: "IPAddress",
  namespaced: false,
});

export const ipAddressSpec = z
  .object({
    subnet: objectName.meta(rules(cannotChange("the subnet"))).describe("The Subnet; can't be changed."),
    addresses: setOf(addressText, 2)
      .optional()
      .describe("At most one per family; the next free ones are taken, and written here, where absent."),
    mac: macText.optional().describe("The hardware address that goes with them."),
    namespace: labelName
      .meta(rules(cannotChange("the namespace")))
      .describe("The holder's namespace; can't be changed."),
    holder: objectName
      .meta(rules(cannotChange("the holder")))
      .describe("The pod's name, or the key of its annotation ovenbird.io/sticky; can't be changed."),
    ttlSeconds: z
      .int()
      .min(0)
      .max(2_147_483_647)
      .optional()
      .describe("How long after the pod's end the addresses are kept; for good where absent."),
  })
  .describe("The addresses, and whom they are kept for.");
export type IpAddressSpec = z.infer<typeof ipAddressSpec>;

export const ipAddressStatus = z
  .object({
    observedGeneration,
    pod: z.string().max(317).optional().describe("The pod that has them, as namespace/name."),
    node: z.string().max(253).optional().describe("Its node."),
    releasedAt: z
      .string()
      .meta({ format: "date-time" })
      .optional()
      .describe("Since when no pod has them; the time that ttlSeconds counts from."),
    conditions,
  })
  .describe("Who has them.");

export const ipAddress = z.object({ spec: ipAddressSpec, status: ipAddressStatus.optional() });

export function ipAddressDefinition(): object {
  return customResourceDefinition({
    resource: ipAddresses,
    singular: "ipaddress",
    description:
      "Addresses that outlive their pod. The controller writes one for each fixed or sticky address; one that you write keeps addresses for a pod that isn't there yet.",
    schema: ipAddress,
    hasStatus: true,
    columns: [
      column("Addresses", "string", ".spec.addresses"),
      column("MAC", "string", ".spec.mac"),
      column("Subnet", "string", ".spec.subnet"),
      column("Namespace", "string", ".spec.namespace"),
      column("Holder", "string", ".spec.holder"),
      column("Pod", "string", ".status.pod"),
      column("Node", "string", ".status.node"),
      column("Released", "date", ".status.releasedAt"),
      readyColumn,
      ageColumn,
    ],
  });
}
