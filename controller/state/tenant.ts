import { defaultTenant, tenantSpec } from "@ovenbird/kube";
import { listAt, objectAt, textAt } from "./raw-object.ts";
import {
  type Complain,
  projectResource,
  readAddress,
  readCidr,
  readNamespaceSelection,
  requireLabelName,
  textsAt,
} from "./resource-record.ts";
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
  /** For broadcast and multicast frames of a switch's ports on one node, in kbit/s. */
  readonly stormKbps: number;
}

/** What is in no spec yet, as the schema says it. */
const defaults = tenantSpec.parse({});
const defaultStormKbps = 2000;

function readNextHops(raw: unknown, field: string, complain: Complain): readonly string[] {
  return Object.freeze(textsAt(raw).flatMap((text) => readAddress(text, field, complain) ?? []));
}

/** A network in canonical form; undefined also where there is none, which `isUnreadable` tells apart. */
function optionalCidr(raw: unknown, field: string, complain: Complain) {
  if (typeof raw !== "string") return { cidr: undefined, isUnreadable: raw !== undefined && raw !== null };
  const cidr = readCidr(raw, field, complain)?.text;
  return { cidr, isUnreadable: cidr === undefined };
}

const familyOf = (text: string): 4 | 6 => (text.includes(":") ? 6 : 4);

function readRoutes(raw: unknown, complain: Complain): readonly TenantRoute[] {
  return Object.freeze(
    listAt(raw).flatMap((entry) => {
      const { destination, nextHops: rawHops } = objectAt(entry);
      const { cidr } = optionalCidr(destination, "routes", complain);
      const nextHops = readNextHops(rawHops, "routes", complain);
      if (cidr === undefined || nextHops.length === 0) return [];
      if (nextHops.every((hop) => familyOf(hop) === familyOf(cidr))) return [{ destination: cidr, nextHops }];
      complain(`routes: the next hops of ${cidr} are of another family`);
      return [];
    }),
  );
}

const actions = { Allow: "allow", Drop: "drop", Reroute: "reroute" } as const;

function readPolicyRoutes(raw: unknown, complain: Complain): readonly TenantPolicyRoute[] {
  return Object.freeze(
    listAt(raw).flatMap((entry): TenantPolicyRoute[] => {
      const {
        priority,
        source: rawSource,
        destination: rawDestination,
        action: rawAction,
        nextHops: rawHops,
      } = objectAt(entry);
      const source = optionalCidr(rawSource, "policyRoutes", complain);
      const destination = optionalCidr(rawDestination, "policyRoutes", complain);
      const action =
        typeof rawAction === "string" && rawAction in actions ? actions[rawAction as keyof typeof actions] : undefined;
      const nextHops = readNextHops(rawHops, "policyRoutes", complain);
      if (typeof priority !== "number" || action === undefined) return [];
      if (source.isUnreadable || destination.isUnreadable) return [];
      const families = new Set(
        [source.cidr, destination.cidr, ...nextHops].flatMap((text) => (text === undefined ? [] : [familyOf(text)])),
      );
      if (families.size > 1) {
        complain(`policyRoutes: the one of priority ${priority} mixes families`);
        return [];
      }
      if ((action === "reroute") !== nextHops.length > 0) {
        complain("policyRoutes: nextHops are wanted with Reroute, and with nothing else");
        return [];
      }
      return [{ priority, source: source.cidr, destination: destination.cidr, action, nextHops }];
    }),
  );
}

function readServices(raw: unknown): readonly ServiceAccess[] {
  const list = raw === undefined || raw === null ? defaults.services : listAt(raw);
  return Object.freeze(
    list.flatMap((entry) => {
      const { namespace, name } = objectAt(entry);
      const text = textAt(namespace);
      return text === undefined ? [] : [{ namespace: text, name: textAt(name) }];
    }),
  );
}

/** Projects a Tenant as the API gives it; never throws. */
export function projectTenant(raw: unknown): TenantRecord {
  return projectResource(raw, tenantSpec, (spec, complain, object) => {
    const { rateKbps } = objectAt(spec.stormControl);
    const name = textAt(objectAt(object.metadata).name);
    requireLabelName(object, complain);
    const namespaces = readNamespaceSelection(spec.namespaces, complain);
    if (name === defaultTenant && (namespaces.names.length > 0 || namespaces.requirements !== undefined)) {
      complain("namespaces: the tenant default has those that no other one claims");
    }
    return {
      namespaces,
      peers: Object.freeze([...new Set(textsAt(spec.peers))].filter((peer) => peer !== name).sort()),
      services: readServices(spec.services),
      routes: readRoutes(spec.routes, complain),
      policyRoutes: readPolicyRoutes(spec.policyRoutes, complain),
      stormKbps: typeof rateKbps === "number" && rateKbps > 0 ? rateKbps : defaultStormKbps,
    };
  });
}
