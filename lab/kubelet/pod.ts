import { z } from "zod";
import { readinessProbe } from "./readiness-probe.ts";

const preStop = z.object({ sleep: z.object({ seconds: z.number() }).optional() });
const container = z.object({
  name: z.string(),
  image: z.string().default(""),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string().default("") })).default([]),
  lifecycle: z.object({ preStop: preStop.optional() }).optional(),
  readinessProbe: readinessProbe.optional(),
  ports: z
    .array(
      z.object({
        name: z.string().optional(),
        containerPort: z.int(),
        protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
      }),
    )
    .default([]),
});

const podShape = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    deletionTimestamp: z.string().optional(),
    deletionGracePeriodSeconds: z.number().optional(),
  }),
  spec: z.object({
    nodeName: z.string().default(""),
    hostNetwork: z.boolean().default(false),
    restartPolicy: z.enum(["Always", "OnFailure", "Never"]).default("Always"),
    terminationGracePeriodSeconds: z.number().default(30),
    containers: z.array(container),
    readinessGates: z.array(z.object({ conditionType: z.string() })).default([]),
  }),
  status: z
    .object({
      phase: z.string().default("Pending"),
      startTime: z.string().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .default({ phase: "Pending", conditions: [] }),
});

export type ContainerRecord = z.infer<typeof container>;

/** What the lab's kubelet needs to know of a pod. */
export interface PodRecord {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly hostNetwork: boolean;
  readonly deleting: boolean;
  readonly restartPolicy: "Always" | "OnFailure" | "Never";
  /** How long it may take to end; of a pod that is being deleted, what the deletion said. */
  readonly gracePeriodMs: number;
  /** Conditions that have to hold before the pod is ready (KEP-580), those that do not hold now. */
  readonly closedGates: readonly string[];
  /** How long it goes on serving after its deletion was asked for (KEP-3960), within its grace period. */
  readonly lingerMs: number;
  readonly containers: readonly ContainerRecord[];
  readonly phase: string;
  readonly startTime: string | undefined;
}

const defaultGraceSeconds = 30;

/** The slim record of a pod as the API sent it. @throws ZodError when it is no pod */
export function readPod(raw: unknown): PodRecord {
  const { metadata, spec, status } = podShape.parse(raw);
  const graceSeconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds;
  const gracePeriodMs = graceSeconds * 1000;
  const sleeps = spec.containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0);
  // A probe server never minds SIGTERM. Who says how long an end may take means to see the pod serve so long; the default is nobody's wish.
  const lingers = graceSeconds === defaultGraceSeconds || spec.containers.every(isCommand) ? 0 : graceSeconds;
  return Object.freeze({
    key: `${metadata.namespace}/${metadata.name}`,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    hostNetwork: spec.hostNetwork,
    deleting: metadata.deletionTimestamp !== undefined,
    restartPolicy: spec.restartPolicy,
    gracePeriodMs,
    closedGates: spec.readinessGates
      .map(({ conditionType }) => conditionType)
      .filter((gate) => !status.conditions.some(({ type, status: holds }) => type === gate && holds === "True")),
    lingerMs: Math.min(gracePeriodMs, 1000 * Math.max(lingers, ...sleeps)),
    containers: spec.containers,
    phase: status.phase,
    startTime: status.startTime,
  });
}

/** Whether a container is a command of this machine, run in the pod's namespace, instead of probe servers. */
export function isCommand(record: ContainerRecord): boolean {
  return record.image === "exec" && record.command.length > 0;
}
