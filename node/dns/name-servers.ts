import { isIP } from "node:net";
import { type KubeClient, type KubeObject, reflect, services } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { canonicalAddress } from "../services/addresses.ts";

/** Whose answers are believed. */
export interface NameServers {
  /** @param address canonical text */
  has(address: string): boolean;
  close(): void;
}

function projectAddresses(raw: unknown): readonly string[] {
  const { spec } = raw as KubeObject & {
    readonly spec?: { readonly clusterIP?: unknown; readonly clusterIPs?: readonly unknown[] };
  };
  return [spec?.clusterIP, ...(spec?.clusterIPs ?? [])].flatMap((text) =>
    typeof text === "string" ? (canonicalAddress(text) ?? []) : [],
  );
}

/** @param servers addresses, and Services as `namespace/name`, whose cluster addresses are followed */
export function followNameServers(
  client: Pick<KubeClient, "listPage" | "watch">,
  servers: readonly string[],
  logger: Logger,
): NameServers {
  const fixed = new Set(servers.flatMap((text) => canonicalAddress(text) ?? []));
  const ofServices = new Map<string, readonly string[]>();
  const watches = servers
    .filter((text) => isIP(text) === 0)
    .map((key) => {
      const [namespace = "", name = ""] = key.split("/");
      return reflect(client, services, {
        ...{ project: projectAddresses, namespace, fieldSelector: `metadata.name=${name}` },
      }).subscribe({
        next(event) {
          if (event.kind === "upsert" && event.key === key) ofServices.set(key, event.object);
          else if (event.kind === "delete") ofServices.delete(event.key);
        },
        error: (error) => logger.warn({ err: error, service: key }, "a watch has ended"),
      });
    });

  return {
    has: (address) => fixed.has(address) || [...ofServices.values()].some((addresses) => addresses.includes(address)),
    close() {
      for (const watch of watches) watch.unsubscribe();
    },
  };
}
