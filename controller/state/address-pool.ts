import { type AddressPoolSpec, addressPoolSpec } from "@ovenbird/kube";
import * as z from "zod";
import { listAt, metadataOf, objectAt, textAt } from "./raw-object.ts";

/** What the controller keeps of an AddressPool. */
export interface AddressPoolRecord {
  /** The name. */
  readonly key: string;
  readonly uid: string;
  readonly createdAt: string;
  readonly generation: number;
  readonly spec: AddressPoolSpec | undefined;
  /** Why the spec can't be read. */
  readonly specProblem: string | undefined;
  /** `status` as it stands, as JSON. */
  readonly statusText: string;
  /** When conditions last changed, by type and status, as `Ready=True`. */
  readonly transitions: Readonly<Record<string, string>>;
}

/** Projects an AddressPool as the API gives it; never throws. */
export function projectAddressPool(raw: unknown): AddressPoolRecord {
  const { name, uid } = metadataOf(raw);
  const { metadata, spec, status } = objectAt(raw);
  const { creationTimestamp, generation } = objectAt(metadata);
  const parsed = addressPoolSpec.safeParse(spec);
  const transitions = listAt(objectAt(status).conditions).flatMap((entry) => {
    const { type, status: value, lastTransitionTime } = objectAt(entry);
    const time = textAt(lastTransitionTime);
    return time === undefined ? [] : [[`${String(type)}=${String(value)}`, time] as const];
  });
  return Object.freeze({
    key: name,
    uid,
    createdAt: textAt(creationTimestamp) ?? "",
    generation: typeof generation === "number" ? generation : 0,
    spec: parsed.success ? parsed.data : undefined,
    specProblem: parsed.success ? undefined : z.prettifyError(parsed.error),
    statusText: JSON.stringify(status ?? {}),
    transitions: Object.freeze(Object.fromEntries(transitions)),
  });
}
