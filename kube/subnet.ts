import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  addressCounts,
  addressText,
  ageColumn,
  cannotChange,
  canOnlyGrow,
  cidrText,
  column,
  conditions,
  listOf,
  namespaceSelection,
  objectName,
  observedGeneration,
  rangeText,
  readyColumn,
  reasonColumn,
  rules,
  setOf,
  staysAbsent,
  vlanNumber,
} from "./resource-schemas.ts";

/** Subnet: where pods have their addresses. `deploy/crds/subnets.yaml` is generated from this. */
export const subnets: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "subnets",
  kind: "Subnet",
  namespaced: false,
});

/** On a Subnet as long as somebody has an address of it. */
export const subnetFinalizer = "ovenbird.io/subnet";

const egress = z
  .object({
    mode: z
      .enum(["Node", "Address", "Routed", "None"])
      .default("Node")
      .describe(
        "Node: translated to the address of the pod's node. Address: translated to `addresses`. Routed: not translated; routers know the way back. None: pods don't leave the cluster.",
      ),
    addresses: setOf(addressText, 2)
      .optional()
      .describe(
        "Of Address: what outside sees, at most one per family; of the network that the nodes' gateways are on.",
      ),
  })
  .meta(
    rules({
      rule: "(has(self.mode) && self.mode == 'Address') == (has(self.addresses) && size(self.addresses) > 0)",
      message: "addresses are wanted with mode Address, and with nothing else",
    }),
  );

export const subnetSpec = z
  .object({
    tenant: objectName
      .default("default")
      .meta(rules(cannotChange("the tenant")))
      .describe("The tenant that it belongs to; can't be changed."),
    mode: z
      .enum(["PerNode", "Cluster", "Underlay"])
      .meta(rules(cannotChange("the mode")))
      .describe(
        "PerNode: each node has a block of it. Cluster: one switch over all nodes, so that a pod keeps its address when it moves. Underlay: pods are in a physical network. Can't be changed.",
      ),
    cidrs: setOf(cidrText, 2)
      .min(1)
      .meta({ "x-kubernetes-list-type": "set", ...rules(canOnlyGrow("networks")) })
      .describe("Its networks, at most one per family; one of the other family can be added, none changed."),
    gateways: setOf(addressText, 2)
      .meta({ "x-kubernetes-list-type": "set", ...rules(canOnlyGrow("gateways")) })
      .optional()
      .describe(
        "The router's address in each network, the first one where absent. Of Underlay: the physical router's.",
      ),
    nodePrefixLengths: listOf(z.int().min(8).max(120), 2)
      .meta(rules(canOnlyGrow("nodePrefixLengths")))
      .optional()
      .describe("Of PerNode: prefix lengths of a node's blocks in the order of `cidrs`; 24 and 64 where absent."),
    excluded: setOf(rangeText, 256)
      .optional()
      .describe("Addresses that no pod gets: single ones, networks, and ranges (10.0.0.10-10.0.0.19)."),
    mtu: z.int().min(576).max(65_535).optional().describe("The pods' MTU in bytes; the cluster's where absent."),
    egress: egress.optional().describe("How pods leave the cluster. Pods of an Underlay use the physical router."),
    underlay: z
      .object({
        providerNetwork: objectName.describe("The ProviderNetwork."),
        vlan: vlanNumber.optional().describe("The VLAN's number; untagged where absent."),
      })
      .optional()
      .describe("Of Underlay: the physical network."),
    namespaces: namespaceSelection
      .optional()
      .describe("Namespaces of the tenant whose pods have their addresses here."),
    default: z.boolean().optional().describe("Whether pods of the tenant are here whose namespace no Subnet selects."),
    dhcp: z.boolean().default(false).describe("Whether pods are answered DHCP (and RA in IPv6) with their addresses."),
    statefulSets: z
      .enum(["Keep", "Forget"])
      .optional()
      .describe(
        "Whether pods of StatefulSets keep their addresses by ordinal; Keep where absent in Cluster and Underlay mode, Forget in PerNode.",
      ),
  })
  .meta(
    rules(
      {
        rule: "(self.mode == 'Underlay') == has(self.underlay)",
        message: "underlay is wanted with mode Underlay, and with no other",
      },
      {
        rule: "!has(self.nodePrefixLengths) || (self.mode == 'PerNode' && size(self.nodePrefixLengths) == size(self.cidrs))",
        message: "nodePrefixLengths are for mode PerNode, one for each of cidrs",
      },
      {
        rule: "!has(self.gateways) || size(self.gateways) == size(self.cidrs)",
        message: "gateways are one for each of cidrs",
      },
      staysAbsent("gateways"),
      staysAbsent("nodePrefixLengths"),
      {
        rule: "self.mode != 'PerNode' || !has(self.statefulSets) || self.statefulSets == 'Forget'",
        message: "pods keep no addresses in mode PerNode, where each node has its own",
      },
    ),
  )
  .describe("The networks, and who is in them.");
export type SubnetSpec = z.infer<typeof subnetSpec>;

export const subnetStatus = z
  .object({
    observedGeneration,
    total: addressCounts.optional().describe("Addresses that pods can have, per family."),
    used: addressCounts.optional().describe("Addresses that pods have or that are kept for them, per family."),
    conditions,
  })
  .describe("What the controller makes of it.");

export const subnet = z.object({ spec: subnetSpec, status: subnetStatus.optional() });

export function subnetDefinition(): object {
  return customResourceDefinition({
    resource: subnets,
    singular: "subnet",
    description: "Networks in which pods of a tenant have their addresses.",
    schema: subnet,
    hasStatus: true,
    columns: [
      readyColumn,
      reasonColumn,
      column("Tenant", "string", ".spec.tenant"),
      column("Mode", "string", ".spec.mode"),
      column("CIDRs", "string", ".spec.cidrs"),
      column("Egress", "string", ".spec.egress.mode"),
      column("Used-IPv4", "integer", ".status.used.ipv4"),
      column("IPv4", "integer", ".status.total.ipv4"),
      column("Used-IPv6", "integer", ".status.used.ipv6"),
      ageColumn,
    ],
  });
}
