import { createSocket, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { plainAddress } from "./address.ts";
import { internetProtocol, openBoundSocket, openUnboundSocket, socketType } from "./libc.ts";
import { afterSilence, type ProbeRequest, type ProbeResult, readAnswer, repeatsMs, verdictOfError } from "./probe.ts";

function adopt(fd: number, address: string): Socket {
  return createSocket({ type: isIPv4(address) ? "udp4" : "udp6" }).bind({ fd });
}

/**
 * Sends a datagram and its repeats and waits for one answer.
 * @param read turns an answer into what is known of the peer, or undefined when it is no answer to this question
 */
export function askByDatagram(
  { namespace, to, port = 1, timeoutMs }: ProbeRequest,
  protocol: number,
  question: Buffer,
  read: (answer: Buffer) => Partial<ProbeResult> | undefined,
): Promise<ProbeResult> {
  let fd: number;
  try {
    fd = openUnboundSocket(namespace, to, socketType.datagram, protocol);
  } catch (error) {
    return Promise.resolve(verdictOfError(error));
  }
  return new Promise((resolve) => {
    const started = performance.now();
    const socket = adopt(fd, to);
    const timers: NodeJS.Timeout[] = [];
    const endWait = afterSilence(timeoutMs, () => finish({ verdict: "dropped" }));
    const finish = (result: ProbeResult) => {
      endWait();
      for (const timer of timers) clearTimeout(timer);
      timers.length = 0;
      socket.removeAllListeners("message");
      socket.close();
      resolve(result);
      finished = true;
    };
    let finished = false;
    const send = () => {
      if (finished) return;
      socket.send(question, (error) => {
        if (error && !finished) finish(verdictOfError(error));
      });
    };
    socket.on("error", (error) => {
      if (!finished) finish(verdictOfError(error));
    });
    socket.on("message", (answer) => {
      const known = finished ? undefined : read(answer);
      if (known !== undefined) finish({ verdict: "connected", ...known, rttMs: performance.now() - started });
    });
    socket.on("connect", () => {
      send();
      for (const afterMs of repeatsMs) if (afterMs < timeoutMs) timers.push(setTimeout(send, afterMs));
    });
    // Connected, so that ICMP errors come back to the socket.
    socket.connect(port, to);
  });
}

/** Asks the probe server at a UDP port; silence is `dropped`, a port-unreachable is `refused`. */
export function probeUdp(request: ProbeRequest): Promise<ProbeResult> {
  return askByDatagram(request, internetProtocol.default, Buffer.from("probe"), (answer) =>
    readAnswer(answer.toString()),
  );
}

export interface UdpServers {
  close(): void;
}

/** Answers each datagram with the server's identity and the source that it saw. */
export function serveUdp(
  namespace: string,
  identity: string,
  addresses: readonly string[],
  ports: readonly number[],
): UdpServers {
  const sockets = addresses.flatMap((address) =>
    ports.map((port) => {
      const fd = openBoundSocket(namespace, address, port, socketType.datagram);
      const socket = adopt(fd, address);
      socket.on("message", (_question, source) => {
        const answer = JSON.stringify({ peer: identity, sourceSeen: plainAddress(source.address) });
        // A client that is gone is no concern of the server's.
        socket.send(answer, source.port, source.address, () => undefined);
      });
      socket.on("error", () => undefined);
      return socket;
    }),
  );
  return {
    close() {
      for (const socket of sockets) socket.close();
    },
  };
}
