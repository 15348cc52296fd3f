import { isDeepStrictEqual } from "node:util";
import type { ResourceCondition } from "@ovenbird/kube";
import type { ResourceConditions, ResourceKind } from "../graph/resource-conditions.ts";
import type { Problem } from "../state/object-problem.ts";
import { listAt, objectAt, type RawObject } from "../state/raw-object.ts";
import type { ResourceRecord } from "../state/selection.ts";
import { eventReason } from "./reporter.ts";

/** What people need to read of it; the API takes 32 KiB. */
const maxMessageLength = 1024;
const ourTypes = new Set(["Ready", "InUse"]);

export interface WantedStatus {
  /** As a merge patch: null removes. */
  readonly status: RawObject;
  /** Whether more than numbers differ from what the object says now. */
  readonly isUrgent: boolean;
}

function said(problems: readonly Problem[]): { readonly reason: string; readonly message: string } {
  const [first] = problems;
  return {
    reason: first === undefined ? "Ready" : eventReason(first.code),
    message: problems
      .map(({ message }) => message)
      .join("; ")
      .slice(0, maxMessageLength),
  };
}

/** What is known of an object that the graph doesn't speak of. */
export function ownConditions(
  kind: ResourceKind,
  { problem, transitions }: ResourceRecord,
): ResourceConditions | undefined {
  const own = { status: {}, isInUse: false };
  if (problem !== undefined)
    return { ...own, isReady: false, problems: [{ code: "INVALID_RESOURCE", message: problem }] };
  // What was wrong with it is so no more.
  return kind === "IPAddress" && transitions["Ready=False"] !== undefined
    ? { ...own, isReady: true, problems: [] }
    : undefined;
}

/**
 * What an object's status shall say, conditions of others included.
 * @returns undefined when it says that already
 */
export function wantedStatus(
  record: ResourceRecord,
  state: ResourceConditions,
  now: () => Date,
): WantedStatus | undefined {
  const present = objectAt(JSON.parse(record.statusText));
  const condition = (type: string, isTrue: boolean, reason: string, message: string): ResourceCondition => {
    const status = isTrue ? "True" : "False";
    // Since when it is so stays, as long as it stays so.
    const lastTransitionTime =
      record.transitions[`${type}=${status}`] ??
      now()
        .toISOString()
        .replace(/\.\d+Z$/, "Z");
    return { type, status, reason, message, lastTransitionTime, observedGeneration: record.generation };
  };
  const { reason, message } = said(state.problems);
  const ours = [
    condition(
      "Ready",
      state.isReady,
      state.isReady || reason !== "Ready" ? reason : "NotReady",
      message || (state.pending ?? "All of it works"),
    ),
    ...(record.deleting && state.isInUse
      ? [
          condition(
            "InUse",
            true,
            "AddressesHeld",
            "It goes when nobody has an address of it any more; delete or move who has one",
          ),
        ]
      : []),
  ];
  const others = listAt(present.conditions).filter((each) => !ourTypes.has(String(objectAt(each).type)));
  const fields: Record<string, unknown> = { ...state.status, observedGeneration: record.generation };
  const conditions = [...others, ...ours];
  const isSame = (field: string, value: unknown) =>
    value === undefined || value === null
      ? present[field] === undefined || present[field] === null
      : isDeepStrictEqual(present[field], value);
  const changed = Object.entries(fields).filter(([field, value]) => !isSame(field, value));
  const saysConditions = isSame("conditions", conditions);
  if (changed.length === 0 && saysConditions) return undefined;
  const isCount = (value: unknown): boolean =>
    typeof value === "number" || (typeof value === "object" && value !== null && Object.values(value).every(isCount));
  return {
    status: {
      ...Object.fromEntries(changed.map(([field, value]) => [field, value ?? null])),
      ...(saysConditions ? {} : { conditions }),
    },
    isUrgent: !saysConditions || changed.some(([field, value]) => field === "observedGeneration" || !isCount(value)),
  };
}
