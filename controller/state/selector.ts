import type { Labels } from "./labels.ts";

/** One condition on labels (metav1.LabelSelectorRequirement); an entry of `matchLabels` is `In` with one value. */
export type Requirement =
  /** Values sorted, each once. */
  | { readonly key: string; readonly operator: "In" | "NotIn"; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: "Exists" | "DoesNotExist" };

/**
 * Which pods: those whose namespace and whose labels meet every condition. Canonical: selectors that say the same have the
 * same `text`, and what both of two selectors select is a selector again. Ports that a pod names count as labels
 * (`namedPortKey`). Pods on their node's network are never selected.
 */
export interface PodSelector {
  readonly text: string;
  /** Absent: pods of any namespace whose labels meet `namespaceRequirements`. */
  readonly namespace: string | undefined;
  readonly namespaceRequirements: readonly Requirement[];
  readonly podRequirements: readonly Requirement[];
}

/** Under which label a container's named port counts, with its number as the value. No label may begin with `#`. */
export function namedPortKey(protocol: "tcp" | "udp" | "sctp", name: string): string {
  return `#${protocol}/${name}`;
}

/** Under which label it counts in whose tenant a pod is whose own address others may have as well. */
export const tenantKey = "#tenant" as const;

function requirementText(requirement: Requirement): string {
  const { key, operator } = requirement;
  switch (operator) {
    case "In":
      return requirement.values.length === 1
        ? `${key}=${requirement.values[0]}`
        : `${key} in (${requirement.values.join(",")})`;
    case "NotIn":
      return `${key} notin (${requirement.values.join(",")})`;
    case "Exists":
      return key;
    case "DoesNotExist":
      return `!${key}`;
  }
}

/** The same conditions, each once, in one order, with their values sorted; and their text. */
export function canonicalRequirements(requirements: readonly Requirement[]): {
  readonly requirements: readonly Requirement[];
  readonly text: string;
} {
  const byText = new Map<string, Requirement>();
  for (const requirement of requirements) {
    const canonical: Requirement =
      "values" in requirement
        ? Object.freeze({ ...requirement, values: Object.freeze([...new Set(requirement.values)].sort()) })
        : requirement;
    byText.set(requirementText(canonical), canonical);
  }
  const texts = [...byText.keys()].sort();
  return {
    requirements: Object.freeze(texts.flatMap((text) => byText.get(text) ?? [])),
    text: texts.join(", "),
  };
}

export function podSelector(parts: {
  readonly namespace?: string | undefined;
  readonly namespaceRequirements?: readonly Requirement[];
  readonly podRequirements?: readonly Requirement[];
}): PodSelector {
  const { namespace } = parts;
  const ofNamespace = canonicalRequirements(parts.namespaceRequirements ?? []);
  const ofPod = canonicalRequirements(parts.podRequirements ?? []);
  const where = namespace === undefined ? `{${ofNamespace.text}}` : `${namespace}{${ofNamespace.text}}`;
  return Object.freeze({
    text: `${where}/{${ofPod.text}}`,
    namespace,
    namespaceRequirements: ofNamespace.requirements,
    podRequirements: ofPod.requirements,
  });
}

/** What both select; undefined when they name different namespaces, so that nothing can be. */
export function intersection(a: PodSelector, b: PodSelector): PodSelector | undefined {
  if (a.namespace !== undefined && b.namespace !== undefined && a.namespace !== b.namespace) return undefined;
  return podSelector({
    namespace: a.namespace ?? b.namespace,
    namespaceRequirements: [...a.namespaceRequirements, ...b.namespaceRequirements],
    podRequirements: [...a.podRequirements, ...b.podRequirements],
  });
}

/** Whether labels meet a condition (labels.Requirement.Matches: `NotIn` is met where the label is absent). */
export function meets(labels: Labels, requirement: Requirement): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case "In":
      return value !== undefined && requirement.values.includes(value);
    case "NotIn":
      return value === undefined || !requirement.values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

export function meetsAll(labels: Labels, requirements: readonly Requirement[]): boolean {
  return requirements.every((requirement) => meets(labels, requirement));
}

/** @param labels the pod's labels and its named ports; @param namespaceLabels of the pod's namespace, `kubernetes.io/metadata.name` included */
export function selects(selector: PodSelector, namespace: string, namespaceLabels: Labels, labels: Labels): boolean {
  return (
    (selector.namespace === undefined || selector.namespace === namespace) &&
    meetsAll(namespaceLabels, selector.namespaceRequirements) &&
    meetsAll(labels, selector.podRequirements)
  );
}
