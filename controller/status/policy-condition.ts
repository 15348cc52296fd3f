import type { PolicyRecord } from "../state/policy.ts";
import { listAt, objectAt } from "../state/raw-object.ts";
import { eventReason } from "./reporter.ts";

/** Says whether the controller understood all of a policy. */
const conditionType = "Accepted";
/** What people need to read of it; the API takes 32 KiB. */
const maxMessageLength = 1024;

/**
 * What the conditions of a policy shall be, those of others included.
 * @returns undefined when they say it already, and for kinds that have none
 */
export function wantedConditions(policy: PolicyRecord, now: () => Date): readonly object[] | undefined {
  if (policy.conditions === undefined) return undefined;
  const { problems, generation } = policy;
  const [first] = problems;
  const wanted = {
    type: conditionType,
    status: first === undefined ? "True" : "False",
    reason: first === undefined ? "Accepted" : eventReason(first.code),
    message: (first === undefined
      ? "All of it is understood"
      : problems.map(({ message }) => message).join("; ")
    ).slice(0, maxMessageLength),
    observedGeneration: generation,
  };
  const conditions = listAt(JSON.parse(policy.conditions)).map(objectAt);
  const present = conditions.find(({ type }) => type === conditionType);
  if (present !== undefined && Object.entries(wanted).every(([field, value]) => present[field] === value)) {
    return undefined;
  }
  // Since when it is so stays, as long as it stays so.
  const isSame = present?.status === wanted.status && typeof present.lastTransitionTime === "string";
  const lastTransitionTime = isSame
    ? present.lastTransitionTime
    : now()
        .toISOString()
        .replace(/\.\d+Z$/, "Z");
  return [...conditions.filter(({ type }) => type !== conditionType), { ...wanted, lastTransitionTime }];
}
