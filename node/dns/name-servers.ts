import { isIP } from "node:net";
import { type KubeClient, type KubeObject, reflect, services } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { canonicalAddress } from "../services/addresses.ts";

/** Whose answers are believed. */
export interface NameServers {
  /** Canonical, each once. */
  readonly addresses: ReadonlySet<string>;
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

/**
 * @param servers addresses, and Services as `namespace/name`, whose cluster addresses are followed
 * @param onChange the addresses are others
 */
export function followNameServers(
  client: Pick<KubeClient, "listPage" | "watch">,
  servers: readonly string[],
  logger: Logger,
  onChange: () => void,
): NameServers {
  const fixed = new Set(servers.flatMap((text) => canonicalAddress(text) ?? []));
  const ofServices = new Map<string, readonly string[]>();
  let addresses: ReadonlySet<string> = fixed;
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
          else return;
          const before = addresses;
          addresses = new Set([...fixed, ...[...ofServices.values()].flat()]);
          if (addresses.symmetricDifference(before).size > 0) onChange();
        },
        error: (error) => logger.warn({ err: error, service: key }, "a watch has ended"),
      });
    });

  return {
    get addresses() {
      return addresses;
    },
    close() {
      for (const watch of watches) watch.unsubscribe();
    },
  };
}
