import { isDeepStrictEqual } from "node:util";
import type { AddressPoolCondition, AddressPoolStatus } from "@ovenbird/kube";
import type { Family } from "../ipam/address.ts";
import { countOf } from "./address-range.ts";
import type { PoolProblemCode } from "./pool-problem.ts";
import type { UsablePool } from "./pool-ranges.ts";

const invalid: readonly PoolProblemCode[] = ["POOL_RANGE_INVALID", "POOL_RANGE_RESERVED", "POOL_UNREADABLE"];

/** What the pool's status shall say. A condition that stays as it is keeps the time since when it is so. */
export function poolStatus(
  pool: UsablePool,
  assigned: Readonly<Record<Family, number>>,
  now: () => Date,
): AddressPoolStatus {
  const { record, ranges, problems } = pool;
  const condition = (type: string, value: boolean, reason: string, message: string): AddressPoolCondition => {
    const status = value ? "True" : "False";
    const since = record.transitions[`${type}=${status}`];
    const lastTransitionTime =
      since ??
      now()
        .toISOString()
        .replace(/\.\d+Z$/, "Z");
    return { type, status, reason, message, lastTransitionTime, observedGeneration: record.generation };
  };
  const ofRanges = problems.filter(({ code }) => invalid.includes(code));
  const overlaps = problems.filter(({ code }) => code === "POOL_OVERLAPS");
  const said = (some: typeof problems, otherwise: string) => some.map(({ message }) => message).join("; ") || otherwise;
  const isUsable = ranges.length > 0;
  return {
    total: { ipv4: countOf(ranges, 4), ipv6: countOf(ranges, 6) },
    assigned: { ipv4: assigned[4], ipv6: assigned[6] },
    conditions: [
      isUsable
        ? condition("Ready", true, "Usable", "Services get addresses of this pool")
        : condition("Ready", false, "NoAddresses", said(problems, "The pool has no addresses")),
      condition(
        "RangesValid",
        ofRanges.length === 0,
        ofRanges.length === 0 ? "Valid" : "LeftOut",
        said(ofRanges, "All addresses can be used"),
      ),
      condition(
        "Overlapping",
        overlaps.length > 0,
        overlaps.length > 0 ? "OlderPool" : "NoOverlap",
        said(overlaps, "No older pool has addresses of this one"),
      ),
    ],
  };
}

/** Whether the pool's status says that already; the server may have put its fields in another order. */
export function saysAlready({ record }: UsablePool, status: AddressPoolStatus): boolean {
  return isDeepStrictEqual(JSON.parse(record.statusText), status);
}
