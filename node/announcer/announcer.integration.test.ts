import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressNumber } from "../services/index.ts";
import { electAnnouncer } from "./election.ts";
import { encodeHeartbeat } from "./heartbeat.ts";

/*
 * Three hosts, a namespace each, on one wire, a bridge in a fourth. What is asked of them is seen on the wire.
 */

const tag = randomBytes(3).toString("hex");
const wire = `obt-wire-${tag}`;
const names = ["node-a", "node-b", "node-c"];
const namespaceOf = (name: string) => `obt-${name}-${tag}`;
const nodes = Object.fromEntries(names.map((name, index) => [name, [`192.0.2.1${index}`, `2001:db8::1${index}`]]));
const addresses = ["192.0.2.100", "192.0.2.101", "192.0.2.102", "192.0.2.103", "2001:db8::100", "2001:db8::101"];
const settleMs = 2_000;

const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

interface Host {
  readonly process: ChildProcess;
  announced: readonly string[];
  /** When it was last told. */
  changedAtMs: number;
}
const hosts = new Map<string, Host>();
let capture: ChildProcess;
/** What tcpdump saw: when, and the line. */
const seen: { readonly atMs: number; readonly line: string }[] = [];

function linesOf(child: ChildProcess, take: (line: string) => void): void {
  let rest = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  });
}

function start(name: string): void {
  const child = spawn(
    "ip",
    ["netns", "exec", namespaceOf(name), process.execPath, join(import.meta.dirname, "testing", "announcing-host.ts")],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const host: Host = { process: child, announced: [], changedAtMs: 0 };
  hosts.set(name, host);
  linesOf(child, (line) => {
    host.announced = JSON.parse(line);
    host.changedAtMs = performance.now();
  });
  const bounds = (last: string) =>
    ["192.0.2", "2001:db8:"].map((net) => `${addressNumber(`${net}${net.endsWith(":") ? ":" : "."}${last}`)}`);
  child.stdin?.end(
    JSON.stringify({
      nodeName: name,
      link: "br-ex",
      settleMs,
      nodes,
      addresses,
      first: bounds("100"),
      last: bounds("199"),
    }),
  );
}

async function end(name: string, signal: NodeJS.Signals): Promise<void> {
  const host = hosts.get(name);
  hosts.delete(name);
  if (host === undefined || host.process.exitCode !== null) return;
  const ended = once(host.process, "exit");
  host.process.kill(signal);
  await ended;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > deadline) {
      throw new Error(
        `${what} did not come: ${JSON.stringify([...hosts].map(([name, host]) => [name, host.announced]))}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const announcedBy = (name: string) => hosts.get(name)?.announced ?? [];
/** Each running host announces exactly what is its own when all are settled. */
const isParted = () =>
  [...hosts.keys()].every((name) => {
    const own = addresses.filter((address) => electAnnouncer(address, [...hosts.keys()], () => "settled") === name);
    return own.sort().join() === announcedBy(name).join();
  });
/** A host that announces something, and what. */
const anyBusy = () => names.find((name) => announcedBy(name).length > 0) ?? "";
const isOnWire = (address: string, sinceMs: number) =>
  seen.find(
    ({ atMs, line }) =>
      atMs >= sinceMs && (line.includes(`who-has ${address} tell ${address}`) || line.includes(`tgt is ${address},`)),
  );

beforeAll(async () => {
  run("ip", "netns", "add", wire);
  run("ip", "-n", wire, "link", "add", "wire", "type", "bridge");
  run("ip", "-n", wire, "link", "set", "wire", "up");
  for (const name of names) {
    const namespace = namespaceOf(name);
    run("ip", "netns", "add", namespace);
    run(..."ip link add br-ex netns".split(" "), namespace, ..."type veth peer name".split(" "), name, "netns", wire);
    run("ip", "-n", wire, "link", "set", name, "master", "wire", "up");
    run("ip", "-n", namespace, "link", "set", "lo", "up");
    run("ip", "-n", namespace, "link", "set", "br-ex", "up");
    for (const address of nodes[name] ?? []) {
      const isV6 = address.includes(":");
      run(
        "ip",
        "-n",
        namespace,
        "address",
        "add",
        `${address}/${isV6 ? 64 : 24}`,
        "dev",
        "br-ex",
        ...(isV6 ? ["nodad"] : []),
      );
    }
  }
  capture = spawn("ip", ["netns", "exec", wire, "tcpdump", "-lnvi", "wire", "--immediate-mode", "arp or icmp6"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  linesOf(capture, (line) => seen.push({ atMs: performance.now(), line }));
  await once(capture.stderr as NonNullable<typeof capture.stderr>, "data");
  for (const name of names) start(name);
});

afterAll(async () => {
  for (const name of [...hosts.keys()]) await end(name, "SIGKILL");
  capture?.kill("SIGTERM");
  for (const namespace of [wire, ...names.map(namespaceOf)]) run("ip", "netns", "delete", namespace);
});

describe("three nodes that announce addresses", () => {
  it("part them, and tell the wire in both families", async () => {
    await until("the addresses' parting", isParted);
    await until("an announcement of each address", () =>
      addresses.every((address) => isOnWire(address, 0) !== undefined),
    );
  });

  it("take the addresses of a node that is killed, each once, and tell the wire", async () => {
    const victim = anyBusy();
    const orphans = announcedBy(victim);
    const kept = names.filter((name) => name !== victim).map((name) => [name, announcedBy(name)] as const);
    const killedAtMs = performance.now();
    await end(victim, "SIGKILL");
    await until("the takeover", isParted);
    const takenAtMs = Math.max(...[...hosts.values()].map(({ changedAtMs }) => changedAtMs));
    await until("the announcements", () => orphans.every((address) => isOnWire(address, killedAtMs) !== undefined));
    const onWireMs = Math.max(...orphans.map((address) => isOnWire(address, killedAtMs)?.atMs ?? 0));
    for (const [name, before] of kept) expect(announcedBy(name)).toEqual(expect.arrayContaining([...before]));
    process.stdout.write(
      `  detection ${Math.round(takenAtMs - killedAtMs)} ms, on the wire ${Math.round(onWireMs - killedAtMs)} ms\n`,
    );
    expect(takenAtMs - killedAtMs).toBeLessThan(5_000);
    // It gets back what is its own once it has settled.
    start(victim);
    await until("the return", isParted);
  });

  it("take the addresses of a node that leaves at once", async () => {
    await until("the addresses' parting", isParted);
    const leaver = anyBusy();
    const since = performance.now();
    await end(leaver, "SIGTERM");
    await until("the takeover", isParted);
    const takenAtMs = Math.max(...[...hosts.values()].map(({ changedAtMs }) => changedAtMs));
    process.stdout.write(`  after a goodbye ${Math.round(takenAtMs - since)} ms\n`);
    start(leaver);
    await until("the return", isParted);
  });

  it("heed no goodbye from another port than the agents', nor one from an address that is not the node's", async () => {
    const victim = anyBusy();
    const before = announcedBy(victim);
    const other = names.find((name) => name !== victim) ?? "";
    const third = names.find((name) => name !== victim && name !== other) ?? "";
    const forged = encodeHeartbeat({ node: victim, phase: "leaving", life: 1n, sequence: 1 }).toString("hex");
    const send = (from: string, address: string, port: number, to: string) =>
      run(
        ...["ip", "netns", "exec", namespaceOf(from), process.execPath, "-e"],
        `const socket = require("node:dgram").createSocket("udp4");
         socket.bind({ address: "${address}", port: ${port} }, () =>
           socket.send(Buffer.from("${forged}", "hex"), 9098, "${to}", () => socket.close()));`,
      );
    const changedAtMs = hosts.get(other)?.changedAtMs;
    send(victim, nodes[victim]?.[0] ?? "", 61_000, nodes[other]?.[0] ?? "");
    run("ip", "-n", namespaceOf(third), "address", "add", "192.0.2.99/24", "dev", "br-ex");
    send(third, "192.0.2.99", 9098, nodes[other]?.[0] ?? "");
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(hosts.get(other)?.changedAtMs).toBe(changedAtMs);
    expect(announcedBy(victim)).toEqual(before);
  });

  it("both announce while the wire between them is cut, and agree again after", async () => {
    const lonely = anyBusy();
    run("ip", "-n", wire, "link", "set", lonely, "down");
    await until("the split", () => announcedBy(lonely).length === addresses.length);
    const healedAtMs = performance.now();
    run("ip", "-n", wire, "link", "set", lonely, "up");
    await until("one announcer for each", isParted);
    await until("the announcements after it", () =>
      addresses.some((address) => isOnWire(address, healedAtMs) !== undefined),
    );
    await until("the return", isParted);
  });

  it("lose a node that stood still, which claims nothing when it goes on", async () => {
    const victim = anyBusy();
    const host = hosts.get(victim);
    host?.process.kill("SIGSTOP");
    await until("the takeover", () => {
      const others = names.filter((name) => name !== victim).flatMap(announcedBy);
      return new Set(others).size === addresses.length;
    });
    host?.process.kill("SIGCONT");
    await until("its giving up", () => announcedBy(victim).length === 0);
    await until("the return", isParted);
  });
});
