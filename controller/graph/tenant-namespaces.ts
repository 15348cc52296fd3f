import type { Labels } from "../state/labels.ts";
import { namespaceLabels } from "../state/namespace.ts";
import type { NamespaceSelection } from "../state/selection.ts";
import { meetsAll } from "../state/selector.ts";
import type { TenantRecord } from "../state/tenant.ts";
import { defaultTenant } from "../translate/names.ts";
import { byAge } from "./subnet-resolution.ts";

/** Whether a namespace is among those that are meant; without any condition none is. */
export function selectsNamespace({ names, requirements }: NamespaceSelection, name: string, labels: Labels): boolean {
  return names.includes(name) || (requirements !== undefined && meetsAll(labels, requirements));
}

/** Which tenant a namespace is in: of two that claim it, the older one's. Answers are kept until something changes. */
export interface TenantNamespaces {
  setTenant(name: string, tenant: TenantRecord | undefined): void;
  setNamespace(name: string, labels: Labels | undefined): void;
  tenantOf(namespace: string): string;
  /** Namespaces of a tenant, and those that it claims in vain, with who has them; costs all namespaces, once. */
  claimsOf(tenant: string): TenantClaims;
}

export interface TenantClaims {
  readonly namespaces: readonly string[];
  readonly lost: readonly { readonly namespace: string; readonly to: string }[];
}

export function createTenantNamespaces(): TenantNamespaces {
  const tenants = new Map<string, TenantRecord>();
  const namespaces = new Map<string, Labels>();
  const answers = new Map<string, string>();
  /** Asked for with each pod that comes; as of the last change. */
  const claims = new Map<string, TenantClaims>();
  let ordered: readonly TenantRecord[] | undefined;

  function find(namespace: string): string {
    if (tenants.size === 0) return defaultTenant;
    ordered ??= [...tenants.values()].filter(({ key }) => key !== defaultTenant).sort(byAge);
    const labels = namespaces.get(namespace) ?? namespaceLabels(namespace);
    return ordered.find((tenant) => selectsNamespace(tenant.namespaces, namespace, labels))?.key ?? defaultTenant;
  }

  function tenantOf(namespace: string): string {
    let tenant = answers.get(namespace);
    if (tenant === undefined) {
      tenant = find(namespace);
      // What isn't there any more is not to be remembered.
      if (namespaces.has(namespace)) answers.set(namespace, tenant);
    }
    return tenant;
  }

  return {
    setTenant(name, tenant) {
      if (tenant === undefined) tenants.delete(name);
      else tenants.set(name, tenant);
      ordered = undefined;
      answers.clear();
      claims.clear();
    },
    setNamespace(name, labels) {
      if (labels === undefined) namespaces.delete(name);
      else namespaces.set(name, labels);
      answers.delete(name);
      claims.clear();
    },
    tenantOf,
    claimsOf(name) {
      const known = claims.get(name);
      if (known !== undefined) return known;
      const record = tenants.get(name);
      const own: string[] = [];
      const lost: { namespace: string; to: string }[] = [];
      for (const [namespace, labels] of namespaces) {
        const holder = tenantOf(namespace);
        if (holder === name) own.push(namespace);
        else if (record !== undefined && selectsNamespace(record.namespaces, namespace, labels)) {
          lost.push({ namespace, to: holder });
        }
      }
      const found = { namespaces: own, lost };
      claims.set(name, found);
      return found;
    },
  };
}
