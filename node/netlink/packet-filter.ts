import { addressBytes } from "./message.ts";

/** Classic BPF (the kernel's networking/filter.rst): one instruction is { u16 code; u8 ifTrue; u8 ifFalse; u32 k }. */
export type FilterInstruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

const loadByte = 0x30;
const loadHalf = 0x28;
const loadWord = 0x20;
const loadByteAtX = 0x50;
const loadHalfAtX = 0x48;
const loadIpv4HeaderLength = 0xb1;
const jump = 0x05;
const ifEqual = 0x15;
const ifAnyBit = 0x45;
const give = 0x06;

/** Where the kernel shows what it knows of a packet: SKF_AD_OFF + SKF_AD_PKTTYPE. */
const packetType = 0xfffff000 + 4;
const PACKET_OUTGOING = 4;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const SYN = 2;
const wholeFrame = 0x40000;

const etherHeaderBytes = 14;
const ipv6HeaderBytes = 40;
const tcpFlagsAt = 13;

const accept: FilterInstruction = [give, 0, 0, wholeFrame];
const drop: FilterInstruction = [give, 0, 0, 0];

/** Addresses that a filter takes: the kernel takes 4,096 instructions, and one address has two times nine at most. */
export const mostFilterAddresses = 128;

/** Which end of a frame is the server's: it sends it, or is sent it. */
type ServerIs = "source" | "destination";

/**
 * Lets frames through that are between a server's port, by UDP or TCP over IPv4 or IPv6, and who is behind the device:
 * what the host sends out of the device from one of these addresses, all of it; of what comes in for one of them the
 * datagrams, and of TCP what begins a connection. Of an IPv4 datagram in pieces the first; IPv6 with extension headers
 * (which pieces have) not.
 * @param addresses canonical; those after the first 128 count for nothing
 */
export function betweenServers(port: number, addresses: readonly string[]): readonly FilterInstruction[] {
  const bytes = addresses.slice(0, mostFilterAddresses).map((address) => addressBytes(address));
  const answers = serverFilter("source", port, bytes);
  return [
    [loadByte, 0, 0, packetType],
    [ifEqual, 1, 0, PACKET_OUTGOING],
    [jump, 0, 0, answers.length],
    ...answers,
    ...serverFilter("destination", port, bytes),
  ];
}

function serverFilter(server: ServerIs, port: number, addresses: readonly Buffer[]): readonly FilterInstruction[] {
  const ipv4 = ipv4Filter(
    server,
    port,
    addresses.filter(({ length }) => length === 4),
  );
  const ipv6 = ipv6Filter(
    server,
    port,
    addresses.filter(({ length }) => length === 16),
  );
  return [
    [loadHalf, 0, 0, 12],
    [ifEqual, 1, 0, ETH_P_IP],
    [jump, 0, 0, ipv4.length],
    ...ipv4,
    [ifEqual, 1, 0, ETH_P_IPV6],
    drop,
    ...ipv6,
  ];
}

function ipv4Filter(server: ServerIs, port: number, addresses: readonly Buffer[]): readonly FilterInstruction[] {
  const isSource = server === "source";
  return [
    [loadHalf, 0, 0, etherHeaderBytes + 6],
    [ifAnyBit, 0, 1, 0x1fff],
    drop,
    ...udpOrTcp(etherHeaderBytes + 9),
    [loadIpv4HeaderLength, 0, 0, etherHeaderBytes],
    [loadHalfAtX, 0, 0, etherHeaderBytes + (isSource ? 0 : 2)],
    [ifEqual, 1, 0, port],
    drop,
    ...(isSource ? [] : beginsWhereTcp(etherHeaderBytes + 9, [loadByteAtX, 0, 0, etherHeaderBytes + tcpFlagsAt])),
    ...oneOf(addresses, etherHeaderBytes + (isSource ? 12 : 16)),
  ];
}

function ipv6Filter(server: ServerIs, port: number, addresses: readonly Buffer[]): readonly FilterInstruction[] {
  const isSource = server === "source";
  const transport = etherHeaderBytes + ipv6HeaderBytes;
  return [
    ...udpOrTcp(etherHeaderBytes + 6),
    [loadHalf, 0, 0, transport + (isSource ? 0 : 2)],
    [ifEqual, 1, 0, port],
    drop,
    ...(isSource ? [] : beginsWhereTcp(etherHeaderBytes + 6, [loadByte, 0, 0, transport + tcpFlagsAt])),
    ...oneOf(addresses, etherHeaderBytes + (isSource ? 8 : 24)),
  ];
}

/** Goes on for these protocols. */
function udpOrTcp(protocolAt: number): readonly FilterInstruction[] {
  return [[loadByte, 0, 0, protocolAt], [ifEqual, 2, 0, UDP], [ifEqual, 1, 0, TCP], drop];
}

/** Of TCP goes on for what begins a connection. */
function beginsWhereTcp(protocolAt: number, loadFlags: FilterInstruction): readonly FilterInstruction[] {
  return [[loadByte, 0, 0, protocolAt], [ifEqual, 3, 0, UDP], loadFlags, [ifAnyBit, 1, 0, SYN], drop];
}

/** Accepts where the address is one of these, else drops. */
function oneOf(addresses: readonly Buffer[], at: number): readonly FilterInstruction[] {
  const found = addresses.flatMap((address): readonly FilterInstruction[] => {
    const words = Array.from({ length: address.length / 4 }, (_, word) => address.readUInt32BE(word * 4));
    const compare = words.flatMap((value, word): readonly FilterInstruction[] => [
      [loadWord, 0, 0, at + word * 4],
      // To what is behind the acceptance.
      [ifEqual, 0, (words.length - 1 - word) * 2 + 1, value],
    ]);
    return [...compare, accept];
  });
  return [...found, drop];
}

/** The instructions as the kernel takes them. */
export function filterBytes(filter: readonly FilterInstruction[]): Buffer {
  const bytes = Buffer.alloc(filter.length * 8);
  for (const [index, [code, ifTrue, ifFalse, k]] of filter.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}
