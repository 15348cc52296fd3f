/** What a node tells the others of itself, four times a second. */
export interface Heartbeat {
  /** Name of the node that sends it. */
  readonly node: string;
  /**
   * `settled`: takes addresses. `joining`: takes those only that no settled node can take. `leaving`: takes none, and will
   * not be heard of again.
   */
  readonly phase: Phase;
  /** Made by chance when the agent starts: numbers of two lives are not to be compared. */
  readonly life: bigint;
  /** Grows by one; a datagram that was overtaken by a later one tells nothing. */
  readonly sequence: number;
}
export const phases = ["joining", "settled", "leaving"] as const;
export type Phase = (typeof phases)[number];

const magic = Buffer.from("OVBD");
const version = 1;
const headerBytes = 20;
/** Longest name of a Kubernetes node (RFC 1123 subdomain). */
const nameBytes = 253;

/**
 * As it stands on the wire, integers in network byte order:
 *
 *     0 "OVBD"   4 version   5 phase   6 zero (2)   8 life (8)   16 sequence (4)   20 node name, UTF-8, to the end
 */
export function encodeHeartbeat({ node, phase, life, sequence }: Heartbeat): Buffer {
  const datagram = Buffer.alloc(headerBytes + Buffer.byteLength(node));
  magic.copy(datagram);
  datagram[4] = version;
  datagram[5] = phases.indexOf(phase);
  datagram.writeBigUInt64BE(life, 8);
  datagram.writeUInt32BE(sequence >>> 0, 16);
  datagram.write(node, headerBytes);
  return datagram;
}

/** @returns undefined for what is no heartbeat, or one of a version that is not known */
export function decodeHeartbeat(datagram: Buffer): Heartbeat | undefined {
  if (datagram.length <= headerBytes || datagram.length > headerBytes + nameBytes) return undefined;
  const phase = phases[datagram[5] ?? phases.length];
  if (!datagram.subarray(0, 4).equals(magic) || datagram[4] !== version || phase === undefined) return undefined;
  return {
    node: datagram.toString("utf8", headerBytes),
    phase,
    life: datagram.readBigUInt64BE(8),
    sequence: datagram.readUInt32BE(16),
  };
}
