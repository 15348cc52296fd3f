import type { Datapath } from "./bridge.ts";
import { askVswitchd } from "./control.ts";
import { isFaulty, vswitchdVersion } from "./version.ts";

const soundSince = [
  [2, 17, 8],
  [3, 0, 5],
  [3, 1, 3],
  [3, 2, 0],
] as const;

/**
 * Whether this Open vSwitch's userspace datapath may change the wrong one of two cached flows that overlap, when their rules
 * change (lib/dpif-netdev.c, "Fix dpif_netdev_flow_put"): packets go on passing, or being dropped, as they were before, for
 * as long as they come.
 * @param version `3.1.0`; one that isn't known counts as one that does
 */
export const confusesOverlappingFlows = (version: string | undefined): boolean => isFaulty(version, soundSince);

/** Has a datapath that may have confused its cached flows forget them all: each is made anew by the next packet for it. */
export async function forgetConfusedFlows(rundir: string, datapath: Datapath): Promise<"forgotten" | "sound"> {
  if (datapath !== "netdev") return "sound";
  // Asked for each time, which costs nothing beside what follows: another version may have been started.
  if (!confusesOverlappingFlows(await vswitchdVersion(rundir))) return "sound";
  for await (const _ of askVswitchd(rundir, "revalidator/purge", []));
  return "forgotten";
}
