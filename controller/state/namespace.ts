import { logPolicyAnnotationKey } from "@ovenbird/kube";
import { type Labels, projectLabels } from "./labels.ts";
import { metadataOf, objectAt, textAt } from "./raw-object.ts";
import { namespaceSubnet } from "./read-pod-request.ts";

export const logPolicies = ["deny", "allow", "all"] as const;
/** What of the decisions of policies over a namespace's pods is logged. */
export type LogPolicy = (typeof logPolicies)[number];

/** What the controller keeps of a Namespace. */
export interface NamespaceRecord {
  /** The name. */
  readonly key: string;
  readonly uid: string;
  /** `kubernetes.io/metadata.name` is always among them. */
  readonly labels: Labels;
  /** What the annotation `ovenbird.io/log-policy` says; absent when nothing is logged. */
  readonly logPolicy: LogPolicy | undefined;
  /** What it says, when it is none of these. */
  readonly logPolicyProblem: string | undefined;
  /** The Subnet that `ovenbird.io/subnet` names, for pods that name none themselves. */
  readonly subnet: string | undefined;
}

/** By this label a namespace can be selected by its name; no API server lets it be anything else. */
export const namespaceNameLabel = "kubernetes.io/metadata.name";

/** The labels of a namespace; of one that isn't known, by giving none. */
export function namespaceLabels(name: string, labels: unknown = undefined): Labels {
  return projectLabels({ ...objectAt(labels), [namespaceNameLabel]: name });
}

/** Projects a Namespace as the API gives it; never throws. */
export function projectNamespace(raw: unknown): NamespaceRecord {
  const { name, uid, labels, annotations } = metadataOf(raw);
  const asked = textAt(annotations[logPolicyAnnotationKey]);
  const logPolicy = logPolicies.find((policy) => policy === asked);
  return Object.freeze({
    key: name,
    uid,
    labels: namespaceLabels(name, labels),
    logPolicy,
    logPolicyProblem: logPolicy === undefined ? asked : undefined,
    subnet: namespaceSubnet(annotations),
  });
}
