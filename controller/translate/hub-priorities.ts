/**
 * Priorities of policies on the default tenant's router, through which tenants meet nodes, services and the world. Above them
 * are what services need: ways to NodePorts (1400, 1401), ways back (1450), and what no service has (1500).
 */
export const hubPriorities = {
  /** Pods of the tenant `default` and its own. */
  own: 1300,
  /** Pods and nodes, both ways. */
  nodes: 1250,
  /** What comes in by gateways, and may go to pods of tenants. */
  gateways: 1240,
  /** What tenants may reach of each other. */
  shared: 1230,
  /** What is left of what tenants would say to each other, or to the tenant `default`. */
  isolated: 1220,
  /** What may not leave, of the tenant `default`. */
  closed: 700,
  /** The tenant `default`'s own policy routes, in the order of their priorities upwards from here: of what leaves. */
  policyRoutes: 410,
  /** What leaves by its node's gateway; what leaves by addresses of its own is above. */
  egress: 250,
  /** What is left of tenants. */
  last: 240,
} as const;

/** Priorities of policies on a tenant's own router. */
export const tenantPriorities = {
  /** What comes from a peer goes no further than the tenant. */
  transit: 14_000,
  /** Nodes, and shared services, whatever the tenant's own routes and policies say. */
  inside: 13_900,
  /** Of the tenant's own policy routes: ten for each of their priorities, upwards from here. */
  own: 2000,
  /** What leaves the tenant. */
  exit: 1000,
} as const;
