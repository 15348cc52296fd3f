import { createHash } from "node:crypto";
import type { Address } from "./address.ts";
import { type Choice, chosen, refused } from "./choose-address.ts";

const pairs = (hex: string): string => hex.match(/../g)?.join(":") ?? "";

/**
 * The hardware address of who has an address of a subnet, so that it goes where the address goes. `0a:58` + IPv4 as
 * elsewhere in the cluster; else one that follows from the IPv6 address.
 * @param attempt above 0 where somebody has that one already
 */
function macOfAddress({ family, value }: Address, attempt: number): string {
  if (family === 4 && attempt === 0) return `0a:58:${pairs(value.toString(16).padStart(8, "0"))}`;
  const digest = createHash("sha256")
    .update(`${attempt} ${value.toString(16)}`)
    .digest("hex");
  return `0a:5c:${pairs(digest.slice(0, 8))}`;
}

/**
 * @param macs by hardware address, the pods of the subnet
 * @param asked what the pod asks for, or what is kept for it
 */
export function chooseMac(
  macs: ReadonlyMap<string, string>,
  addresses: readonly Address[],
  asked: string | undefined,
): Choice<string> {
  if (asked !== undefined) {
    const pod = macs.get(asked);
    return pod === undefined ? chosen(asked) : refused("ADDRESS_HELD", `${asked} belongs to pod ${pod}`);
  }
  const [address] = addresses;
  if (address === undefined) return refused("SUBNET_EXHAUSTED", "the subnet has no network");
  for (let attempt = 0; ; attempt++) {
    const mac = macOfAddress(address, attempt);
    if (!macs.has(mac)) return chosen(mac);
  }
}
