import type { ReflectorEvent } from "@ovenbird/kube";
import { Observable } from "rxjs";
import { type PolicyRecord, policyId } from "./state/policy.ts";

/**
 * The events of several kinds of policies as of one: under keys that differ between kinds, and complete once each kind is.
 * @param sources one for each kind
 */
export function policyEvents(
  sources: readonly Observable<ReflectorEvent<PolicyRecord>>[],
): Observable<ReflectorEvent<PolicyRecord>> {
  return new Observable((subscriber) => {
    const unsynced = new Set(sources.keys());
    for (const [index, source] of sources.entries()) {
      const subscription = source.subscribe({
        next(event) {
          if (event.kind !== "synced") {
            subscriber.next({ ...event, key: policyId(event.object) });
            return;
          }
          unsynced.delete(index);
          if (unsynced.size === 0) subscriber.next(event);
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
      subscriber.add(subscription);
    }
  });
}
