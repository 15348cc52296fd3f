import { z } from "zod";

const container = z.object({
  name: z.string(),
  image: z.string().default(""),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string().default("") })).default([]),
  ports: z
    .array(z.object({ containerPort: z.int(), protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP") }))
    .default([]),
});

const podShape = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({
    nodeName: z.string().default(""),
    hostNetwork: z.boolean().default(false),
    restartPolicy: z.enum(["Always", "OnFailure", "Never"]).default("Always"),
    terminationGracePeriodSeconds: z.number().default(30),
    containers: z.array(container),
  }),
  status: z
    .object({ phase: z.string().default("Pending"), startTime: z.string().optional() })
    .default({ phase: "Pending" }),
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
  readonly gracePeriodMs: number;
  readonly containers: readonly ContainerRecord[];
  readonly phase: string;
  readonly startTime: string | undefined;
}

/** The slim record of a pod as the API sent it. @throws ZodError when it is no pod */
export function readPod(raw: unknown): PodRecord {
  const { metadata, spec, status } = podShape.parse(raw);
  return Object.freeze({
    key: `${metadata.namespace}/${metadata.name}`,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    hostNetwork: spec.hostNetwork,
    deleting: metadata.deletionTimestamp !== undefined,
    restartPolicy: spec.restartPolicy,
    gracePeriodMs: spec.terminationGracePeriodSeconds * 1000,
    containers: spec.containers,
    phase: status.phase,
    startTime: status.startTime,
  });
}

/** Whether a container is a command of this machine, run in the pod's namespace, instead of probe servers. */
export function isCommand(record: ContainerRecord): boolean {
  return record.image === "exec" && record.command.length > 0;
}
