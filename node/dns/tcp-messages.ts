import type { DnsFrame } from "./dns-frame.ts";

/** Puts DNS messages together that a pod gets by TCP (RFC 7766), over the connections that it has opened. */
export interface TcpMessages {
  /** Takes the first segment of who opens a connection. */
  open(frame: DnsFrame): void;
  /** Takes a segment of the server's. @returns the messages that it completes; undefined when the pod has not opened the connection */
  take(frame: DnsFrame): readonly Buffer[] | undefined;
}

/** Of one pod at once; the one that was silent longest makes room for another. */
const mostConnections = 32;

type Connection =
  /** The server has not answered yet; it has to acknowledge what the pod's first segment said. */
  | { readonly kind: "opening"; readonly acknowledges: number }
  | {
      readonly kind: "open";
      /** Sequence number of the byte that comes next. */
      next: number;
      gathered: Buffer;
    };

/**
 * Only what arrives in order is read: of a connection with a gap the rest is let go, as is one whose beginning was not
 * seen. A message has 65,535 bytes at most, and so has what is kept of a connection.
 */
export function createTcpMessages(): TcpMessages {
  const connections = new Map<string, Connection>();

  /** As the one that was heard last. */
  function keep(key: string, connection: Connection): void {
    connections.delete(key);
    connections.set(key, connection);
    if (connections.size <= mostConnections) return;
    const [oldest] = connections.keys();
    if (oldest !== undefined) connections.delete(oldest);
  }

  return {
    open({ source, sourcePort, destination, segment }) {
      if (segment === undefined || !segment.isFirst || segment.acknowledges !== undefined) return;
      const acknowledges = (segment.sequence + 1) >>> 0;
      keep(`${destination} ${source} ${sourcePort}`, { kind: "opening", acknowledges });
    },
    take({ source, destination, destinationPort, payload, segment }) {
      const key = `${source} ${destination} ${destinationPort}`;
      const connection = connections.get(key);
      if (segment === undefined || connection === undefined) return undefined;
      if (connection.kind === "opening") {
        // Others don't know the pod's number.
        if (!segment.isFirst || segment.acknowledges !== connection.acknowledges) return undefined;
        keep(key, { kind: "open", next: (segment.sequence + 1) >>> 0, gathered: Buffer.alloc(0) });
        return [];
      }
      // How much of the segment came before (it is sent again), or is missing before it (then it is huge).
      const known = (connection.next - segment.sequence) >>> 0;
      if (segment.isFirst) return [];
      if (known > 0x7fffffff) {
        connections.delete(key);
        return [];
      }
      const fresh = payload.subarray(known);
      connection.next = (connection.next + fresh.length) >>> 0;
      // A copy, for the frame's memory is much larger.
      connection.gathered = Buffer.concat([connection.gathered, fresh]);
      if (segment.isLast) connections.delete(key);
      else keep(key, connection);
      return takeMessages(connection);
    },
  };
}

function takeMessages(connection: Connection & { readonly kind: "open" }): readonly Buffer[] {
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
