import { sameEndpoints } from "./graph/same-endpoints.ts";
import type { EndpointSliceRecord } from "./state/endpoint-slice.ts";

/** When changes of endpoints that are not committed yet were triggered; one time for each service. */
export interface EndpointTriggers {
  /** A slice came, changed or went. */
  note(before: EndpointSliceRecord | undefined, now: EndpointSliceRecord | undefined): void;
  forget(service: string): void;
  /** The earliest of the service's changes, in milliseconds since 1970; they are done now. */
  take(service: string): number | undefined;
}

/** @param isTimed whether changes of the service's endpoints count: what was there at the start tells nothing about us */
export function createEndpointTriggers(isTimed: (service: string) => boolean): EndpointTriggers {
  const triggers = new Map<string, number>();
  return {
    note(before, now) {
      const service = (now ?? before)?.service;
      if (service === undefined || !isTimed(service)) return;
      if (before !== undefined && now !== undefined && sameEndpoints(before, now)) return;
      // What the slice says may be of a former change; then it counts when the watch delivered it.
      const said = now?.triggeredAtMs === before?.triggeredAtMs ? undefined : now?.triggeredAtMs;
      const triggeredAtMs = said ?? Date.now();
      triggers.set(service, Math.min(triggeredAtMs, triggers.get(service) ?? triggeredAtMs));
    },
    forget: (service) => void triggers.delete(service),
    take(service) {
      const triggeredAtMs = triggers.get(service);
      triggers.delete(service);
      return triggeredAtMs;
    },
  };
}
