import { podNetworkAnnotationKey, podRefusalAnnotationKey } from "@ovenbird/kube";
import { internText } from "./interner.ts";
import { type Labels, projectLabels } from "./labels.ts";
import type { PodNetworkRequest } from "./pod-network-request.ts";
import { isPortName } from "./policy-parts.ts";
import { listAt, metadataOf, objectAt, textAt } from "./raw-object.ts";
import { readPodRequest } from "./read-pod-request.ts";
import { namedPortKey } from "./selector.ts";
import { portNumberAt, protocolAt } from "./service.ts";
import { workloadOf } from "./workload.ts";

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
  /** By what policies select it: its labels, and each named port under `namedPortKey`. The same object as `labels` without such. */
  readonly selectionLabels: Labels;
  /** The value of `ovenbird.io/network` as it stands on the pod. */
  readonly networkAnnotation: string | undefined;
  /** The value of `ovenbird.io/refused` as it stands on the pod. */
  readonly refusedAnnotation: string | undefined;
  /** What its annotations ask for; the same object where they ask for the same. */
  readonly request: PodNetworkRequest | undefined;
  /** What made it: `StatefulSet/db`, `Deployment/web`. */
  readonly workload: string | undefined;
  /** Its number in its StatefulSet. */
  readonly ordinal: number | undefined;
}

/** Containers, and those that are started before them and stay (KEP-753). */
function lastingContainers(spec: unknown): readonly unknown[] {
  const { containers, initContainers } = objectAt(spec);
  return [...listAt(containers), ...listAt(initContainers).filter((each) => objectAt(each).restartPolicy === "Always")];
}

/** The first container that gives a port a name decides, as for Services. */
function selectionLabelsOf(labels: unknown, spec: unknown): Labels {
  const ports: Record<string, string> = {};
  for (const container of lastingContainers(spec)) {
    for (const entry of listAt(objectAt(container).ports)) {
      const { name, containerPort, protocol: rawProtocol } = objectAt(entry);
      const protocol = protocolAt(rawProtocol ?? undefined);
      const port = portNumberAt(containerPort);
      if (isPortName(name) && protocol !== undefined && port !== undefined) {
        ports[namedPortKey(protocol, name)] ??= String(port);
      }
    }
  }
  return projectLabels(Object.keys(ports).length === 0 ? labels : { ...objectAt(labels), ...ports });
}

/** Projects a Pod as the API gives it; never throws. */
export function projectPod(raw: unknown): PodRecord {
  const { namespace, name, uid, labels, annotations, deleting } = metadataOf(raw);
  const { spec, status } = objectAt(raw);
  const { nodeName, hostNetwork } = objectAt(spec);
  const { phase } = objectAt(status);
  const node = textAt(nodeName);
  const workload = workloadOf(raw);
  return Object.freeze({
    key: `${namespace}/${name}`,
    uid,
    namespace: internText(namespace),
    nodeName: node === undefined ? undefined : internText(node),
    hostNetwork: hostNetwork === true,
    finished: phase === "Succeeded" || phase === "Failed",
    deleting,
    labels: projectLabels(labels),
    selectionLabels: selectionLabelsOf(labels, spec),
    networkAnnotation: textAt(annotations[podNetworkAnnotationKey]),
    refusedAnnotation: textAt(annotations[podRefusalAnnotationKey]),
    request: readPodRequest(annotations, { podName: name, workload: workload?.name }),
    workload: workload?.name,
    ordinal: workload?.ordinal,
  });
}
