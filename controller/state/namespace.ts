import { type Labels, projectLabels } from "./labels.ts";
import { metadataOf } from "./raw-object.ts";

/** What the controller keeps of a Namespace. */
export interface NamespaceRecord {
  /** The name. */
  readonly key: string;
  readonly uid: string;
  readonly labels: Labels;
}

/** Projects a Namespace as the API gives it; never throws. */
export function projectNamespace(raw: unknown): NamespaceRecord {
  const { name, uid, labels } = metadataOf(raw);
  return Object.freeze({ key: name, uid, labels: projectLabels(labels) });
}
