import {
  type AnnotationResult,
  type KubeClient,
  type KubeObject,
  type NodeChassisAnnotation,
  type NodeNetworkAnnotation,
  nodeChassisAnnotation,
  nodeChassisAnnotationKey,
  nodeNetworkAnnotation,
  nodeNetworkAnnotationKey,
  nodes,
  readAnnotation,
  reflect,
} from "@ovenbird/kube";
import type { Logger } from "./logger.ts";

/** This node's object in Kubernetes, as far as the agent looks at it. */
export interface NodeView {
  /** The first address of type InternalIP. */
  readonly internalIp: string | undefined;
  readonly chassis: AnnotationResult<NodeChassisAnnotation>;
  readonly network: AnnotationResult<NodeNetworkAnnotation>;
  readonly labels: Readonly<Record<string, string>>;
}

const noLabels = Object.freeze({});

/** Keeps what the agent needs of a Node. */
export function projectNode(raw: unknown): NodeView {
  const { metadata, status } = raw as KubeObject & {
    readonly status?: { readonly addresses?: readonly { readonly type?: string; readonly address?: string }[] };
  };
  const annotations = metadata?.annotations;
  return Object.freeze({
    internalIp: status?.addresses?.find(({ type }) => type === "InternalIP")?.address,
    chassis: readAnnotation(nodeChassisAnnotation, annotations?.[nodeChassisAnnotationKey]),
    network: readAnnotation(nodeNetworkAnnotation, annotations?.[nodeNetworkAnnotationKey]),
    labels: metadata?.labels ?? noLabels,
  });
}

export interface NodeSource {
  /** Undefined while the Node does not exist, or is not known yet. */
  readonly view: NodeView | undefined;
  /** Whether the API has told what there is. */
  readonly isSynced: boolean;
  /** Why the API has told nothing yet, as far as is known. */
  readonly problem: string | undefined;
  /** Takes what an own PATCH was answered, which is newer than what the watch has told. */
  learn(view: NodeView): void;
  close(): void;
}

/** Follows one Node. @param listener called when it was told of, changed or deleted */
export function followNode(client: KubeClient, name: string, logger: Logger, listener: () => void): NodeSource {
  let view: NodeView | undefined;
  let isSynced = false;
  let problem: string | undefined;
  const subscription = reflect(client, nodes, {
    project: projectNode,
    fieldSelector: `metadata.name=${name}`,
    logger,
    onProblem: ({ error }) => {
      problem = error instanceof Error ? error.message : String(error);
    },
  }).subscribe({
    next(event) {
      if (event.kind === "synced") {
        isSynced = true;
        problem = undefined;
      } else if (event.key === name) view = event.kind === "upsert" ? event.object : undefined;
      listener();
    },
    error: (error) => logger.warn({ err: error, node: name }, "the watch of the node has ended"),
  });
  return {
    get view() {
      return view;
    },
    get isSynced() {
      return isSynced;
    },
    get problem() {
      return problem;
    },
    learn(newer) {
      view = newer;
    },
    close: () => subscription.unsubscribe(),
  };
}

/**
 * Writes the chassis annotation.
 * @returns the Node as it is now
 * @throws KubeError NOT_FOUND when there is no such Node
 */
export async function patchChassis(
  client: KubeClient,
  name: string,
  chassis: NodeChassisAnnotation,
): Promise<NodeView> {
  const annotations = { [nodeChassisAnnotationKey]: JSON.stringify(chassis) };
  return projectNode(await client.patch(nodes, { name }, { metadata: { annotations } }, { type: "merge" }));
}
