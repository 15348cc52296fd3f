import { createSocket } from "node:dgram";
import { createServer, isIP, type Socket } from "node:net";
import { readQuestion, responseCode, writeAnswer } from "./message.ts";
import { clusterDomain, type Names } from "./names.ts";

const tcpLimitBytes = 65_535;
/** Bound on what a connection may say before its first question is whole, and on how long it may be silent. */
const idleMs = 10_000;
const standardQuery = 0;

function respond(names: Names, message: Buffer, limit: (udpBytes: number) => number): Buffer | undefined {
  const question = readQuestion(message);
  if (question === undefined) return undefined;
  const opcode = (question.flags >> 11) & 15;
  const { code, records } =
    opcode === standardQuery ? names.answer(question) : { code: responseCode.notImplemented, records: [] };
  return writeAnswer(question, code, records, limit(question.udpBytes), clusterDomain);
}

/** Serves names on port `port` of an address, by UDP and TCP (RFC 7766). Resolves when both listen. */
export async function serveNames(names: Names, address: string, port: number): Promise<{ close(): void }> {
  const udp = isIP(address) === 6 ? createSocket({ type: "udp6", ipv6Only: true }) : createSocket("udp4");
  udp.on("message", (message, from) => {
    const answer = respond(names, message, (udpBytes) => udpBytes);
    // Who has asked may be gone.
    if (answer !== undefined) udp.send(answer, from.port, from.address, () => undefined);
  });
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(idleMs, () => socket.destroy());
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const answer = respond(names, received.subarray(2, end), () => tcpLimitBytes);
        received = received.subarray(end);
        if (answer === undefined) return void socket.destroy();
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, answer]));
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
      udp.close();
      tcp.close();
      for (const connection of connections) connection.destroy();
    },
  };
}
