import { createSocket } from "node:dgram";
import { isIP } from "node:net";

/** Hands a query on as it is, and the answer back. Undefined when there is none. */
export type Forward = (query: Buffer) => Promise<Buffer | undefined>;

const patienceMs = 2_000;
/** Queries that wait for an answer at once; others are not handed on. */
const mostWaiting = 256;

/** Asks another server by UDP. Where nobody listens that is known at once. */
export function createForwarder(address: string, port: number): Forward {
  let waiting = 0;
  return async (query) => {
    if (waiting >= mostWaiting) return undefined;
    waiting += 1;
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    try {
      return await new Promise<Buffer | undefined>((resolve) => {
        const timer = setTimeout(() => resolve(undefined), patienceMs);
        const end = (answer?: Buffer) => {
          clearTimeout(timer);
          resolve(answer);
        };
        socket.on("error", () => end());
        socket.on("message", (answer) => {
          if (answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0)) end(answer);
        });
        socket.connect(port, address, () => socket.send(query));
      });
    } finally {
      socket.close();
      waiting -= 1;
    }
  };
}
