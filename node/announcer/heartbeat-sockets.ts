import { createSocket, type Socket } from "node:dgram";
import { isIP } from "node:net";
import type { Logger } from "../logger.ts";
import { canonicalAddress } from "../services/index.ts";

/** UDP sockets on the node's own addresses, one per family, which send from and hear on one and the same port. */
export interface HeartbeatSockets {
  /** Opens a socket on each of these addresses, and closes those on others. One that can't be opened is tried anew by the next call. */
  listenOn(addresses: readonly string[]): void;
  /** Sends to the peer's address by the socket of its family; what can't be sent is lost, as any datagram may be. */
  send(datagram: Buffer, address: string): void;
  /** Resolves when what was sent has left. */
  close(): Promise<void>;
}

/**
 * @param options.port on which all nodes hear, and from which they send: what comes from another one is no node's agent
 *   but perhaps a pod behind its node's address
 * @param options.receive what came from `address`, port checked, in canonical spelling
 */
export function createHeartbeatSockets(options: {
  readonly port: number;
  readonly receive: (datagram: Buffer, address: string) => void;
  readonly logger: Logger;
}): HeartbeatSockets {
  const { port, receive, logger } = options;
  const sockets = new Map<string, { readonly socket: Socket; bound: boolean }>();
  const complained = new Set<string>();
  let sending = 0;
  let drained: (() => void) | undefined;

  function open(address: string): void {
    const socket = createSocket({ type: isIP(address) === 6 ? "udp6" : "udp4", ipv6Only: isIP(address) === 6 });
    const entry = { socket, bound: false };
    sockets.set(address, entry);
    socket.on("message", (datagram, from) => {
      const source = canonicalAddress(from.address);
      if (from.port === port && source !== undefined) receive(datagram, source);
    });
    socket.on("listening", () => {
      entry.bound = true;
      complained.delete(address);
    });
    socket.on("error", (error) => {
      socket.close();
      if (sockets.get(address) === entry) sockets.delete(address);
      if (complained.has(address)) return;
      complained.add(address);
      logger.warn({ address, port, err: error }, "heartbeats can't be heard on an address of the node yet");
    });
    socket.bind({ port, address, exclusive: true });
  }

  return {
    listenOn(addresses) {
      for (const [address, { socket }] of sockets) {
        if (addresses.includes(address)) continue;
        sockets.delete(address);
        socket.close();
      }
      for (const address of complained) if (!addresses.includes(address)) complained.delete(address);
      for (const address of addresses) if (!sockets.has(address)) open(address);
    },
    send(datagram, address) {
      const family = isIP(address);
      for (const [own, { socket, bound }] of sockets) {
        if (isIP(own) !== family || !bound) continue;
        sending += 1;
        // A peer that can't be reached is found out by its silence.
        socket.send(datagram, port, address, () => {
          sending -= 1;
          if (sending === 0) drained?.();
        });
        return;
      }
    },
    async close() {
      if (sending > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
        });
      }
      for (const { socket } of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}
