import { addressOf, callLibc, closeDescriptor } from "./libc.ts";
import { inNamespace } from "./namespace.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;
const nameBytes = 16;

/**
 * `ethtool -K LINK tx off`: the sender computes its checksums itself. The userspace datapath passes frames on as they
 * are, so a packet whose checksum was left to the device arrives with a wrong one: ping works and TCP hangs.
 * @throws {NetlinkError} ENODEV no such link, EOPNOTSUPP the driver can't switch it
 */
export function disableTxOffload(link: string, namespace?: string): void {
  const operation = `switch off transmit checksum offload of ${link}`;
  inNamespace(namespace, () => {
    const socket = callLibc(operation, "socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    try {
      // struct ethtool_value { u32 cmd; u32 data }, pointed to by struct ifreq { char name[16]; void *data; … }
      const value = Buffer.alloc(8);
      value.writeUInt32LE(ETHTOOL_STXCSUM, 0);
      const request = Buffer.alloc(40);
      request.write(link, 0, nameBytes - 1, "utf8");
      request.writeBigUInt64LE(addressOf(value), nameBytes);
      callLibc(operation, "ioctl", socket, SIOCETHTOOL, request);
    } finally {
      closeDescriptor(socket);
    }
  });
}
