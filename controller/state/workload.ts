import { internText } from "./interner.ts";
import { listAt, objectAt, textAt } from "./raw-object.ts";

/** What made a pod. */
export interface PodWorkload {
  /** `StatefulSet/db`, `Deployment/web`: the kind and name that people know; interned. */
  readonly name: string;
  /** Of a StatefulSet's pod. */
  readonly ordinal: number | undefined;
}

const ordinalPattern = /-(0|[1-9]\d{0,8})$/;

/**
 * What made a pod, by its controlling owner. A ReplicaSet whose name ends with the pod's `pod-template-hash` is a Deployment's.
 * @returns undefined for pods that nothing made
 */
export function workloadOf(raw: unknown): PodWorkload | undefined {
  const { ownerReferences, name: podName, labels } = objectAt(objectAt(raw).metadata);
  const owner = listAt(ownerReferences)
    .map(objectAt)
    .find(({ controller }) => controller === true);
  const kind = textAt(owner?.kind);
  const name = textAt(owner?.name);
  if (kind === undefined || name === undefined) return undefined;
  if (kind === "StatefulSet") {
    const [, ordinal] = ordinalPattern.exec(textAt(podName) ?? "") ?? [];
    return { name: internText(`${kind}/${name}`), ordinal: ordinal === undefined ? undefined : Number(ordinal) };
  }
  const hash = textAt(objectAt(labels)["pod-template-hash"]);
  const isDeployment = kind === "ReplicaSet" && hash !== undefined && name.endsWith(`-${hash}`);
  const called = isDeployment ? `Deployment/${name.slice(0, -hash.length - 1)}` : `${kind}/${name}`;
  return { name: internText(called), ordinal: undefined };
}
