import { isIP } from "node:net";
import {
  type NodeChassisAnnotation,
  nodeChassisAnnotation,
  nodeChassisAnnotationKey,
  nodeNetworkAnnotationKey,
  readAnnotation,
} from "@ovenbird/kube";
import { type Labels, projectLabels } from "./labels.ts";
import { listAt, metadataOf, objectAt, textAt } from "./raw-object.ts";

/** What the controller keeps of a Node. */
export interface NodeRecord {
  /** The name. */
  readonly key: string;
  readonly uid: string;
  readonly labels: Labels;
  /** `status.addresses` of type InternalIP, in the order given. */
  readonly internalAddresses: readonly string[];
  /** The label `topology.kubernetes.io/zone`, empty without one. */
  readonly zone: string;
  /** What the node's agent said of its chassis; absent as long as no agent ran, or when it can't be read. */
  readonly chassis: NodeChassisAnnotation | undefined;
  /** Why the chassis annotation can't be read. */
  readonly chassisProblem: string | undefined;
  /** The value of `ovenbird.io/node-network` as it stands on the node. */
  readonly networkAnnotation: string | undefined;
}

const zoneLabel = "topology.kubernetes.io/zone";

function internalAddresses(status: unknown): string[] {
  return listAt(objectAt(status).addresses).flatMap((entry) => {
    const { type, address } = objectAt(entry);
    return type === "InternalIP" && typeof address === "string" && isIP(address) !== 0 ? [address] : [];
  });
}

/** Projects a Node as the API gives it; never throws. */
export function projectNode(raw: unknown): NodeRecord {
  const { name, uid, annotations, labels } = metadataOf(raw);
  const chassis = readAnnotation(nodeChassisAnnotation, textAt(annotations[nodeChassisAnnotationKey]));
  return Object.freeze({
    key: name,
    uid,
    labels: projectLabels(labels),
    internalAddresses: Object.freeze(internalAddresses(objectAt(raw).status)),
    zone: textAt(objectAt(labels)[zoneLabel]) ?? "",
    chassis: chassis.kind === "valid" ? chassis.value : undefined,
    chassisProblem: chassis.kind === "invalid" ? chassis.reason : undefined,
    networkAnnotation: textAt(annotations[nodeNetworkAnnotationKey]),
  });
}
