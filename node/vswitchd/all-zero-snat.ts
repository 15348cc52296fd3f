import type { Logger } from "../logger.ts";
import { openVswitchRow } from "./bridge.ts";
import type { VswitchdSession } from "./session.ts";
import { isFaulty, vswitchdVersion } from "./version.ts";

const datapathType = "netdev";
const capability = "ct_zero_snat";
const soundSince = [
  [2, 17, 8],
  [3, 0, 5],
  [3, 1, 3],
  [3, 2, 3],
] as const;

/**
 * Whether this Open vSwitch aborts over a connection that its own conntrack committed with all-zero SNAT and that is over
 * but not yet swept: the second of the two entries that such a connection has under one hash is then taken for the first
 * (lib/conntrack.c, "Remove nat_conn introducing key directionality"). A client that connects again from the same port to
 * a port where nobody listens is enough.
 * @param version `3.1.0`; one that isn't known counts as one that aborts
 */
export const abortsOverAllZeroSnat = (version: string | undefined): boolean => isFaulty(version, soundSince);

/**
 * Lets ovn-controller know nothing of the userspace datapath's all-zero SNAT where that makes vswitchd abort. What it is for
 * (connections through a load balancer and past it with the same addresses and ports) is lost there. vswitchd says at each
 * start what its datapath can do, so this is to be run again when that changes.
 * @throws Error when vswitchd can't be asked for its version: what is taken away is back only with its next start
 */
export async function withholdAllZeroSnat(
  { client, replica }: VswitchdSession,
  rundir: string,
  logger: Logger,
): Promise<void> {
  const uuid = openVswitchRow(replica)?.datapaths.get(datapathType);
  const row = uuid === undefined ? undefined : replica.table("Datapath").get(uuid);
  if (row?.capabilities.get(capability) !== "true") return;
  const version = await vswitchdVersion(rundir);
  if (!abortsOverAllZeroSnat(version)) return;
  await client
    .transaction()
    .mutate("Datapath", row._uuid, { capabilities: { delete: [capability] } })
    .commit();
  logger.info({ version, capability }, "ovn-controller is not to use what this vswitchd aborts over");
}
