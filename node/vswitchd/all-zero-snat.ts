import type { Logger } from "../logger.ts";
import { openVswitchRow } from "./bridge.ts";
import { askVswitchd } from "./control.ts";
import type { VswitchdSession } from "./session.ts";

const datapathType = "netdev";
const capability = "ct_zero_snat";
/** The first sound release of each older series; all later series are sound. */
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
export function abortsOverAllZeroSnat(version: string | undefined): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version ?? "");
  if (parts === null) return true;
  const [major, minor, patch] = parts.slice(1).map(Number) as [number, number, number];
  const series = soundSince.find((sound) => sound[0] === major && sound[1] === minor);
  if (series !== undefined) return patch < series[2];
  return major < 2 || (major === 2 && minor < 17);
}

/** What `ovs-appctl version` says first: `ovs-vswitchd (Open vSwitch) 3.1.0`. */
async function versionOf(rundir: string): Promise<string | undefined> {
  for await (const [line = ""] of askVswitchd(rundir, "version", [])) return /\) (\S+)/.exec(line)?.[1];
  return undefined;
}

/**
 * Lets ovn-controller know nothing of the userspace datapath's all-zero SNAT where that makes vswitchd abort. What it is for
 * (connections through a load balancer and past it with the same addresses and ports) is lost there. vswitchd says at each
 * start what its datapath can do, so this is to be run again when that changes.
 */
export async function withholdAllZeroSnat(
  { client, replica }: VswitchdSession,
  rundir: string,
  logger: Logger,
): Promise<void> {
  const uuid = openVswitchRow(replica)?.datapaths.get(datapathType);
  const row = uuid === undefined ? undefined : replica.table("Datapath").get(uuid);
  if (row?.capabilities.get(capability) !== "true") return;
  const version = await versionOf(rundir).catch((error: unknown) => {
    logger.warn({ err: error }, "vswitchd did not tell its version");
    return undefined;
  });
  if (!abortsOverAllZeroSnat(version)) return;
  await client
    .transaction()
    .mutate("Datapath", row._uuid, { capabilities: { delete: [capability] } })
    .commit();
  logger.info({ version, capability }, "ovn-controller is not to use what this vswitchd aborts over");
}
