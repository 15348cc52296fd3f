import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  ageColumn,
  column,
  conditions,
  labelSelector,
  listOf,
  observedGeneration,
  readyColumn,
  reasonColumn,
  rules,
  setOf,
} from "./resource-schemas.ts";

/** ProviderNetwork: a physical network that nodes are on. `deploy/crds/providernetworks.yaml` is generated from this. */
export const providerNetworks: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "providernetworks",
  kind: "ProviderNetwork",
  namespaced: false,
});

/** On a ProviderNetwork as long as somebody has an address of a Subnet on it. */
export const providerNetworkFinalizer = "ovenbird.io/provider-network";

/** IFNAMSIZ, or a hardware address. */
const uplink = z
  .string()
  .min(1)
  .max(17)
  .regex(/^[^/\s]+$/);

export const providerNetworkSpec = z
  .object({
    nodeSelector: labelSelector.optional().describe("The nodes that are on it; all where absent or empty."),
    uplinks: setOf(uplink, 64)
      .optional()
      .describe("Interfaces by name or hardware address; each node uses the first that it has."),
    bond: z
      .object({
        mode: z
          .enum(["active-backup", "balance-slb"])
          .default("active-backup")
          .describe("As ovs-vswitchd.conf.db(5) has it."),
        uplinks: listOf(setOf(uplink, 8).min(2), 64)
          .min(1)
          .describe(
            "Sets of interfaces, by name or hardware address; each node bonds the first set that it has in full.",
          ),
      })
      .optional()
      .describe("Several interfaces as one."),
  })
  .meta(
    rules({
      rule: "has(self.bond) != (has(self.uplinks) && size(self.uplinks) > 0)",
      message: "either uplinks or bond is wanted",
    }),
  )
  .describe("The nodes, and their interfaces on the network.");
export type ProviderNetworkSpec = z.infer<typeof providerNetworkSpec>;

export const providerNetworkNode = z.object({
  ready: z.boolean().describe("Whether pods on the node can be in the network."),
  interfaces: z.array(z.string()).max(8).optional().describe("What the node uses."),
  message: z.string().max(1024).optional().describe("What is wrong, and what to do."),
});

export const providerNetworkStatus = z
  .object({
    observedGeneration,
    nodes: z.record(z.string(), providerNetworkNode).optional().describe("What each node's agent says."),
    ready: z.int().min(0).optional().describe("Nodes that are ready."),
    conditions,
  })
  .describe("What the agents and the controller make of it.");

export const providerNetwork = z.object({ spec: providerNetworkSpec, status: providerNetworkStatus.optional() });
export type ProviderNetwork = z.infer<typeof providerNetwork>;

export function providerNetworkDefinition(): object {
  return customResourceDefinition({
    resource: providerNetworks,
    singular: "providernetwork",
    description: "A physical network, and by which interfaces nodes are on it.",
    schema: providerNetwork,
    hasStatus: true,
    columns: [
      readyColumn,
      reasonColumn,
      column("Nodes", "integer", ".status.ready"),
      column("Uplinks", "string", ".spec.uplinks"),
      column("Bond", "string", ".spec.bond.mode"),
      ageColumn,
    ],
  });
}
