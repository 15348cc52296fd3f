import type { ApplyErrorCode } from "./apply-error.ts";
import type { Drift } from "./drift.ts";
import type { OwnerName } from "./owner.ts";
import type { OperationKind } from "./plan.ts";

/** An owner whose rows can't be written. */
export interface ApplyProblem {
  readonly owner: OwnerName;
  readonly code: ApplyErrorCode;
  readonly message: string;
  /** When it is tried again, unless its bundle changes before. */
  readonly retryInMs: number;
}

export interface ApplierListener {
  /** The owner's bundle (or its absence) is in the database. `latencyMs` counts from the event that asked for it. */
  committed?(owner: OwnerName, latencyMs: number): void;
  problem?(problem: ApplyProblem): void;
  /** Somebody changed what is ours; it is being put right. */
  drift?(owner: OwnerName, drifts: readonly Drift[]): void;
  operation?(table: string, kind: OperationKind): void;
  transaction?(result: "committed" | "rejected" | "failed", owners: number, durationMs: number): void;
  /** What keeps the applier from writing for a while, for the log. */
  retry?(error: unknown, owners: number): void;
}
