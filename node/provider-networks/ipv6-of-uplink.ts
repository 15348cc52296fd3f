import { readFileSync } from "node:fs";
import { NetlinkError, setSysctl } from "../netlink/index.ts";

/**
 * Whether an uplink's own device may speak IPv6. As a port of a bridge it must not: when its link comes back the kernel sends
 * solicitations and reports from it, with the hardware address that it shares with the bridge, and by a bond's link that is
 * not at work they lead switches outside to where nothing is taken.
 * @param allowed as the node has it for all its devices, by default
 */
export function speakIpv6(device: string, allowed = isSpoken()): void {
  try {
    setSysctl(`ipv6/conf/${device}/disable_ipv6`, allowed ? 0 : 1);
  } catch (error) {
    // A kernel without IPv6 has no such setting.
    if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
  }
}

function isSpoken(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "utf8").trim() === "0";
  } catch {
    // A kernel without IPv6, again.
    return false;
  }
}
