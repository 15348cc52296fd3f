import {
  adminNetworkPolicyDefinition,
  baselineAdminNetworkPolicyDefinition,
  clusterNetworkPolicyDefinition,
} from "@ovenbird/kube";
import type { PolicyKind } from "../state/policy.ts";
import { isObject } from "../state/raw-object.ts";

/** The part of a JSON schema that says which fields there are; without `properties` and `items` anything goes. */
interface Fields {
  readonly properties?: Readonly<Record<string, Fields>>;
  readonly items?: Fields;
}

const anything: Fields = {};
const object = (properties: Readonly<Record<string, Fields>>): Fields => ({ properties });
const list = (items: Fields): Fields => ({ items });
const leaves = (...names: readonly string[]): Fields =>
  object(Object.fromEntries(names.map((name) => [name, anything])));

/** Source: k8s.io/api networking/v1 NetworkPolicySpec, meta/v1 LabelSelector. */
const networkPolicySpec = (() => {
  const selector = object({ matchLabels: anything, matchExpressions: list(leaves("key", "operator", "values")) });
  const ports = list(leaves("protocol", "port", "endPort"));
  const peers = list(object({ podSelector: selector, namespaceSelector: selector, ipBlock: leaves("cidr", "except") }));
  return object({
    podSelector: selector,
    policyTypes: anything,
    ingress: list(object({ ports, from: peers })),
    egress: list(object({ ports, to: peers })),
  });
})();

/** Source: k8s.io/apimachinery meta/v1 ObjectMeta. */
const metadata = leaves(
  ...["name", "generateName", "namespace", "labels", "annotations", "ownerReferences", "finalizers", "managedFields"],
  ...["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"],
  "selfLink",
);

/** What a policy's definition says of its spec. @throws TypeError when it says nothing, which ours never do */
function specOf(definition: object): Fields {
  const { spec } = definition as {
    readonly spec?: { readonly versions?: readonly { readonly schema?: { readonly openAPIV3Schema?: Fields } }[] };
  };
  const found = spec?.versions?.[0]?.schema?.openAPIV3Schema?.properties?.spec;
  if (found === undefined) throw new TypeError("a policy's definition has no spec");
  return found;
}

const specs: Readonly<Record<PolicyKind, () => Fields>> = {
  NetworkPolicy: () => networkPolicySpec,
  AdminNetworkPolicy: () => specOf(adminNetworkPolicyDefinition()),
  BaselineAdminNetworkPolicy: () => specOf(baselineAdminNetworkPolicyDefinition()),
  ClusterNetworkPolicy: () => specOf(clusterNetworkPolicyDefinition()),
};

/** Made when first asked for: few controllers are ever asked for a plan. */
const known = new Map<PolicyKind, Fields>();

function fieldsOf(kind: PolicyKind): Fields {
  const found =
    known.get(kind) ??
    object({ apiVersion: anything, kind: anything, metadata, spec: specs[kind](), status: anything });
  known.set(kind, found);
  return found;
}

/** Longer names are nobody's slip of a key, and comparing costs. */
const longestCompared = 40;

/** How many characters have to be put in, taken out or replaced to get from one text to the other (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > longestCompared) return undefined;
  const far = Math.max(2, Math.floor(name.length / 3));
  const [best] = candidates
    .map((candidate) => ({ candidate, far: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter((each) => each.far <= far)
    .sort((a, b) => a.far - b.far);
  return best?.candidate;
}

/** An object says so many; who has more than these mends them first. */
const told = 20;

/**
 * The fields of a policy that its kind doesn't have, in words with the nearest that it has: the API server would refuse or
 * drop them, and the policy would mean something else than whoever wrote it thinks.
 */
export function unknownFields(kind: PolicyKind, raw: unknown): readonly string[] {
  const found: string[] = [];
  const look = (value: unknown, { properties, items }: Fields, path: string): void => {
    if (Array.isArray(value) && items !== undefined) {
      for (const [index, item] of value.entries()) {
        if (found.length >= told) return;
        look(item, items, `${path}[${index}]`);
      }
      return;
    }
    if (!isObject(value) || properties === undefined) return;
    const names = Object.keys(properties);
    for (const [name, member] of Object.entries(value)) {
      if (found.length >= told) return;
      const at = `${path === "" ? "" : `${path}.`}${name.slice(0, 2 * longestCompared)}`;
      const fields = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (fields !== undefined) {
        look(member, fields, at);
        continue;
      }
      const near = nearest(name, names);
      found.push(`${at} is no field: ${near === undefined ? `known are ${names.join(", ")}` : `is ${near} meant?`}`);
    }
  };
  look(raw, fieldsOf(kind), "");
  return found;
}
