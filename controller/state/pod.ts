import { podNetworkAnnotationKey } from "@ovenbird/kube";
import { internText } from "./interner.ts";
import { type Labels, projectLabels } from "./labels.ts";
import { metadataOf, objectAt, textAt } from "./raw-object.ts";

/** What the controller keeps of a Pod. */
export interface PodRecord {
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly namespace: string;
  /** Absent until the pod is scheduled. */
  readonly nodeName: string | undefined;
  readonly hostNetwork: boolean;
  /** Phase Succeeded or Failed: nothing runs and nothing will, so the address is free. */
  readonly finished: boolean;
  /** Being deleted, but perhaps still running. */
  readonly deleting: boolean;
  readonly labels: Labels;
  /** The value of `ovenbird.io/network` as it stands on the pod. */
  readonly networkAnnotation: string | undefined;
}

/** Projects a Pod as the API gives it; never throws. */
export function projectPod(raw: unknown): PodRecord {
  const { namespace, name, uid, labels, annotations, deleting } = metadataOf(raw);
  const { spec, status } = objectAt(raw);
  const { nodeName, hostNetwork } = objectAt(spec);
  const { phase } = objectAt(status);
  const node = textAt(nodeName);
  return Object.freeze({
    key: `${namespace}/${name}`,
    uid,
    namespace: internText(namespace),
    nodeName: node === undefined ? undefined : internText(node),
    hostNetwork: hostNetwork === true,
    finished: phase === "Succeeded" || phase === "Failed",
    deleting,
    labels: projectLabels(labels),
    networkAnnotation: textAt(annotations[podNetworkAnnotationKey]),
  });
}
