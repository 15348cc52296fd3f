import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";
import {
  addressText,
  ageColumn,
  cidrText,
  column,
  conditions,
  labelName,
  listOf,
  namespaceSelection,
  objectCount,
  objectName,
  observedGeneration,
  readyColumn,
  reasonColumn,
  rules,
  setOf,
} from "./resource-schemas.ts";

/** Tenant: namespaces whose pods have a router and switches of their own. `deploy/crds/tenants.yaml` is generated from this. */
export const tenants: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "tenants",
  kind: "Tenant",
  namespaced: false,
});

/** On a Tenant as long as pods have addresses of its Subnets. */
export const tenantFinalizer = "ovenbird.io/tenant";

/** The tenant of namespaces that no Tenant claims. */
export const defaultTenant = "default";

const route = z.object({
  destination: cidrText.describe("The network that is behind the next hops."),
  nextHops: listOf(addressText, 8).min(1).describe("Addresses in the tenant's subnets; several share the traffic."),
});

const policyRoute = z
  .object({
    priority: z.int().min(0).max(1000).describe("The highest that matches decides."),
    source: cidrText.optional().describe("Where packets come from; from anywhere where absent."),
    destination: cidrText.optional().describe("Where packets go; anywhere where absent."),
    action: z.enum(["Allow", "Drop", "Reroute"]).describe("What is done with packets from the tenant's pods."),
    nextHops: listOf(addressText, 8).optional().describe("Of Reroute: where packets go instead."),
  })
  .meta(
    rules({
      rule: "(self.action == 'Reroute') == (has(self.nextHops) && size(self.nextHops) > 0)",
      message: "nextHops are wanted with Reroute, and with nothing else",
    }),
  );

export const tenantSpec = z
  .object({
    namespaces: namespaceSelection
      .optional()
      .describe("The tenant's namespaces. Of two tenants that claim one, the older has it."),
    peers: setOf(objectName, 64)
      .optional()
      .describe(
        "Tenants that this one is joined with, once each names the other; default stands for the default tenant.",
      ),
    services: listOf(
      z.object({
        namespace: labelName.describe("The services' namespace."),
        name: labelName.optional().describe("One service; all of the namespace where absent."),
      }),
      256,
    )
      .default([
        { namespace: "default", name: "kubernetes" },
        { namespace: "kube-system", name: "kube-dns" },
      ])
      .describe("Services of other tenants that the tenant's pods may use."),
    routes: listOf(route, 256).optional().describe("Static routes of the tenant's router."),
    policyRoutes: listOf(policyRoute, 256)
      .optional()
      .describe("Routes of the tenant's router by source and destination; they can't lead into another tenant."),
    stormControl: z
      .object({
        rateKbps: z
          .int()
          .min(64)
          .max(100_000_000)
          .default(2000)
          .describe(
            "What the ports of a switch on one node may send together of broadcast and multicast frames, in kbit/s.",
          ),
      })
      .optional()
      .describe("Holds floods back where they begin."),
  })
  .describe("What the tenant is made of, and whom it may meet.");
export type TenantSpec = z.infer<typeof tenantSpec>;

export const tenantStatus = z
  .object({
    observedGeneration,
    namespaces: objectCount.optional().describe("Namespaces of the tenant."),
    subnets: objectCount.optional().describe("Subnets of the tenant."),
    pods: objectCount.optional().describe("Pods that have their addresses in the tenant's subnets."),
    conditions,
  })
  .describe("What the controller makes of it.");

export const tenant = z.object({ spec: tenantSpec.optional(), status: tenantStatus.optional() });

export function tenantDefinition(): object {
  return customResourceDefinition({
    resource: tenants,
    singular: "tenant",
    description: "Namespaces whose pods have a router and switches of their own, apart from those of others.",
    schema: tenant,
    hasStatus: true,
    columns: [
      readyColumn,
      reasonColumn,
      column("Namespaces", "integer", ".status.namespaces"),
      column("Subnets", "integer", ".status.subnets"),
      column("Pods", "integer", ".status.pods"),
      column("Peers", "string", ".spec.peers"),
      ageColumn,
    ],
  });
}
