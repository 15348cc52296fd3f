import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** What a stream's payload is of its packets: the pods' MTU is 1400; TCP has timestamps; datagrams are of 1200 bytes. */
const packetShare = { tcp: 1400 / 1348, udp: 1228 / 1200 } as const;
const measuredMs = 2500;

export interface StreamInput {
  readonly protocol: "tcp" | "udp";
  /** Network namespaces, by their paths. */
  readonly from: string;
  readonly to: string;
  readonly address: string;
  /** Which UDP sends; TCP finds its own. */
  readonly kbps: number;
  readonly forMs?: number;
}

let nextPort = 7100;

function start(namespace: string, ...command: readonly (string | number)[]) {
  const child = spawn(
    "nsenter",
    [`--net=${namespace}`, process.execPath, join(import.meta.dirname, "stream-process.ts"), ...command.map(String)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  return { child, lines: linesOf(child.stdout), ended: once(child, "close") };
}

function linesOf(stdout: Readable): () => Promise<string> {
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the stream's end has ended");
    return String(value);
  };
}

async function end(process: { readonly child: ChildProcess; readonly ended: Promise<unknown> }): Promise<void> {
  process.child.kill("SIGKILL");
  await process.ended;
}

/** What arrives, in kbit/s of IP packets, once it is under way. */
export async function measureStream({
  protocol,
  from,
  to,
  address,
  kbps,
  forMs = measuredMs,
}: StreamInput): Promise<number> {
  const port = nextPort++;
  const receiver = start(to, "receive", protocol, port, forMs);
  try {
    await receiver.lines();
    const sender = start(from, "send", protocol, address, port, kbps);
    try {
      const [, rate] = (await receiver.lines()).split(" ");
      return Number(rate) * packetShare[protocol];
    } finally {
      await end(sender);
    }
  } finally {
    await end(receiver);
  }
}
