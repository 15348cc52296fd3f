import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import { type Client, createClient, type Replica } from "ovsdb-client-ts";
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
  Open_vSwitch: ["bridges", "external_ids", "datapath_types", "cur_cfg", "next_cfg", "ovs_version"],
  Bridge: ["name", "ports", "datapath_type", "fail_mode", "protocols", "external_ids", "other_config"],
  Port: ["name", "interfaces", "external_ids"],
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

/**
 * Opens the session and waits until the replica holds its first snapshot.
 * @param options.endpoint of the local `ovsdb-server`, as `unix:/run/openvswitch/db.sock`
 * @throws OvsdbError when the signal aborts, or when what answers holds no `Open_vSwitch` database
 */
export async function openVswitchdSession(options: {
  readonly endpoint: string;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
}): Promise<VswitchdSession> {
  const { endpoint, logger, signal } = options;
  const client = createClient<OpenVswitch>({
    endpoints: endpoint,
    database: "Open_vSwitch",
    // The local server stands alone: there is no leader to ask for.
    leaderOnly: false,
    logger,
  });
  try {
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
