import { z } from "zod";

const containerStatus = z.object({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.int().default(0),
  state: z
    .object({
      waiting: z.object({ reason: z.string().default(""), message: z.string().default("") }).optional(),
      terminated: z.object({ exitCode: z.int().default(0), reason: z.string().default("") }).optional(),
    })
    .default({}),
});

const podShape = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string(), deletionTimestamp: z.string().optional() }),
  spec: z.object({ nodeName: z.string().default(""), hostNetwork: z.boolean().default(false) }),
  status: z
    .object({
      phase: z.string().default("Pending"),
      reason: z.string().default(""),
      message: z.string().default(""),
      podIPs: z.array(z.object({ ip: z.string() })).default([]),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(""),
            message: z.string().default(""),
          }),
        )
        .default([]),
      containerStatuses: z.array(containerStatus).default([]),
    })
    .prefault({}),
});

export interface PodHealth {
  readonly pod: string;
  /** Empty until it is bound. */
  readonly node: string;
  readonly hostNetwork: boolean;
  readonly state: "ready" | "completed" | "terminating" | "pending" | "failed" | "not ready";
  /** Why it is not well; undefined when it is. */
  readonly problem: string | undefined;
  readonly addresses: readonly string[];
}

/** A deletion is only late when the pod is still there this long after its grace period. */
const lateMs = 10_000;

/** How a pod is, in the words that its status holds. @throws ZodError when `raw` is no Pod */
export function podHealth(raw: unknown, nowMs: number): PodHealth {
  const { metadata, spec, status } = podShape.parse(raw);
  const health = {
    pod: `${metadata.namespace}/${metadata.name}`,
    node: spec.nodeName,
    hostNetwork: spec.hostNetwork,
    addresses: status.podIPs.map(({ ip }) => ip),
  };
  if (metadata.deletionTimestamp !== undefined) {
    const late = nowMs - Date.parse(metadata.deletionTimestamp) > lateMs;
    return {
      ...health,
      state: "terminating",
      problem: late ? `should have gone at ${metadata.deletionTimestamp}` : undefined,
    };
  }
  const conditionOf = (type: string) => status.conditions.find((condition) => condition.type === type);
  if (status.phase === "Succeeded") return { ...health, state: "completed", problem: undefined };
  if (conditionOf("Ready")?.status === "True") return { ...health, state: "ready", problem: undefined };
  const why = [
    words(status.reason, status.message),
    ...status.containerStatuses.filter(({ ready }) => !ready).map(containerProblem),
    ...status.conditions
      .filter(({ type, status: holds }) => type === "PodScheduled" && holds !== "True")
      .map(({ reason, message }) => words(reason, message)),
  ].filter((part) => part !== "");
  const silence = spec.nodeName === "" ? "not scheduled yet" : `${spec.nodeName}'s kubelet has not reported yet`;
  const problem = why.length > 0 ? why.join("; ") : silence;
  if (status.phase === "Failed") return { ...health, state: "failed", problem };
  return { ...health, state: status.phase === "Pending" ? "pending" : "not ready", problem };
}

function containerProblem({ name, restartCount, state }: z.infer<typeof containerStatus>): string {
  const restarts = restartCount === 0 ? "" : ` (${restartCount} restarts)`;
  if (state.waiting !== undefined) return `${name}: ${words(state.waiting.reason, state.waiting.message)}${restarts}`;
  if (state.terminated === undefined) return "";
  return `${name}: ${words(state.terminated.reason, `exit status ${state.terminated.exitCode}`)}${restarts}`;
}

function words(reason: string, message: string): string {
  return reason === "" || message === "" ? `${reason}${message}` : `${reason}, ${message}`;
}
