import * as z from "zod";
import { hostNetwork } from "./host-network.ts";

/**
 * What the agent remembers of the gateway bridge in the bridge's own `external_ids`. The bridge's internal device comes
 * back without addresses when vswitchd restarts, and the agent may be killed at any moment: what must be put back is
 * therefore written down in the transaction that moves the uplink, before any address moves.
 */
export const memoryKey = "ovenbird.io/host-network";

const bridgeMemory = z.object({
  /**
   * `moving`: addresses and routes may stand on either link, or be half on both; bring them all to the bridge.
   * `settled`: they stood on the bridge, which is the truth as long as its device is the same.
   */
  phase: z.enum(["moving", "settled"]),
  /** The bridge device's index when this was written; another one means a new device. */
  linkIndex: z.number().optional(),
  network: hostNetwork,
});
export type BridgeMemory = z.infer<typeof bridgeMemory>;

/** @returns undefined when there is none or it can't be read: somebody wrote over it, and nothing is known then */
export function readMemory(externalIds: ReadonlyMap<string, string>): BridgeMemory | undefined {
  const text = externalIds.get(memoryKey);
  if (text === undefined) return undefined;
  try {
    return bridgeMemory.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
