import { NetlinkError } from "./error.ts";
import { closeDescriptor, openDescriptor } from "./libc.ts";
import {
  type Attribute,
  attribute,
  attributesOf,
  macBytes,
  macText,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  nested,
  type ReceivedMessage,
  text,
  textOf,
  uint32,
  uint32Of,
} from "./message.ts";
import { openRouteSocket, type RouteSocket } from "./socket.ts";

/** rtnetlink(7), linux/if_link.h */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;
const IFF_LOOPBACK = 8;
const ifinfomsgBytes = 16;
const operStates = ["unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up"] as const;

/** A network interface of one namespace. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: string | undefined;
  readonly mtuBytes: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  readonly loopback: boolean;
  readonly operState: (typeof operStates)[number];
  /** `veth`, `tun`, `bridge`, …; undefined for a physical device. */
  readonly kind: string | undefined;
  readonly alias: string | undefined;
  /** The other end's index (in its own namespace) of a veth, the lower device of a VLAN or macvlan. */
  readonly peerIndex: number | undefined;
  /** The bridge, bond or VRF that it is a port of. */
  readonly masterIndex: number | undefined;
}

export interface VethEnd {
  readonly name: string;
  readonly mtuBytes: number;
  readonly mac?: string;
}

/**
 * Makes a veth pair in one request: one end in the socket's namespace, the other at once in the namespace given, under
 * its final name. Both are down.
 * @throws {NetlinkError} EEXIST when one of the names is taken
 */
export function createVeth(socket: RouteSocket, end: VethEnd, peer: VethEnd & { readonly namespace: string }): void {
  const operation = `create the veth pair ${end.name} and ${peer.name}`;
  const namespace = openDescriptor(operation, peer.namespace);
  try {
    const peerInfo = Buffer.concat([linkHeader(0), ...endAttributes(peer), uint32(IFLA_NET_NS_FD, namespace)]);
    socket.request(
      operation,
      message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, linkHeader(0), [
        ...endAttributes(end),
        nested(IFLA_LINKINFO, [
          text(IFLA_INFO_KIND, "veth"),
          nested(IFLA_INFO_DATA, [attribute(VETH_INFO_PEER, peerInfo)]),
        ]),
      ]),
    );
  } finally {
    closeDescriptor(namespace);
  }
}

/**
 * Removes a link; a veth takes its other end with it.
 * @throws {NetlinkError} ENODEV when there is none of that name
 */
export function deleteLink(socket: RouteSocket, name: string): void {
  socket.request(`delete the link ${name}`, deletion(name));
}

/**
 * As {@link deleteLink}, without standing still for the 15 to 30 ms in which the kernel waits for the link's last users.
 * @param namespace where the link is; the own namespace when undefined
 */
export async function deleteLinkInBackground(namespace: string | undefined, name: string): Promise<void> {
  using socket = openRouteSocket(namespace);
  await socket.requestInBackground(`delete the link ${name}`, deletion(name));
}

const deletion = (name: string): Buffer =>
  message(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, linkHeader(0), [text(IFLA_IFNAME, name)]);

export interface LinkChanges {
  readonly up?: boolean;
  readonly mtuBytes?: number;
  readonly mac?: string;
  readonly alias?: string;
  readonly newName?: string;
  /** Moves it into this namespace (a namespace file). */
  readonly namespace?: string;
}

/**
 * Changes a link.
 * @throws {NetlinkError} ENODEV no such link, EEXIST `newName` is taken, EINVAL an MTU that it can't have
 */
export function setLink(socket: RouteSocket, name: string, changes: LinkChanges): void {
  const operation = `change the link ${name}`;
  const namespace = changes.namespace === undefined ? undefined : openDescriptor(operation, changes.namespace);
  try {
    const attributes: Attribute[] = [];
    if (changes.mtuBytes !== undefined) attributes.push(uint32(IFLA_MTU, changes.mtuBytes));
    if (changes.mac !== undefined) attributes.push(attribute(IFLA_ADDRESS, macBytes(changes.mac)));
    if (changes.alias !== undefined) attributes.push(text(IFLA_IFALIAS, changes.alias));
    if (namespace !== undefined) attributes.push(uint32(IFLA_NET_NS_FD, namespace));
    // A name in the message selects the link when the index is 0; to rename, the index has to select it.
    attributes.push(text(IFLA_IFNAME, changes.newName ?? name));
    const index = changes.newName === undefined ? 0 : linkIndex(socket, name);
    const header = linkHeader(
      index,
      changes.up === undefined ? 0 : changes.up ? IFF_UP : 0,
      changes.up === undefined ? 0 : IFF_UP,
    );
    socket.request(operation, message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, header, attributes));
  } finally {
    if (namespace !== undefined) closeDescriptor(namespace);
  }
}

/** The link of that name, or undefined. */
export function getLink(socket: RouteSocket, name: string): Link | undefined {
  try {
    const [answer] = socket.request(
      `look up the link ${name}`,
      message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, linkHeader(0), [text(IFLA_IFNAME, name)]),
    );
    return answer === undefined ? undefined : linkOf(answer);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENODEV") return undefined;
    throw error;
  }
}

/** A link's index. @throws {NetlinkError} ENODEV when there is none of that name */
export function linkIndex(socket: RouteSocket, name: string): number {
  const link = getLink(socket, name);
  if (link === undefined) throw new NetlinkError(`look up the link ${name}`, "ENODEV");
  return link.index;
}

/** All links of the socket's namespace. */
export function listLinks(socket: RouteSocket): readonly Link[] {
  return socket
    .dump("list links", message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, linkHeader(0), []))
    .filter((answer) => answer.type === RTM_NEWLINK)
    .map(linkOf);
}

function endAttributes(end: VethEnd): Attribute[] {
  return [
    text(IFLA_IFNAME, end.name),
    uint32(IFLA_MTU, end.mtuBytes),
    ...(end.mac === undefined ? [] : [attribute(IFLA_ADDRESS, macBytes(end.mac))]),
  ];
}

/** struct ifinfomsg */
function linkHeader(index: number, flags = 0, changed = 0): Buffer {
  const header = Buffer.alloc(ifinfomsgBytes);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(changed, 12);
  return header;
}

function linkOf(answer: ReceivedMessage): Link {
  const attributes = attributesOf(answer.payload, ifinfomsgBytes);
  const flags = answer.payload.readUInt32LE(8);
  const info = attributes.get(IFLA_LINKINFO);
  const mac = attributes.get(IFLA_ADDRESS);
  return {
    index: answer.payload.readInt32LE(4),
    name: textOf(attributes.get(IFLA_IFNAME)) ?? "",
    mac: mac?.length === 6 ? macText(mac) : undefined,
    mtuBytes: uint32Of(attributes.get(IFLA_MTU)) ?? 0,
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    operState: operStates[attributes.get(IFLA_OPERSTATE)?.[0] ?? 0] ?? "unknown",
    kind: info === undefined ? undefined : textOf(attributesOf(info, 0).get(IFLA_INFO_KIND)),
    alias: textOf(attributes.get(IFLA_IFALIAS)),
    peerIndex: uint32Of(attributes.get(IFLA_LINK)),
    masterIndex: uint32Of(attributes.get(IFLA_MASTER)),
  };
}
