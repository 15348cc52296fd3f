import { parseArgs } from "node:util";
import {
  createEventRecorder,
  createKubeClient,
  isKubeError,
  loadKubeConfig,
  nodes,
  pods,
  reflect,
} from "@ovenbird/kube";
import { pino } from "pino";
import { createOrphanCollector } from "./orphans.ts";
import { readSchedulableNode, readSchedulablePod } from "./records.ts";
import { createScheduler } from "./scheduler.ts";

/**
 * The lab's scheduler: binds each pod without a node to the ready node that has the fewest, says of a pod that fits none
 * why, and removes the pods of nodes that are no more.
 */
const { values } = parseArgs({ options: { kubeconfig: { type: "string" } } });
const logger = pino({ base: { component: "scheduler" } });
const client = createKubeClient(loadKubeConfig({ path: values.kubeconfig }), { logger });

const recorder = createEventRecorder(client, { component: "scheduler" });

const scheduler = createScheduler({
  async bind(pod, node) {
    const { namespace, name, uid } = pod;
    const body = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { namespace, name, uid },
      target: { apiVersion: "v1", kind: "Node", name: node },
    };
    try {
      await client.create(pods, { namespace, name }, body, { subresource: "binding" });
      return "bound";
    } catch (error) {
      logger.warn({ pod: `${namespace}/${name}`, node, err: error }, "binding failed");
      return isKubeError(error) && ["NOT_FOUND", "CONFLICT"].includes(error.code) ? "gone" : "retry";
    }
  },
  async unschedulable(pod, message) {
    const { namespace, name, uid, resourceVersion } = pod;
    recorder.event(
      { kind: "Pod", apiVersion: "v1", namespace, name, uid },
      { type: "Warning", reason: "FailedScheduling", message },
    );
    const lastTransitionTime = new Date().toISOString();
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message, lastTransitionTime };
    try {
      // The version keeps this off a pod that has been bound meanwhile.
      const patch = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } };
      await client.patch(pods, { namespace, name }, patch, { type: "merge", subresource: "status" });
      return true;
    } catch (error) {
      logger.warn({ pod: `${namespace}/${name}`, err: error }, "the reason why it fits no node can't be written");
      return false;
    }
  },
});
const orphans = createOrphanCollector({
  async remove({ namespace, name, uid, nodeName }) {
    logger.info({ pod: `${namespace}/${name}`, node: nodeName }, "removing a pod whose node is gone");
    try {
      await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
      return true;
    } catch (error) {
      if (isKubeError(error) && ["NOT_FOUND", "CONFLICT"].includes(error.code)) return true;
      logger.warn({ pod: `${namespace}/${name}`, err: error }, "removing failed");
      return false;
    }
  },
});
const onProblem = (problem: { readonly kind: string; readonly error: unknown }) =>
  logger.warn({ problem: problem.kind, err: problem.error }, "watching");
const backoff = { minMs: 100, maxMs: 2000 } as const;
reflect(client, nodes, { project: readSchedulableNode, onProblem, backoff }).subscribe((event) => {
  if (event.kind === "synced") {
    scheduler.synced("nodes");
    orphans.synced("nodes");
    return;
  }
  orphans.node(event.key, event.kind === "upsert");
  scheduler.node(event.key, event.kind === "upsert" ? event.object : undefined);
});
reflect(client, pods, { project: readSchedulablePod, onProblem, backoff }).subscribe((event) => {
  if (event.kind === "synced") {
    scheduler.synced("pods");
    orphans.synced("pods");
    return;
  }
  orphans.pod(event.key, event.kind === "upsert" ? event.object : undefined);
  scheduler.pod(event.key, event.kind === "upsert" ? event.object : undefined);
});
