import { parseArgs } from "node:util";
import { createKubeClient, isKubeError, loadKubeConfig, nodes, pods, reflect } from "@ovenbird/kube";
import { pino } from "pino";
import { readSchedulableNode, readSchedulablePod } from "./records.ts";
import { createScheduler } from "./scheduler.ts";

/** The lab's scheduler: binds each pod without a node to the ready node that has the fewest. */
const { values } = parseArgs({ options: { kubeconfig: { type: "string" } } });
const logger = pino({ base: { component: "scheduler" } });
const client = createKubeClient(loadKubeConfig({ path: values.kubeconfig }), { logger });

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
});
const onProblem = (problem: { readonly kind: string; readonly error: unknown }) =>
  logger.warn({ problem: problem.kind, err: problem.error }, "watching");
const backoff = { minMs: 100, maxMs: 2000 } as const;
reflect(client, nodes, { project: readSchedulableNode, onProblem, backoff }).subscribe((event) => {
  if (event.kind === "synced") scheduler.synced("nodes");
  else scheduler.node(event.key, event.kind === "upsert" ? event.object : undefined);
});
reflect(client, pods, { project: readSchedulablePod, onProblem, backoff }).subscribe((event) => {
  if (event.kind === "synced") scheduler.synced("pods");
  else scheduler.pod(event.key, event.kind === "upsert" ? event.object : undefined);
});
