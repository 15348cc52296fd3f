import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import { type Client, createClient, OvsdbError, type Replica } from "ovsdb-client-ts";
import type { Logger } from "../logger.ts";

/** The agent's one OVSDB session: everything it reads of Open vSwitch comes from the replica, everything it writes goes through the client. */
export interface VswitchdSession {
  readonly client: Client<OpenVswitch>;
  readonly replica: Replica<OpenVswitch>;
  close(): Promise<void>;
}

/**
 * The columns that the agent follows. Counters and protocol states are left out on purpose: vswitchd rewrites
 * `statistics` and `status` every few seconds, which would wake every agent for nothing.
 */
export const followedColumns = {
  Open_vSwitch: ["bridges", "datapaths", "external_ids", "datapath_types", "cur_cfg", "next_cfg", "ovs_version"],
  Datapath: ["capabilities"],
  Bridge: ["name", "ports", "datapath_type", "datapath_id", "fail_mode", "protocols", "external_ids", "other_config"],
  Port: ["name", "interfaces", "external_ids", "bond_mode"],
  Interface: [
    "name",
    "type",
    "external_ids",
    "options",
    "ofport",
    "error",
    "ifindex",
    "admin_state",
    "link_state",
    "mac",
    "mac_in_use",
    "mtu_request",
  ],
} as const;

/** How long the first wait for the server is before somebody is told; each next one is twice as long, up to the last. */
const firstWaitMs = 500;
const longestWaitMs = 10_000;

/** Resolves once connected, which may take for ever; tells from time to time why it isn't so yet. */
async function awaitServer(
  client: Client<OpenVswitch>,
  signal: AbortSignal | undefined,
  onWait: (reason: string) => void,
): Promise<void> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, 2 * waitMs)) {
    const bound = AbortSignal.timeout(waitMs);
    try {
      await client.ready({ signal: signal ? AbortSignal.any([signal, bound]) : bound });
      return;
    } catch (error) {
      if (signal?.aborted || !(error instanceof OvsdbError && error.code === "ABORTED")) throw error;
      onWait(error.cause instanceof OvsdbError ? error.cause.message : "no answer yet");
    }
  }
}

/**
 * Opens the session and waits until the replica holds its first snapshot.
 * @param options.endpoint of the local `ovsdb-server`, as `unix:/run/openvswitch/db.sock`
 * @param options.onWait told now and then why there is no connection yet
 * @throws OvsdbError when the signal aborts, or when what answers holds no `Open_vSwitch` database
 */
export async function openVswitchdSession(options: {
  readonly endpoint: string;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
  readonly onWait?: (reason: string) => void;
}): Promise<VswitchdSession> {
  const { endpoint, logger, signal, onWait } = options;
  const client = createClient<OpenVswitch>({
    endpoints: endpoint,
    database: "Open_vSwitch",
    // The local server stands alone: there is no leader to ask for.
    leaderOnly: false,
    logger,
  });
  try {
    await awaitServer(client, signal, (reason) => onWait?.(reason));
    const replica = await client.replicate(followedColumns, {
      indexes: {
        Bridge: { name: "name" },
        Port: { name: "name" },
        Interface: { name: "name" },
      },
      ...(signal ? { signal } : {}),
    });
    return {
      client,
      replica,
      async close() {
        await replica.close();
        await client.close();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}
