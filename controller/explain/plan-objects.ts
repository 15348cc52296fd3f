import { projectAdminNetworkPolicy, projectBaselineAdminNetworkPolicy } from "../state/admin-network-policy.ts";
import { projectClusterNetworkPolicy } from "../state/cluster-network-policy.ts";
import { projectNetworkPolicy } from "../state/network-policy.ts";
import { type PolicyRecord, policyId } from "../state/policy.ts";
import { isObject, listAt, metadataOf, objectAt, textAt } from "../state/raw-object.ts";
import { ExplainError } from "./explain-error.ts";
import { unknownFields } from "./policy-fields.ts";

const alpha = "policy.networking.k8s.io";

const kinds: Readonly<
  Record<string, { readonly apiVersion: string; readonly isNamespaced: boolean; project(raw: unknown): PolicyRecord }>
> = {
  NetworkPolicy: { apiVersion: "networking.k8s.io/v1", isNamespaced: true, project: projectNetworkPolicy },
  AdminNetworkPolicy: { apiVersion: `${alpha}/v1alpha1`, isNamespaced: false, project: projectAdminNetworkPolicy },
  BaselineAdminNetworkPolicy: {
    apiVersion: `${alpha}/v1alpha1`,
    isNamespaced: false,
    project: projectBaselineAdminNetworkPolicy,
  },
  ClusterNetworkPolicy: { apiVersion: `${alpha}/v1alpha2`, isNamespaced: false, project: projectClusterNetworkPolicy },
};

/** These may be meant, and leave nothing unread: the plan notes them. */
const noted = new Set(["POLICY_EXCEPT_OUTSIDE", "POLICY_NAMED_PORT_WITHOUT_POD"]);

/** Lists of objects (`kind: List`, `NetworkPolicyList`) by their items, each as what the list is of. */
function flattened(objects: readonly unknown[]): readonly unknown[] {
  return objects.flatMap((raw) => {
    const { kind, items, apiVersion } = objectAt(raw);
    const ofList = /^([A-Za-z]*)List$/.exec(textAt(kind) ?? "")?.[1];
    if (ofList === undefined) return [raw];
    return listAt(items).map((item) => (ofList === "" ? item : { apiVersion, kind: ofList, ...objectAt(item) }));
  });
}

function nameOf(raw: unknown): string {
  const { kind } = objectAt(raw);
  const { namespace, name } = metadataOf(raw);
  return `${textAt(kind) ?? "object"} ${namespace === "" ? "" : `${namespace}/`}${name === "" ? "without name" : name}`;
}

/**
 * Reads the policies to plan with. Without namespace they are in `default`, as for kubectl.
 * @param needsSpec false for policies that are to be deleted: their names are enough
 * @throws ExplainError INVALID_OBJECT with every problem of every object, and every field that its kind doesn't have
 */
export function readPlannedPolicies(objects: readonly unknown[], needsSpec: boolean): readonly PolicyRecord[] {
  const complaints: string[] = [];
  const records = new Map<string, PolicyRecord>();
  for (const raw of flattened(objects)) {
    const { kind, apiVersion, spec } = objectAt(raw);
    const known = typeof kind === "string" && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    if (known === undefined || apiVersion !== known.apiVersion) {
      const wanted = known === undefined ? `a kind of policy (${Object.keys(kinds).join(", ")})` : known.apiVersion;
      complaints.push(`${nameOf(raw)} (${textAt(apiVersion) ?? "without apiVersion"}) is not ${wanted}`);
      continue;
    }
    const { namespace, name } = metadataOf(raw);
    if (name === "" || (needsSpec && !isObject(spec))) {
      complaints.push(`${nameOf(raw)} has no ${name === "" ? "metadata.name" : "spec"}`);
      continue;
    }
    const metadata = { ...objectAt(objectAt(raw).metadata), namespace: namespace === "" ? "default" : namespace };
    const record = known.project(known.isNamespaced ? { ...objectAt(raw), metadata } : raw);
    if (needsSpec) {
      complaints.push(...unknownFields(record.kind, raw).map((text) => `${nameOf(raw)}: ${text}`));
      for (const { code, message } of record.problems)
        if (!noted.has(code)) complaints.push(`${nameOf(raw)}: ${code}: ${message}`);
    }
    records.set(policyId(record), record);
  }
  if (complaints.length > 0) throw new ExplainError("INVALID_OBJECT", complaints.slice(0, 20).join("\n"));
  return [...records.values()];
}
