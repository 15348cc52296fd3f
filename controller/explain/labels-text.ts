import type { Labels } from "../state/labels.ts";
import { namespaceNameLabel } from "./resolve-party.ts";

/** Labels that controllers give to tell generations and members of a workload apart: they say nothing to a reader. */
const generated = new Set([
  "pod-template-hash",
  "pod-template-generation",
  "controller-revision-hash",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
  "batch.kubernetes.io/controller-uid",
  "controller-uid",
  namespaceNameLabel,
]);

/** The labels that mean something to a reader, as `app=web, tier=front`; empty without. */
export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .filter(([key]) => !key.startsWith("#") && !generated.has(key))
    .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
    .join(", ");
}
