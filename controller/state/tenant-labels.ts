import { createInterner } from "./interner.ts";
import { type Labels, projectLabels } from "./labels.ts";
import { type PodSelector, podSelector, tenantKey } from "./selector.ts";

const known = new WeakMap<Labels, Map<string, Labels>>();
const selectors = createInterner<PodSelector>(16_384);

/** By what policies select a pod that is known to its tenant by an address of its own: its labels, and the tenant. One object for equal ones. */
export function labelsInTenant(labels: Labels, tenant: string): Labels {
  const byTenant = known.get(labels) ?? new Map<string, Labels>();
  known.set(labels, byTenant);
  const found = byTenant.get(tenant) ?? projectLabels({ ...labels, [tenantKey]: tenant });
  byTenant.set(tenant, found);
  return found;
}

/** Those of the pods selected that are in one of the tenants, with addresses that are only theirs. */
export function selectorInTenants(selector: PodSelector, tenants: readonly string[]): PodSelector {
  return selectors.intern(`${selector.text} ${tenants.join()}`, () =>
    podSelector({
      namespace: selector.namespace,
      namespaceRequirements: selector.namespaceRequirements,
      podRequirements: [...selector.podRequirements, { key: tenantKey, operator: "In", values: tenants }],
    }),
  );
}
