import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

/**
 * One end of a stream, in the network namespace that it was started in: `receive tcp|udp PORT MILLISECONDS` says what came per
 * second, in kbit/s of payload, once it has listened so long after the first byte and the start-up that it leaves out;
 * `send tcp|udp ADDRESS PORT KBPS` sends until it is ended, TCP as fast as it can.
 */

/** TCP finds its rate; a token bucket is full at first. */
const startUpMs = 1000;
const datagramBytes = 1200;
const tickMs = 5;
/** One alone takes long to find its rate again once it has lost something on a busy machine. */
const connections = 4;

const [role = "", protocol = "", ...rest] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);

function receive(port: number, forMs: number): void {
  let [since, bytes] = [0, 0];
  const count = (length: number) => {
    const now = performance.now();
    if (since === 0) {
      since = now;
      setTimeout(() => {
        const measured = performance.now();
        bytes = 0;
        setTimeout(() => {
          say(`rate ${Math.round((bytes * 8) / (performance.now() - measured))}`);
          process.exit(0);
        }, forMs);
      }, startUpMs);
    }
    bytes += length;
  };
  if (protocol === "tcp") {
    const server = createServer((socket) => socket.on("data", ({ length }) => count(length)).on("error", () => {}));
    server.listen(port, "::", () => say("listening"));
  } else {
    const socket = createSocket({ type: "udp6", recvBufferSize: 1 << 21 });
    socket.on("message", ({ length }) => count(length));
    socket.bind(port, "::", () => say("listening"));
  }
}

function send(address: string, port: number, kbps: number): void {
  if (protocol === "tcp") {
    const block = Buffer.alloc(65_536);
    for (let connection = 0; connection < connections; connection++) {
      const socket = connect({ host: address, port });
      const fill = () => {
        while (socket.write(block));
      };
      socket.on("connect", fill);
      socket.on("drain", fill);
      socket.on("error", () => process.exit(1));
    }
    return;
  }
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  // It may be all of a network that is spoken to.
  socket.bind(0, () => socket.setBroadcast(true));
  const datagram = Buffer.alloc(datagramBytes);
  const started = performance.now();
  let sent = 0;
  setInterval(() => {
    const due = ((performance.now() - started) * kbps) / 8 / datagramBytes;
    for (; sent < due; sent++) socket.send(datagram, port, address);
  }, tickMs);
}

if (role === "receive") receive(Number(rest[0]), Number(rest[1]));
else send(rest[0] ?? "", Number(rest[1]), Number(rest[2] ?? 0));
