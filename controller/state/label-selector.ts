import { isAbsent, isObject, objectAt } from "./raw-object.ts";
import { canonicalRequirements, type Requirement } from "./selector.ts";

/** apimachinery's IsQualifiedName: an optional DNS subdomain, and a name. */
const keyPattern =
  /^(?:(?=[^/]{1,253}\/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/)?(?=[^/]{1,63}$)[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
/** apimachinery's IsValidLabelValue. */
const valuePattern = /^(?=.{0,63}$)(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** The text stands in every row of the selector, and again in those of what it has in common with others. */
const maxText = 16_384;

const isKey = (value: unknown): value is string => typeof value === "string" && keyPattern.test(value);
const isValue = (value: unknown): value is string => typeof value === "string" && valuePattern.test(value);

/** @returns the requirement, or what is wrong with it */
function requirementOf(raw: unknown): Requirement | string {
  const { key, operator, values } = objectAt(raw);
  if (!isKey(key)) return `${JSON.stringify(key)} is no label key`;
  switch (operator) {
    case "In":
    case "NotIn":
      if (!Array.isArray(values) || values.length === 0) return `${operator} of ${key} has no values`;
      return values.every(isValue) ? { key, operator, values } : `${operator} of ${key} has a value that no label has`;
    case "Exists":
    case "DoesNotExist":
      return isAbsent(values) || (Array.isArray(values) && values.length === 0)
        ? { key, operator }
        : `${operator} of ${key} takes no values`;
    default:
      return `${JSON.stringify(operator)} is no operator`;
  }
}

/**
 * Reads a metav1.LabelSelector as strictly as apimachinery's LabelSelectorAsSelector does: no pod may be selected, or
 * missed, for a misunderstanding. An empty one selects everything.
 * @returns the conditions in canonical order, or, as text, why they can't be read
 */
export function readLabelSelector(raw: unknown): readonly Requirement[] | string {
  if (!isObject(raw)) return `${JSON.stringify(raw)} is no label selector`;
  const { matchLabels, matchExpressions } = objectAt(raw);
  if (!isAbsent(matchLabels) && !isObject(matchLabels)) return "matchLabels is no map";
  if (!isAbsent(matchExpressions) && !Array.isArray(matchExpressions)) return "matchExpressions is no list";
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(objectAt(matchLabels))) {
    if (!isKey(key)) return `${JSON.stringify(key)} is no label key`;
    if (!isValue(value)) return `${JSON.stringify(value)} is no label value`;
    requirements.push({ key, operator: "In", values: [value] });
  }
  for (const expression of Array.isArray(matchExpressions) ? matchExpressions : []) {
    const requirement = requirementOf(expression);
    if (typeof requirement === "string") return requirement;
    requirements.push(requirement);
  }
  const canonical = canonicalRequirements(requirements);
  return canonical.text.length > maxText ? `a selector of more than ${maxText} characters` : canonical.requirements;
}
