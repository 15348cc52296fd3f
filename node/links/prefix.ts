import { addressBytes, parsePrefix } from "../netlink/message.ts";

/**
 * Whether an address lies in the network of an address with a prefix length.
 * @param cidr such as `10.244.0.3/24`
 */
export function covers(cidr: string, address: string): boolean {
  const { address: member, prefixLength } = parsePrefix(cidr);
  const network = addressBytes(member);
  const candidate = addressBytes(address);
  if (network.length !== candidate.length) return false;
  return network.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (byte & mask) === ((candidate[index] ?? 0) & mask);
  });
}
