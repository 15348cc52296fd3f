import { namespaceNameLabel } from "../state/namespace.ts";
import { intersection, meets, type PodSelector, type Requirement } from "../state/selector.ts";

/** Whether no labels can meet all of the requirements, as far as those of one key can tell. */
function unmeetable(requirements: readonly Requirement[]): boolean {
  return requirements.some((requirement) => {
    const { key } = requirement;
    const ofKey = requirements.filter((other) => other.key === key);
    switch (requirement.operator) {
      case "In":
        return !requirement.values.some((value) => ofKey.every((other) => meets({ [key]: value }, other)));
      case "DoesNotExist":
        return !ofKey.every((other) => meets({}, other));
      default:
        return false;
    }
  });
}

/** What both select; undefined when it follows from the selectors alone that nothing can be. */
export function possibleIntersection(a: PodSelector, b: PodSelector): PodSelector | undefined {
  const both = intersection(a, b);
  if (both === undefined) return undefined;
  const { namespace, namespaceRequirements, podRequirements } = both;
  const named: readonly Requirement[] =
    namespace === undefined ? [] : [{ key: namespaceNameLabel, operator: "In", values: [namespace] }];
  return unmeetable([...named, ...namespaceRequirements]) || unmeetable(podRequirements) ? undefined : both;
}
