import type { NamespaceSelection, ResourceRecord } from "./selection.ts";

/** A route of a tenant's router (`Logical_Router_Static_Route`). */
export interface TenantRoute {
  /** A network, in canonical form. */
  readonly destination: string;
  /** Addresses in the tenant's subnets; several share the traffic. */
  readonly nextHops: readonly string[];
}

/** A policy of a tenant's router (`Logical_Router_Policy`). */
export interface TenantPolicyRoute {
  /** 0–1000, the highest that matches decides; kept below what isolates tenants. */
  readonly priority: number;
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly action: "allow" | "drop" | "reroute";
  readonly nextHops: readonly string[];
}

/** Services of others that a tenant's pods may use. */
export interface ServiceAccess {
  readonly namespace: string;
  /** All of the namespace where absent. */
  readonly name: string | undefined;
}

/** What the controller keeps of a Tenant. One that is called `default` says more of the tenant of what no tenant claims. */
export interface TenantRecord extends ResourceRecord {
  readonly namespaces: NamespaceSelection;
  /** Tenants that it is joined with, once each names the other. */
  readonly peers: readonly string[];
  /** By default the API server's and the cluster's DNS. */
  readonly services: readonly ServiceAccess[];
  readonly routes: readonly TenantRoute[];
  readonly policyRoutes: readonly TenantPolicyRoute[];
  /** For broadcast and multicast frames of each port, in kbit/s. */
  readonly stormKbps: number;
}
