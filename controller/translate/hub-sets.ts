import type { Uuid } from "ovsdb-client-ts";
import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { DesiredRow, Membership, Owner } from "./desired.ts";
import { defaultTenant } from "./names.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { textKey } from "./pod-group.ts";
import { tenantOwner } from "./tenant-owner.ts";

/** Address sets that policies of the default tenant's router stand on. */
export type HubSet =
  /** What tenants' packets come from: the infrastructure network, and networks that leave as they are. */
  | "tenants"
  /** What the tenant `default` has: the cluster's network and its subnets. */
  | "own"
  /** Its subnets' networks alone. */
  | "overlays"
  /** Addresses of nodes' management ports. */
  | "management"
  /** What leaves by the gateway of its node. */
  | "egress";

const hubSets: readonly HubSet[] = ["tenants", "own", "overlays", "management", "egress"];

/** Sets of a tenant: what its pods may send from, and what of that may not leave. */
export type TenantSet = "sources" | "closed";

const tenantSets: readonly TenantSet[] = ["sources", "closed"];

export interface NamedSet {
  readonly name: string;
  readonly uuid: Uuid;
  readonly owner: Owner;
  readonly part: string;
}

/** An Address_Set of an owner, by the name it has in matches (without `$`). */
export function namedSet(owner: Owner, part: string, name: string): NamedSet {
  return { name, owner, part, uuid: rowUuid("Address_Set", ownerText(owner, part)) };
}

export function hubSet(set: HubSet, family: Family): NamedSet {
  return namedSet(tenantOwner, `${set}.ipv${family}`, `${defaultTenant}.${set}.ipv${family}`);
}

/** What may stand in the name of an address set, for a text that may hold anything. */
export const setKey = (kind: string, text: string): string =>
  `${kind.toLowerCase()}_${textKey(kind, text).slice(0, 16)}`;

export function tenantSet(tenant: string, set: TenantSet, family: Family): NamedSet {
  const owner = { kind: "Tenant", key: tenant };
  return namedSet(owner, `${set}.ipv${family}`, `${setKey("Tenant", tenant)}.${set}.ipv${family}`);
}

export function setRow({ owner, part, name }: NamedSet): DesiredRow {
  return desiredRow("Address_Set", owner, part, { name });
}

export function setMember({ uuid }: NamedSet, member: string): Membership {
  return { table: "Address_Set", row: uuid, column: "addresses", member };
}

export function hubSetRows({ families }: NetworkConfig): readonly DesiredRow[] {
  return families.flatMap(({ family }) => hubSets.map((set) => setRow(hubSet(set, family))));
}

export function tenantSetRows({ families }: NetworkConfig, tenant: string): readonly DesiredRow[] {
  return families.flatMap(({ family }) => tenantSets.map((set) => setRow(tenantSet(tenant, set, family))));
}
