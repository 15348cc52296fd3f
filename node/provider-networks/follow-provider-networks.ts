import { isDeepStrictEqual } from "node:util";
import { isKubeError, type KubeClient, providerNetworks, reflect } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { type NodeStatus, type ProviderNetworkView, projectProviderNetwork } from "./provider-network-view.ts";

/** The ProviderNetworks of the cluster, pushed by the watch. */
export interface ProviderNetworkSource {
  /** By name. */
  readonly networks: ReadonlyMap<string, ProviderNetworkView>;
  /** Whether all are known; false for ever in a cluster without the resource. */
  readonly isSynced: boolean;
  /** Writes what this node says in a network's status; undefined takes it out. @throws KubeError */
  report(network: string, status: NodeStatus | undefined): Promise<void>;
  close(): void;
}

/** @param listener called when a network came, changed or went, and when all are known */
export function followProviderNetworks(
  client: KubeClient,
  nodeName: string,
  logger: Logger,
  listener: () => void,
): ProviderNetworkSource {
  const networks = new Map<string, ProviderNetworkView>();
  let isSynced = false;
  // Without `mayBeAbsent`: a server that has just begun would have all bridges taken away.
  const subscription = reflect(client, providerNetworks, {
    project: (raw) => projectProviderNetwork(raw, nodeName),
    logger: {
      debug: (fields, message) => logger.debug(fields, message),
      info: (fields, message) => logger.info(fields, message),
      warn: (fields, message) => logger[isQuiet(fields) ? "debug" : "warn"](fields, message),
    },
  }).subscribe({
    next(event) {
      if (event.kind === "synced") isSynced = true;
      else if (event.kind === "delete") networks.delete(event.key);
      else {
        const before = networks.get(event.key);
        networks.set(event.key, event.object);
        // Each node writes into the same status: what others say of themselves is nothing to look at here.
        if (isDeepStrictEqual(before, event.object)) return;
      }
      if (isSynced) listener();
    },
    error: (error) => logger.warn({ err: error }, "the watch of provider networks has ended"),
  });
  return {
    networks,
    get isSynced() {
      return isSynced;
    },
    async report(network, status) {
      const said = status && {
        ready: status.ready,
        interfaces: status.interfaces ?? null,
        message: status.message ?? null,
      };
      try {
        const body = { status: { nodes: { [nodeName]: said ?? null } } };
        const raw = await client.patch(providerNetworks, { name: network }, body, {
          type: "merge",
          subresource: "status",
        });
        if (networks.has(network)) networks.set(network, projectProviderNetwork(raw, nodeName));
      } catch (error) {
        // It was deleted meanwhile, and its status with it.
        if (!isKubeError(error, "NOT_FOUND")) throw error;
      }
    },
    close: () => subscription.unsubscribe(),
  };
}

/** A cluster without the resource has no provider networks, and that the API can't be reached is said elsewhere. */
function isQuiet(fields: object): boolean {
  return "code" in fields && (fields.code === "NOT_FOUND" || fields.code === "UNREACHABLE");
}
