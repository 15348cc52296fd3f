import { createSocket } from "node:dgram";
import { createServer, isIP, type Socket } from "node:net";
import type { Forward } from "./forwarder.ts";
import { readQuestion, responseCode, writeAnswer } from "./message.ts";
import { clusterDomain, type Names } from "./names.ts";

const tcpLimitBytes = 65_535;
/** Bound on what a connection may say before its first question is whole, and on how long it may be silent. */
const idleMs = 10_000;
const standardQuery = 0;

async function respond(
  names: Names,
  message: Buffer,
  limit: (udpBytes: number) => number,
  forward: Forward | undefined,
): Promise<Buffer | undefined> {
  const question = readQuestion(message);
  if (question === undefined) return undefined;
  const opcode = (question.flags >> 11) & 15;
  const { code, records } =
    opcode === standardQuery ? names.answer(question) : { code: responseCode.notImplemented, records: [] };
  if (code === responseCode.refused && forward !== undefined) {
    const answer = await forward(message);
    if (answer !== undefined && answer.length <= limit(question.udpBytes)) return answer;
  }
  return writeAnswer(question, code, records, limit(question.udpBytes), clusterDomain);
}

/**
 * Serves names on port `port` of an address, by UDP and TCP (RFC 7766). Resolves when both listen.
 * @param forward who is asked for names that are none of these
 */
export async function serveNames(
  names: Names,
  address: string,
  port: number,
  forward?: Forward,
): Promise<{ close(): void }> {
  const udp = isIP(address) === 6 ? createSocket({ type: "udp6", ipv6Only: true }) : createSocket("udp4");
  let open = true;
  udp.on("message", async (message, from) => {
    const answer = await respond(names, message, (udpBytes) => udpBytes, forward);
    // Who has asked may be gone.
    if (answer !== undefined && open) udp.send(answer, from.port, from.address, () => undefined);
  });
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(idleMs, () => socket.destroy());
    let received = Buffer.alloc(0);
    /** Answers go out one after another, in the order of their questions. */
    let answered = Promise.resolve();
    const answerNext = async (message: Buffer) => {
      const answer = await respond(names, message, () => tcpLimitBytes, forward);
      if (answer === undefined || socket.destroyed) return void socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    };
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const message = received.subarray(2, end);
        answered = answered.then(() => answerNext(message));
        received = received.subarray(end);
      }
    });
  });
  await Promise.all([
    new Promise<void>((resolve, reject) => {
      udp.once("error", reject);
      udp.bind(port, address, resolve);
    }),
    new Promise<void>((resolve, reject) => {
      tcp.once("error", reject);
      tcp.listen(port, address, resolve);
    }),
  ]);
  return {
    close() {
      open = false;
      udp.close();
      tcp.close();
      for (const connection of connections) connection.destroy();
    },
  };
}
