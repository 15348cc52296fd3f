import { isGone } from "./error.ts";
import { linkIndex } from "./links.ts";
import {
  addressBytes,
  addressText,
  attribute,
  attributesOf,
  familyOf,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  parsePrefix,
  uint32,
  uint32Of,
} from "./message.ts";
import type { RouteSocket } from "./socket.ts";

/** rtnetlink(7), linux/if_addr.h */
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
const IFA_F_NOPREFIXROUTE = 0x200;
const ifaddrmsgBytes = 8;
const scopes = new Map([
  [0, "global"],
  [200, "site"],
  [253, "link"],
  [254, "host"],
] as const);

export interface Address {
  readonly linkIndex: number;
  /** With the prefix length: `10.244.0.3/24`. */
  readonly address: string;
  readonly scope: "global" | "site" | "link" | "host" | "other";
  /** False for an address that was learned (router advertisement, DHCP with a lifetime). */
  readonly permanent: boolean;
  /** Duplicate address detection still runs, or found a duplicate: it can't be used. */
  readonly usable: boolean;
}

export interface AddressOptions {
  /** Skips IPv6's duplicate address detection (1 s): for addresses that an allocator guarantees. */
  readonly noDad?: boolean;
  /** Without the route to its prefix that the kernel would add. */
  readonly noPrefixRoute?: boolean;
}

/**
 * Puts an address on a link; one that is there already is left as it is (its options are updated).
 * @param address with the prefix length, `10.244.0.3/24`
 * @throws {NetlinkError} ENODEV no such link, EACCES IPv6 is disabled on it, EINVAL not an address for a link
 */
export function addAddress(socket: RouteSocket, link: string, address: string, options: AddressOptions = {}): void {
  const flags =
    IFA_F_PERMANENT |
    (options.noDad === true ? IFA_F_NODAD : 0) |
    (options.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0);
  const { header, attributes } = describe(linkIndex(socket, link), address);
  socket.request(
    `add the address ${address} to ${link}`,
    message(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header, [
      ...attributes,
      uint32(IFA_FLAGS, flags),
    ]),
  );
}

/** Takes an address off a link. @returns false when it was not there */
export function deleteAddress(socket: RouteSocket, link: string, address: string): boolean {
  try {
    const { header, attributes } = describe(linkIndex(socket, link), address);
    socket.request(
      `delete the address ${address} from ${link}`,
      message(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, header, attributes),
    );
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** The addresses of one link (by its index), or of all. */
export function listAddresses(socket: RouteSocket, index?: number): readonly Address[] {
  const header = Buffer.alloc(ifaddrmsgBytes);
  header.writeUInt32LE(index ?? 0, 4);
  return socket
    .dump("list addresses", message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, header, []))
    .filter((answer) => answer.type === RTM_NEWADDR)
    .flatMap(({ payload }) => {
      const attributes = attributesOf(payload, ifaddrmsgBytes);
      // IFA_ADDRESS is the other end's address on a point-to-point link; IFA_LOCAL, where present, is ours.
      const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
      if (bytes === undefined) return [];
      const flags = uint32Of(attributes.get(IFA_FLAGS)) ?? payload[2] ?? 0;
      return [
        {
          linkIndex: payload.readUInt32LE(4),
          address: `${addressText(bytes)}/${payload[1]}`,
          scope: scopes.get((payload[3] ?? 0) as 0) ?? "other",
          permanent: (flags & IFA_F_PERMANENT) !== 0,
          usable: (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0,
        },
      ];
    });
}

/** struct ifaddrmsg and the address itself */
function describe(index: number, cidr: string) {
  const { address, prefixLength } = parsePrefix(cidr);
  const bytes = addressBytes(address);
  const header = Buffer.alloc(ifaddrmsgBytes);
  header[0] = familyOf(address);
  header[1] = prefixLength;
  header.writeUInt32LE(index, 4);
  return { header, attributes: [attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)] };
}
