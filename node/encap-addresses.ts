import { covers } from "./links/index.ts";

/**
 * The addresses of this node's tunnels, as `ovn-encap-ip` wants them.
 * @param wanted addresses, or networks of which the node's addresses are meant, parted by commas
 * @param onNode the node's addresses, with prefix lengths
 * @returns undefined as long as the node has no address in one of the networks
 */
export function encapAddresses(wanted: string, onNode: readonly string[]): string | undefined {
  const bare = onNode.map((address) => address.split("/")[0] ?? address);
  const found = wanted.split(",").map((item) => {
    if (!item.includes("/")) return [item];
    return bare.filter((address) => covers(item, address)).sort();
  });
  if (found.some((addresses) => addresses.length === 0)) return undefined;
  return [...new Set(found.flat())].join(",");
}
