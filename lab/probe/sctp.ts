import { randomInt } from "node:crypto";
import { isIPv4 } from "node:net";
import { internetProtocol, openConnectingSocket, openRawSocket, SystemCallError, socketType } from "./libc.ts";
import { afterSilence, type ProbeRequest, type ProbeResult, readAnswer, repeatsMs, verdictOfError } from "./probe.ts";
import type { ProbeServers } from "./prober.ts";
import { createRawSockets, sendRaw } from "./raw-socket.ts";
import {
  chunkType,
  cookieOf,
  decodeSctp,
  encodeSctp,
  initiateTagOf,
  initValue,
  type SctpPacket,
} from "./sctp-packet.ts";

export interface SctpEndpoints {
  serve(namespace: string, identity: string, addresses: readonly string[], ports: readonly number[]): ProbeServers;
  probe(request: ProbeRequest): Promise<ProbeResult>;
  close(): void;
}

/** A raw IPv4 socket delivers the IP header too, a raw IPv6 socket doesn't. */
function withoutIpHeader(bytes: Buffer, family: "v4" | "v6"): Buffer {
  return family === "v4" && bytes.length > 0 ? bytes.subarray((bytes.readUInt8(0) & 0xf) * 4) : bytes;
}

/**
 * SCTP without SCTP in the kernel: INIT chunks over raw sockets, answered by INIT ACK where a port is served and by
 * ABORT where none is.
 */
export function createSctpEndpoints(): SctpEndpoints {
  const sockets = createRawSockets();

  function answer(packet: SctpPacket, ports: ReadonlySet<number>, identity: string, source: string): Buffer {
    const open = ports.has(packet.destinationPort);
    return encodeSctp({
      sourcePort: packet.destinationPort,
      destinationPort: packet.sourcePort,
      verificationTag: initiateTagOf(packet.chunkValue),
      chunkType: open ? chunkType.initAck : chunkType.abort,
      chunkValue: open
        ? initValue(randomInt(1, 0xffffffff), JSON.stringify({ peer: identity, sourceSeen: source }))
        : Buffer.alloc(0),
    });
  }

  function serve(namespace: string, identity: string, addresses: readonly string[], ports: readonly number[]) {
    const served = new Set(ports);
    const opened: number[] = [];
    for (const address of addresses) {
      const family = isIPv4(address) ? "v4" : "v6";
      const fd = openRawSocket(namespace, address, internetProtocol.sctp);
      opened.push(fd);
      sockets.add(fd, {
        packet(bytes, source) {
          const packet = decodeSctp(withoutIpHeader(bytes, family));
          if (packet?.chunkType !== chunkType.init) return;
          try {
            sendRaw(fd, answer(packet, served, identity, source), source);
          } catch (error) {
            // The way back may be gone with its client; the next packet is another matter.
            if (!(error instanceof SystemCallError)) throw error;
          }
        },
        // An ICMP error about an answer of ours; nobody waits for it.
        error: () => undefined,
      });
    }
    return {
      close() {
        for (const fd of opened) sockets.remove(fd);
      },
    };
  }

  function probe({ namespace, to, port = 0, timeoutMs }: ProbeRequest): Promise<ProbeResult> {
    const family = isIPv4(to) ? "v4" : "v6";
    let fd: number;
    try {
      fd = openConnectingSocket(namespace, to, 0, socketType.raw, internetProtocol.sctp);
    } catch (error) {
      return Promise.resolve(verdictOfError(error));
    }
    const tag = randomInt(1, 0xffffffff);
    const sourcePort = randomInt(32_768, 61_000);
    const question = encodeSctp({
      sourcePort,
      destinationPort: port,
      verificationTag: 0,
      chunkType: chunkType.init,
      chunkValue: initValue(tag),
    });
    return new Promise((resolve) => {
      const started = performance.now();
      const timers: NodeJS.Timeout[] = [];
      const endWait = afterSilence(timeoutMs, () => finish({ verdict: "dropped" }));
      const finish = (result: ProbeResult) => {
        endWait();
        for (const timer of timers) clearTimeout(timer);
        sockets.remove(fd);
        resolve(result);
      };
      const send = () => {
        try {
          sendRaw(fd, question, to);
        } catch (error) {
          finish(verdictOfError(error));
        }
      };
      sockets.add(fd, {
        packet(bytes) {
          const packet = decodeSctp(withoutIpHeader(bytes, family));
          if (packet?.destinationPort !== sourcePort || packet.verificationTag !== tag) return;
          if (packet.chunkType === chunkType.abort) finish({ verdict: "refused" });
          if (packet.chunkType !== chunkType.initAck) return;
          const rttMs = performance.now() - started;
          finish({ verdict: "connected", ...readAnswer(cookieOf(packet.chunkValue)), rttMs });
        },
        error: (error) => finish(verdictOfError(error)),
      });
      for (const afterMs of repeatsMs) if (afterMs < timeoutMs) timers.push(setTimeout(send, afterMs));
      send();
    });
  }

  return { serve, probe, close: () => sockets.close() };
}
