/** Classic BPF (the kernel's networking/filter.rst): one instruction is { u16 code; u8 ifTrue; u8 ifFalse; u32 k }. */
export type FilterInstruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

const loadByte = 0x30;
const loadHalf = 0x28;
const loadHalfAtX = 0x48;
const loadIpv4HeaderLength = 0xb1;
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
const wholeFrame = 0x40000;

/**
 * Lets through frames that the host sends out of the device, with UDP or TCP from one port, over IPv4 or IPv6. Of an IPv4
 * datagram in pieces the first; IPv6 with extension headers (which pieces have) not.
 */
export function sentFromPort(port: number): readonly FilterInstruction[] {
  return [
    [loadByte, 0, 0, packetType],
    [ifEqual, 0, 17, PACKET_OUTGOING],
    [loadHalf, 0, 0, 12],
    [ifEqual, 0, 8, ETH_P_IP],
    [loadHalf, 0, 0, 20],
    [ifAnyBit, 13, 0, 0x1fff],
    [loadByte, 0, 0, 23],
    [ifEqual, 1, 0, UDP],
    [ifEqual, 0, 10, TCP],
    [loadIpv4HeaderLength, 0, 0, 14],
    [loadHalfAtX, 0, 0, 14],
    [ifEqual, 6, 7, port],
    [ifEqual, 0, 6, ETH_P_IPV6],
    [loadByte, 0, 0, 20],
    [ifEqual, 1, 0, UDP],
    [ifEqual, 0, 3, TCP],
    [loadHalf, 0, 0, 54],
    [ifEqual, 0, 1, port],
    [give, 0, 0, wholeFrame],
    [give, 0, 0, 0],
  ];
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
