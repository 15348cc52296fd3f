import type { DnsFrame } from "./dns-frame.ts";

/** Puts DNS messages together that come by TCP (RFC 7766), of many connections. */
export interface TcpMessages {
  /** Takes a segment. @returns the messages that it completes */
  take(device: string, frame: DnsFrame): readonly Buffer[];
}

/** At once; the one that was silent longest makes room for another. */
const mostConnections = 64;

interface Connection {
  /** Sequence number of the byte that comes next. */
  next: number;
  gathered: Buffer;
}

/**
 * Only what arrives in order is read: of a connection with a gap the rest is let go, as is one whose beginning was not
 * seen. A message has 65,535 bytes at most, and so has what is kept of a connection.
 */
export function createTcpMessages(): TcpMessages {
  const connections = new Map<string, Connection>();

  return {
    take(device, { source, destination, destinationPort, payload, segment }) {
      if (segment === undefined) return [];
      const key = `${device} ${source} ${destination} ${destinationPort}`;
      if (segment.isFirst) {
        connections.delete(key);
        connections.set(key, { next: (segment.sequence + 1) >>> 0, gathered: Buffer.alloc(0) });
        if (connections.size > mostConnections) {
          const [oldest] = connections.keys();
          if (oldest !== undefined) connections.delete(oldest);
        }
        return [];
      }
      const connection = connections.get(key);
      if (connection === undefined) return [];
      connections.delete(key);
      // How much of the segment came before (it is sent again), or is missing before it (then it is huge).
      const known = (connection.next - segment.sequence) >>> 0;
      if (known > 0x7fffffff) return [];
      const fresh = payload.subarray(known);
      connection.next = (connection.next + fresh.length) >>> 0;
      // A copy, for the frame's memory is much larger.
      connection.gathered = Buffer.concat([connection.gathered, fresh]);
      if (!segment.isLast) connections.set(key, connection);
      return takeMessages(connection);
    },
  };
}

function takeMessages(connection: Connection): readonly Buffer[] {
  const messages: Buffer[] = [];
  let { gathered } = connection;
  while (gathered.length >= 2 && gathered.length >= 2 + gathered.readUInt16BE(0)) {
    const end = 2 + gathered.readUInt16BE(0);
    messages.push(gathered.subarray(2, end));
    gathered = gathered.subarray(end);
  }
  connection.gathered = messages.length === 0 ? gathered : Buffer.from(gathered);
  return messages;
}
