import { NetlinkError } from "./error.ts";
import {
  type Attribute,
  attributesOf,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  nested,
  text,
  textOf,
  uint32BigEndian,
} from "./message.ts";
import type { NetfilterSocket } from "./socket.ts";

/**
 * With the userspace datapath the kernel's own stack, too, handles every frame that arrives on a host device of a
 * port: a pod could reach the node's sockets past OVN. Open vSwitch reads the device through a packet socket, which
 * sees frames before the netdev ingress hook; a drop there takes them from the host's stack only.
 * Not with the kernel datapath: there the hook runs before Open vSwitch and would cut the pod off.
 */
const table = "ovenbird";

/** nfnetlink, linux/netfilter/nf_tables.h */
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_DELCHAIN = 5;
const NFPROTO_UNSPEC = 0;
const NFPROTO_NETDEV = 5;
const NFTA_TABLE_NAME = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_HOOK_DEV = 3;
const NF_NETDEV_INGRESS = 0;
const NF_DROP = 0;
const nfgenmsgBytes = 4;

/**
 * Keeps the host's network stack from the frames that arrive on a device; repeatable.
 * Kernels from 6.16 take the name of a device that does not exist yet, and guard it when it comes.
 * @throws {NetlinkError} ENOENT no such device (older kernels), EOPNOTSUPP the kernel lacks the ingress hook
 */
export function guardDevice(socket: NetfilterSocket, device: string): void {
  batch(
    socket,
    `guard the device ${device}`,
    tables(NFT_MSG_NEWTABLE, NLM_F_CREATE, [text(NFTA_TABLE_NAME, table)]),
    tables(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [
      text(NFTA_CHAIN_TABLE, table),
      text(NFTA_CHAIN_NAME, device),
      nested(NFTA_CHAIN_HOOK, [
        uint32BigEndian(NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS),
        uint32BigEndian(NFTA_HOOK_PRIORITY, 0),
        text(NFTA_HOOK_DEV, device),
      ]),
      text(NFTA_CHAIN_TYPE, "filter"),
      uint32BigEndian(NFTA_CHAIN_POLICY, NF_DROP),
    ]),
  );
}

/** Takes the guard off. @returns false when there was none */
export function unguardDevice(socket: NetfilterSocket, device: string): boolean {
  try {
    batch(
      socket,
      `unguard the device ${device}`,
      tables(NFT_MSG_DELCHAIN, 0, [text(NFTA_CHAIN_TABLE, table), text(NFTA_CHAIN_NAME, device)]),
    );
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** The devices that bear our guard, also those that are gone (newer kernels keep their chains). */
export function listGuardedDevices(socket: NetfilterSocket): readonly string[] {
  return socket
    .dump(
      "list guarded devices",
      message(
        (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN,
        NLM_F_REQUEST | NLM_F_DUMP,
        generic(NFPROTO_NETDEV, 0),
        [],
      ),
    )
    .map(({ payload }) => attributesOf(payload, nfgenmsgBytes))
    .filter((attributes) => textOf(attributes.get(NFTA_CHAIN_TABLE)) === table)
    .flatMap((attributes) => textOf(attributes.get(NFTA_CHAIN_NAME)) ?? []);
}

/** nf_tables takes changes as one transaction between two markers. */
function batch(socket: NetfilterSocket, operation: string, ...messages: readonly Buffer[]): void {
  const marker = generic(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
  socket.request(
    operation,
    message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, marker, []),
    ...messages,
    message(NFNL_MSG_BATCH_END, NLM_F_REQUEST, marker, []),
  );
}

function tables(type: number, flags: number, attributes: readonly Attribute[]): Buffer {
  return message(
    (NFNL_SUBSYS_NFTABLES << 8) | type,
    NLM_F_REQUEST | NLM_F_ACK | flags,
    generic(NFPROTO_NETDEV, 0),
    attributes,
  );
}

/** struct nfgenmsg */
function generic(family: number, resource: number): Buffer {
  const header = Buffer.alloc(nfgenmsgBytes);
  header[0] = family;
  header.writeUInt16BE(resource, 2);
  return header;
}
