import { addressBytes } from "../../../node/netlink/index.ts";

/** Who floods: a port's own addresses, so that port security lets it, and a word by which its frames are known again. */
export interface Flooder {
  readonly tenant: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Addresses that nobody has, and nobody else asks for: the third byte of IPv4, the last group but one of IPv6. */
  readonly mark: number;
}

export const kinds = [
  "ARP",
  "neighbour discovery",
  "broadcast",
  "IPv4 multicast",
  "IPv6 multicast",
  "unknown unicast, IPv4",
  "unknown unicast, IPv6",
  "neither IP nor ARP",
] as const;
export type Kind = (typeof kinds)[number];

const broadcast = "ff:ff:ff:ff:ff:ff";
const nobody = "0a:66:66:66:66:66";
const ethernet = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd, experimental: 0x88b5 } as const;
const discard = 9;

const macBytes = (mac: string) => Buffer.from(mac.replaceAll(":", ""), "hex");
const word = (tenant: string, kind: Kind) => `flood of ${tenant}: ${kind};`;

function frame(to: string, from: string, type: number, ...payload: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(14);
  macBytes(to).copy(head, 0);
  macBytes(from).copy(head, 6);
  head.writeUInt16BE(type, 12);
  return Buffer.concat([head, ...payload]);
}

/** The ones' complement of the ones' complement sum (RFC 1071). */
function checksum(...parts: readonly Buffer[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function udp(payload: Buffer, from: Buffer, to: Buffer): Buffer {
  const datagram = Buffer.concat([Buffer.alloc(8), payload]);
  datagram.writeUInt16BE(discard, 0);
  datagram.writeUInt16BE(discard, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt16BE(datagram.length, 0);
  pseudo.writeUInt16BE(17, 2);
  datagram.writeUInt16BE(checksum(from, to, pseudo, datagram), 6);
  return datagram;
}

function ipv4(from: string, to: string, payload: Buffer): Buffer {
  const head = Buffer.alloc(20);
  const [source, destination] = [addressBytes(from), addressBytes(to)].map((bytes) => Buffer.from(bytes));
  const datagram = udp(payload, source ?? head, destination ?? head);
  head[0] = 0x45;
  head.writeUInt16BE(head.length + datagram.length, 2);
  head[8] = 8;
  head[9] = 17;
  source?.copy(head, 12);
  destination?.copy(head, 16);
  head.writeUInt16BE(checksum(head), 10);
  return Buffer.concat([head, datagram]);
}

function ipv6(from: string, to: string, nextHeader: number, hops: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(40);
  head[0] = 0x60;
  head.writeUInt16BE(payload.length, 4);
  head[6] = nextHeader;
  head[7] = hops;
  Buffer.from(addressBytes(from)).copy(head, 8);
  Buffer.from(addressBytes(to)).copy(head, 24);
  return Buffer.concat([head, payload]);
}

/** Frame number `turn` of a kind: each asks for, or goes to, another address that nobody has. */
export function floodFrame(kind: Kind, flooder: Flooder, turn: number): Buffer {
  const { tenant, mac, mark } = flooder;
  const last = turn % 256;
  const nobody4 = `10.10.${mark}.${last}`;
  const nobody6 = `fd10::${mark.toString(16)}:${last.toString(16)}`;
  const text = Buffer.from(word(tenant, kind));
  const datagram6 = (to: string) => udp(text, Buffer.from(addressBytes(flooder.ipv6)), Buffer.from(addressBytes(to)));
  switch (kind) {
    case "ARP": {
      const request = Buffer.alloc(46);
      Buffer.from("0001080006040001", "hex").copy(request, 0);
      macBytes(mac).copy(request, 8);
      Buffer.from(addressBytes(flooder.ipv4)).copy(request, 14);
      Buffer.from(addressBytes(nobody4)).copy(request, 24);
      return frame(broadcast, mac, ethernet.arp, request);
    }
    case "neighbour discovery": {
      // A neighbour solicitation with the sender's link-layer address (RFC 4861 section 4.3).
      const body = Buffer.alloc(32);
      body[0] = 135;
      const target = Buffer.from(addressBytes(nobody6));
      target.copy(body, 8);
      body[24] = 1;
      body[25] = 1;
      macBytes(mac).copy(body, 26);
      const group = `ff02::1:ff${target.subarray(13, 14).toString("hex")}:${target.subarray(14, 16).toString("hex")}`;
      const packet = ipv6(flooder.ipv6, group, 58, 255, body);
      const pseudo = Buffer.alloc(8);
      pseudo.writeUInt32BE(body.length, 0);
      pseudo[7] = 58;
      packet.writeUInt16BE(checksum(packet.subarray(8, 40), pseudo, body), 42);
      return frame(
        `33:33:ff:${target.subarray(13).toString("hex").match(/../g)?.join(":")}`,
        mac,
        ethernet.ipv6,
        packet,
      );
    }
    case "broadcast":
      return frame(broadcast, mac, ethernet.ipv4, ipv4(flooder.ipv4, "10.10.255.255", text));
    case "IPv4 multicast":
      return frame("01:00:5e:01:02:03", mac, ethernet.ipv4, ipv4(flooder.ipv4, "239.1.2.3", text));
    case "IPv6 multicast":
      return frame(
        "33:33:00:01:02:03",
        mac,
        ethernet.ipv6,
        ipv6(flooder.ipv6, "ff05::1:203", 17, 8, datagram6("ff05::1:203")),
      );
    case "unknown unicast, IPv4":
      return frame(nobody, mac, ethernet.ipv4, ipv4(flooder.ipv4, nobody4, text));
    case "unknown unicast, IPv6":
      return frame(nobody, mac, ethernet.ipv6, ipv6(flooder.ipv6, nobody6, 17, 8, datagram6(nobody6)));
    case "neither IP nor ARP":
      return frame(broadcast, mac, ethernet.experimental, text, Buffer.alloc(32));
  }
}

/** Of which flood a frame is, wherever it was seen; undefined of none. */
export function floodOf(
  bytes: Buffer,
  flooders: readonly Flooder[],
): { readonly tenant: string; readonly kind: Kind } | undefined {
  const text = bytes.toString("latin1");
  for (const { tenant, mark } of flooders) {
    const kind = kinds.find((one) => text.includes(word(tenant, one)));
    if (kind !== undefined) return { tenant, kind };
    if (bytes.readUInt16BE(12) === ethernet.arp && bytes.subarray(38, 41).equals(Buffer.from([10, 10, mark])))
      return { tenant, kind: "ARP" };
    if (bytes.indexOf(Buffer.from(addressBytes(`fd10::${mark.toString(16)}:0`)).subarray(0, 14), 54) >= 0)
      return { tenant, kind: "neighbour discovery" };
  }
  return undefined;
}
