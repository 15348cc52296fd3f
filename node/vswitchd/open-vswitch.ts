import { randomUUID } from "node:crypto";
import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { Replica } from "ovsdb-client-ts";
import type { Logger } from "../logger.ts";
import { type Datapath, datapathOf, findBridge, insertBridge, openVswitchRow } from "./bridge.ts";
import { externalIdChanges, type OvnSettings } from "./external-ids.ts";
import type { VswitchdSession } from "./session.ts";

/** What the agent is told of the local Open vSwitch; what is undefined is taken from what is there. */
export type OpenVswitchSettings = Omit<OvnSettings, "systemId" | "datapath" | "integrationBridge"> & {
  readonly systemId: string | undefined;
  readonly datapath: Datapath | undefined;
};

/** What holds once Open vSwitch is configured. */
export interface OpenVswitchState {
  readonly systemId: string;
  readonly datapath: Datapath;
  readonly integrationBridge: string;
}

/**
 * The datapath of the integration bridge: what it has, else what was asked for, else the kernel's where vswitchd offers
 * it. A bridge that exists is never converted, since that would tear every port of it down.
 */
export function chooseDatapath(
  replica: Replica<OpenVswitch>,
  integrationBridge: string,
  asked: Datapath | undefined,
): Datapath {
  const bridge = findBridge(replica, integrationBridge);
  if (bridge) return datapathOf(bridge);
  if (asked) return asked;
  const offered = openVswitchRow(replica)?.datapath_types;
  return offered && offered.size > 0 && !offered.has("system") ? "netdev" : "system";
}

/**
 * Brings `Open_vSwitch.external_ids` and the integration bridge to what OVN needs, in one transaction that holds only
 * the keys that differ. Does nothing when all is right.
 * @throws OvsdbError, CONSTRAINT_VIOLATION among them when ovn-controller makes the bridge at the same moment: try again
 */
export async function configureOpenVswitch(
  session: VswitchdSession,
  settings: OpenVswitchSettings,
  logger: Logger,
): Promise<OpenVswitchState> {
  const { client, replica } = session;
  const row = openVswitchRow(replica);
  const current = row?.external_ids ?? new Map<string, string>();
  const integrationBridge = current.get("ovn-bridge") ?? "br-int";
  const datapath = chooseDatapath(replica, integrationBridge, settings.datapath);
  if (settings.datapath && datapath !== settings.datapath) {
    logger.warn(
      { bridge: integrationBridge, datapath, asked: settings.datapath },
      "the integration bridge keeps its datapath; delete it to change it",
    );
  }
  const systemId = current.get("system-id") ?? settings.systemId ?? randomUUID();
  const changes = externalIdChanges(current, { ...settings, systemId, datapath, integrationBridge });

  const transaction = client.transaction().comment("ovenbird: configure Open vSwitch for OVN");
  const openVswitch = row?._uuid ?? randomUUID();
  if (!row) transaction.insert("Open_vSwitch", {}, openVswitch);
  let changed = !row;
  if (Object.keys(changes).length > 0) {
    transaction.mutate("Open_vSwitch", openVswitch, { external_ids: { insert: changes } });
    changed = true;
  }
  const bridge = findBridge(replica, integrationBridge);
  if (!bridge) {
    insertBridge(transaction, openVswitch, {
      name: integrationBridge,
      datapath,
      // Without ovn-controller's flows nothing may pass.
      failMode: "secure",
      otherConfig: { "disable-in-band": "true" },
    });
    changed = true;
  } else {
    if (bridge.fail_mode !== "secure") {
      transaction.update("Bridge", bridge._uuid, { fail_mode: "secure" });
      changed = true;
    }
    // An empty set means all versions; ovn-controller speaks 1.5.
    if (bridge.protocols.size > 0 && !bridge.protocols.has("OpenFlow15")) {
      transaction.mutate("Bridge", bridge._uuid, { protocols: { insert: ["OpenFlow15"] } });
      changed = true;
    }
  }
  if (changed) {
    await transaction.commit();
    logger.info({ externalIds: changes, bridge: integrationBridge, datapath }, "configured Open vSwitch");
  }
  return { systemId, datapath, integrationBridge };
}
