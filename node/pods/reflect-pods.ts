import { type KubeClient, pods, reflect } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { createPodSource, type PodSource, projectPod } from "./pod-source.ts";

/** Watches the pods that are bound to a node; the one watch that the agent's CNI calls wait on. */
export function reflectPodsOfNode(client: KubeClient, nodeName: string, logger: Logger): PodSource {
  return createPodSource(
    reflect(client, pods, { project: projectPod, fieldSelector: `spec.nodeName=${nodeName}`, logger }),
  );
}
