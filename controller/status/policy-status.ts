import { isKubeError, type KubeClient, type ReflectorEvent } from "@ovenbird/kube";
import type { Observable } from "rxjs";
import type { ObjectProblem, Problem } from "../state/object-problem.ts";
import type { PolicyRecord } from "../state/policy.ts";
import { policyKinds } from "../state/policy-kinds.ts";
import { createKeyedQueue } from "./keyed-queue.ts";
import { wantedConditions } from "./policy-condition.ts";
import { createWritePace, type WritePaceOptions } from "./write-pace.ts";

export interface PolicyStatusOptions {
  readonly client: Pick<KubeClient, "patch">;
  /** Of all kinds, under their `policyId`. */
  readonly policies: Observable<ReflectorEvent<PolicyRecord>>;
  /** Something of a policy can't be carried out. Told once, and not of what the policy's own condition says already. */
  readonly onProblem: (problem: ObjectProblem) => void;
  readonly onWriteError?: (policy: string, error: unknown, retryInMs: number | undefined) => void;
  readonly now?: () => Date;
  readonly pace?: WritePaceOptions;
}

/** Tells users what became of their policies, for one term of leadership: problems, and conditions where the kind has them. */
export interface PolicyStatus {
  readonly pending: number;
  /** Resolves when all that has to be said is written. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

const isHopeless = (error: unknown): boolean =>
  isKubeError(error, "BAD_REQUEST", "INVALID", "REQUEST_TOO_LARGE", "ABORTED", "CLOSED");

export function createPolicyStatus(options: PolicyStatusOptions): PolicyStatus {
  const { client, onProblem, onWriteError, now = () => new Date() } = options;
  const known = new Map<string, PolicyRecord>();
  /** By policy, what was told of it. */
  const told = new Map<string, string>();
  const pace = createWritePace(options.pace);

  const queue = createKeyedQueue({
    concurrency: 16,
    isRetried: (error) => !isHopeless(error),
    ...(onWriteError === undefined ? {} : { onError: onWriteError }),
    async work(id) {
      const policy = known.get(id);
      const conditions = policy && wantedConditions(policy, now);
      if (policy === undefined || conditions === undefined) return;
      const { uid, key, kind } = policy;
      const text = `${policy.generation}\n${textOf(policy.problems)}`;
      if (!pace.allows(id, uid, text)) {
        throw new Error(
          "status.conditions is not yet, or no more, as it was written; it is written again after a pause",
        );
      }
      try {
        const body = { metadata: { uid }, status: { conditions } };
        await client.patch(policyKinds[kind].resource, { name: key }, body, { type: "merge", subresource: "status" });
      } catch (error) {
        // Its own event tells what to do.
        if (!isKubeError(error, "NOT_FOUND", "GONE")) throw error;
      }
      if (known.has(id)) pace.wrote(id, uid, text);
    },
  });

  function tell(id: string, { kind, key, uid, problems }: PolicyRecord, isSaid: boolean): void {
    const text = textOf(problems);
    if ((told.get(id) ?? "") === text) return;
    if (problems.length === 0) told.delete(id);
    else told.set(id, text);
    if (isSaid) return;
    // Events of one reason count as one that repeats, and only the last message would be seen.
    const messages = new Map<Problem["code"], string[]>();
    for (const { code, message } of problems) messages.set(code, [...(messages.get(code) ?? []), message]);
    for (const [code, each] of messages) onProblem({ object: { kind, key, uid }, code, message: each.join("; ") });
  }

  const subscription = options.policies.subscribe({
    next(event) {
      if (event.kind === "synced") return;
      const id = event.key;
      if (event.kind === "delete") {
        known.delete(id);
        told.delete(id);
        pace.forget(id);
        queue.forget(id);
        return;
      }
      const policy = event.object;
      known.set(id, policy);
      const isWanted = wantedConditions(policy, now) !== undefined;
      tell(id, policy, policy.conditions !== undefined && !isWanted);
      if (isWanted) queue.add(id);
    },
    // Whoever follows the same watch to carry policies out ends with it.
    error: () => {},
  });

  return {
    get pending() {
      return queue.pending;
    },
    idle: () => queue.idle(),
    async close() {
      subscription.unsubscribe();
      await queue.close();
    },
  };
}

function textOf(problems: readonly Problem[]): string {
  return problems.map(({ code, message }) => `${code} ${message}`).join("\n");
}
