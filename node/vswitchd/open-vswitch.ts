import { randomUUID } from "node:crypto";
import { OvsdbError } from "ovsdb-client-ts";
import type { Logger } from "../logger.ts";
import { type Datapath, findBridge, insertBridge, openVswitchRow } from "./bridge.ts";
import { chooseDatapath } from "./datapath.ts";
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
  /** Why it is this datapath, for people. */
  readonly datapathReason: string;
  readonly integrationBridge: string;
}

/** How long the bridge that ovn-controller has made may take to show, in ms: its update is on the way already. */
const bridgeAppearsMs = 2_000;

/**
 * Brings `Open_vSwitch.external_ids` and the integration bridge to what OVN needs, in one transaction that holds only
 * the keys that differ. Does nothing when all is right.
 * A bridge that ovn-controller makes at the same moment is adopted.
 * @throws OvsdbError
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
  const { datapath, reason, convert } = chooseDatapath(replica, integrationBridge, settings.datapath);
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
    if (convert) {
      transaction.update("Bridge", bridge._uuid, { datapath_type: datapath });
      changed = true;
    }
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
    try {
      await transaction.commit();
    } catch (error) {
      const isTaken = error instanceof OvsdbError && error.code === "CONSTRAINT_VIOLATION";
      if (bridge || !isTaken || !(await bridgeAppears(session, integrationBridge))) throw error;
      logger.info({ bridge: integrationBridge }, "the integration bridge was made by somebody else meanwhile");
      return configureOpenVswitch(session, settings, logger);
    }
    logger.info({ externalIds: changes, bridge: integrationBridge, datapath }, "configured Open vSwitch");
  }
  return { systemId, datapath, datapathReason: reason, integrationBridge };
}

/** Waits for a bridge to be in the replica. @returns false when it did not come in time */
function bridgeAppears({ replica }: VswitchdSession, name: string): Promise<boolean> {
  if (findBridge(replica, name)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (found: boolean) => {
      clearTimeout(timer);
      unsubscribe();
      resolve(found);
    };
    const timer = setTimeout(() => settle(false), bridgeAppearsMs);
    const unsubscribe = replica.subscribe(() => {
      if (findBridge(replica, name)) settle(true);
    });
  });
}
