import type { Datapath } from "./bridge.ts";

/** What the agent wants in `Open_vSwitch.external_ids` (ovn-controller(8), "CONFIGURATION"). */
export interface OvnSettings {
  readonly systemId: string;
  readonly encapType: string;
  /** Undefined leaves what is there. */
  readonly encapIp: string | undefined;
  /** The southbound database's endpoints; undefined leaves what is there. */
  readonly ovnRemote: string | undefined;
  readonly integrationBridge: string;
  readonly datapath: Datapath;
  /** Merged into `ovn-bridge-mappings`; undefined leaves them. */
  readonly bridgeMapping: { readonly network: string; readonly bridge: string } | undefined;
}

/**
 * The keys of `external_ids` to set so that ovn-controller works as wanted. Keys that are right already are left out,
 * and so is every key that is not the agent's business: the result is empty when there is nothing to do.
 */
export function externalIdChanges(
  current: ReadonlyMap<string, string>,
  settings: OvnSettings,
): Readonly<Record<string, string>> {
  const mappings = current.get("ovn-bridge-mappings");
  const wanted: Readonly<Record<string, string | undefined>> = {
    // The chassis' name in the southbound database: it outlives every other setting.
    "system-id": current.get("system-id") ?? settings.systemId,
    "ovn-encap-type": settings.encapType,
    "ovn-encap-ip": settings.encapIp,
    "ovn-remote": settings.ovnRemote,
    "ovn-bridge": settings.integrationBridge,
    "ovn-bridge-datapath-type": settings.datapath,
    "ovn-bridge-mappings": settings.bridgeMapping ? mergeMapping(mappings, settings.bridgeMapping) : undefined,
  };
  return Object.fromEntries(
    Object.entries(wanted).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== current.get(entry[0]),
    ),
  );
}

/** Sets one network's bridge in a list `network:bridge,network:bridge` and keeps the others and their order. */
export function mergeMapping(
  mappings: string | undefined,
  mapping: { readonly network: string; readonly bridge: string },
): string {
  const own = `${mapping.network}:${mapping.bridge}`;
  const others = (mappings ?? "").split(",").filter((item) => item.trim() !== "");
  const index = others.findIndex((item) => item.slice(0, item.indexOf(":")).trim() === mapping.network);
  if (index < 0) return [...others, own].join(",");
  return others.with(index, own).join(",");
}
