import { spawn } from "node:child_process";
import { once } from "node:events";
import { systemPath } from "../../../lab/topology/run.ts";
import { addressText } from "../../../node/netlink/index.ts";
import { floodPort } from "./flood.ts";

/** A packet that left through a device of the namespace; on a node that is what a pod's interface receives. */
export interface Packet {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp";
}

export interface Capture {
  /** @returns what was seen, in order. @throws Error when the kernel had to leave packets out */
  stop(): Promise<readonly Packet[]>;
}

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
/** LINKTYPE_LINUX_SLL2, see https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html */
const cookedHeaderBytes = 20;
const protocols = new Map([
  [6, "tcp"],
  [17, "udp"],
] as const);

/** Reads a packet behind its cooked header: the protocol (2 bytes) and 18 more that don't matter here. */
function packetOf(at: number, bytes: Buffer): Packet {
  const isIpv4 = bytes.readUInt16BE(0) === 0x0800;
  const ip = bytes.subarray(cookedHeaderBytes);
  const protocol = protocols.get(ip.readUInt8(isIpv4 ? 9 : 6) as 6 | 17);
  if (protocol === undefined) throw new Error(`an unexpected packet: ${bytes.toString("hex")}`);
  const [from, length] = isIpv4 ? [12, 4] : [8, 16];
  return {
    at,
    source: addressText(ip.subarray(from, from + length)),
    destination: addressText(ip.subarray(from + length, from + 2 * length)),
    protocol,
  };
}

/** Reads a file of pcap(5) in this machine's byte order. */
function readPackets(file: Buffer): readonly Packet[] {
  const packets: Packet[] = [];
  for (let at = fileHeaderBytes; at + recordHeaderBytes <= file.length; ) {
    const milliseconds = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000;
    const length = file.readUInt32LE(at + 8);
    const from = at + recordHeaderBytes;
    packets.push(packetOf(milliseconds, file.subarray(from, from + length)));
    at = from + length;
  }
  return packets;
}

/**
 * Captures what is flooded and leaves through any device of a network namespace, devices that come later included: on a
 * node that is what reaches its pods' interfaces, from their first moment on.
 * @param namespace its path; resolves when tcpdump listens
 */
export async function startCapture(namespace: string): Promise<Capture> {
  const child = spawn(
    "nsenter",
    [
      ...[`--net=${namespace}`, "tcpdump", "-i", "any", "-y", "LINUX_SLL2", "-n"],
      // Else the kernel keeps packets back for up to a second, and those of the last one are never seen.
      ...["--immediate-mode", "-U", "-s", "96", "-B", "65536"],
      ...["-w", "-", `outbound and dst port ${floodPort}`],
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
      return readPackets(Buffer.concat(chunks));
    },
  };
}
