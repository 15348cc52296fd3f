import type { LabelSelector } from "./objects.ts";

type Labels = Readonly<Record<string, string>>;

const qualifiedName = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/**
 * Which labels a metav1.LabelSelector selects; `{}` selects all.
 * @returns undefined when the API's validation would refuse the selector
 */
export function readSelector(selector: LabelSelector): ((labels: Labels) => boolean) | undefined {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const conditions: ((labels: Labels) => boolean)[] = [];
  for (const [key, value] of Object.entries(matchLabels)) {
    if (!qualifiedName.test(key) || !labelValue.test(value)) return undefined;
    conditions.push((labels) => labels[key] === value);
  }
  for (const { key, operator, values = [] } of matchExpressions) {
    if (!qualifiedName.test(key)) return undefined;
    const wantsValues = operator === "In" || operator === "NotIn";
    if (wantsValues !== values.length > 0 || !values.every((value) => labelValue.test(value))) return undefined;
    if (operator === "In") conditions.push((labels) => values.some((value) => labels[key] === value));
    else if (operator === "NotIn") conditions.push((labels) => values.every((value) => labels[key] !== value));
    else if (operator === "Exists") conditions.push((labels) => labels[key] !== undefined);
    else if (operator === "DoesNotExist") conditions.push((labels) => labels[key] === undefined);
    else return undefined;
  }
  return (labels) => conditions.every((holds) => holds(labels));
}
