import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  addressCounts,
  ageColumn,
  cannotChange,
  column,
  conditions,
  labelName,
  listOf,
  namespaceSelection,
  objectName,
  observedGeneration,
  rangeText,
  readyColumn,
  reasonColumn,
  rules,
  setOf,
} from "./resource-schemas.ts";

/** IPPool: addresses of a Subnet kept for some. `deploy/crds/ippools.yaml` is generated from this. */
export const ipPools: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "ippools",
  kind: "IPPool",
  namespaced: false,
});

export const ipPoolSpec = z
  .object({
    subnet: objectName.meta(rules(cannotChange("the subnet"))).describe("The Subnet; can't be changed."),
    addresses: setOf(rangeText, 256)
      .min(1)
      .describe("Single addresses, networks and ranges (10.0.0.10-10.0.0.19) of the Subnet, of both families."),
    namespaces: namespaceSelection
      .optional()
      .describe("Namespaces whose pods get addresses of this pool, and of nothing else."),
    workloads: listOf(
      z.object({
        namespace: labelName.describe("The workload's namespace."),
        kind: z.string().min(1).max(63).describe("Deployment, StatefulSet, DaemonSet, Job, …"),
        name: objectName.describe("The workload's name; it need not exist yet."),
      }),
      256,
    )
      .optional()
      .describe("Workloads whose pods get addresses of this pool, and of nothing else."),
  })
  .describe(
    "The addresses, and whom they are kept for; without namespaces and workloads, for pods that name the pool.",
  );
export type IpPoolSpec = z.infer<typeof ipPoolSpec>;

export const ipPoolStatus = z
  .object({
    observedGeneration,
    total: addressCounts.optional().describe("Addresses that pods can have, per family."),
    used: addressCounts.optional().describe("Addresses that pods have or that are kept for them, per family."),
    conditions,
  })
  .describe("What the controller makes of it.");

export const ipPool = z.object({ spec: ipPoolSpec, status: ipPoolStatus.optional() });

export function ipPoolDefinition(): object {
  return customResourceDefinition({
    resource: ipPools,
    singular: "ippool",
    description: "Addresses of a Subnet that only those get whom they are kept for, or who name the pool.",
    schema: ipPool,
    hasStatus: true,
    columns: [
      readyColumn,
      reasonColumn,
      column("Subnet", "string", ".spec.subnet"),
      column("Addresses", "string", ".spec.addresses"),
      column("Used-IPv4", "integer", ".status.used.ipv4"),
      column("IPv4", "integer", ".status.total.ipv4"),
      column("Used-IPv6", "integer", ".status.used.ipv6"),
      ageColumn,
    ],
  });
}
