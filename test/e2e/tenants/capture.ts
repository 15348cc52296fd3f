import { spawn } from "node:child_process";
import { once } from "node:events";
import { systemPath } from "../../../lab/topology/run.ts";

export interface FrameCapture {
  /** @returns the frames that were seen, in order. @throws Error when the kernel had to leave some out */
  stop(): Promise<readonly Buffer[]>;
}

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;

/** Reads a file of pcap(5) in this machine's byte order. */
function framesIn(file: Buffer): readonly Buffer[] {
  const frames: Buffer[] = [];
  for (let at = fileHeaderBytes; at + recordHeaderBytes <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const from = at + recordHeaderBytes;
    frames.push(file.subarray(from, from + length));
    at = from + length;
  }
  return frames;
}

/**
 * Captures what comes in by a link of a network namespace, whatever it is addressed to.
 * @param namespace its path; resolves when tcpdump listens
 */
export async function startFrameCapture(namespace: string, link: string, filter = ""): Promise<FrameCapture> {
  const child = spawn(
    "nsenter",
    [
      ...[`--net=${namespace}`, "tcpdump", "-i", link, "-Q", "in", "-n", "--immediate-mode", "-U"],
      ...["-B", "65536", "-w", "-", ...(filter === "" ? [] : [filter])],
    ],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PATH: systemPath } },
  );
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  let said = "";
  const listening = Promise.withResolvers<void>();
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes("listening on")) listening.resolve();
  });
  const ended = once(child, "close").then(() => listening.reject(new Error(`tcpdump ended: ${said}`)));
  await listening.promise;
  return {
    async stop() {
      child.kill("SIGINT");
      await ended;
      const dropped = /(\d+) packets dropped by kernel/.exec(said)?.[1];
      if (dropped !== "0") throw new Error(`the capture has holes: ${said}`);
      return framesIn(Buffer.concat(chunks));
    },
  };
}
