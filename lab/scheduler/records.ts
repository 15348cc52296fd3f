import { z } from "zod";

export interface SchedulableNode {
  readonly labels: Readonly<Record<string, string>>;
  /** Ready and not cordoned. */
  readonly schedulable: boolean;
}

export interface SchedulablePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Empty until it is bound. */
  readonly nodeName: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Neither completed nor being deleted. */
  readonly active: boolean;
}

const node = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({ unschedulable: z.boolean().default(false) }).default({ unschedulable: false }),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) })
    .default({ conditions: [] }),
});

const pod = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({
    nodeName: z.string().default(""),
    nodeSelector: z.record(z.string(), z.string()).default({}),
  }),
  status: z.object({ phase: z.string().default("Pending") }).default({ phase: "Pending" }),
});

/** @throws ZodError when `raw` is no Node */
export function readSchedulableNode(raw: unknown): SchedulableNode {
  const { metadata, spec, status } = node.parse(raw);
  const ready = status.conditions.some(({ type, status: holds }) => type === "Ready" && holds === "True");
  return { labels: metadata.labels, schedulable: ready && !spec.unschedulable };
}

/** @throws ZodError when `raw` is no Pod */
export function readSchedulablePod(raw: unknown): SchedulablePod {
  const { metadata, spec, status } = pod.parse(raw);
  const { namespace, name, uid, resourceVersion, deletionTimestamp } = metadata;
  const active = deletionTimestamp === undefined && status.phase !== "Succeeded" && status.phase !== "Failed";
  const { nodeName, nodeSelector } = spec;
  return { namespace, name, uid, resourceVersion, nodeName, nodeSelector, active };
}
