import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, type AgentProcess, startAgentHost } from "../testing/agent-host.ts";

let host: AgentHost;
let agent: AgentProcess;

beforeAll(async () => {
  host = await startAgentHost();
  for (const number of [1, 2, 3, 4, 5, 6]) plugIn(number);
  host.inNode("ip", "address", "add", "198.18.0.11/24", "dev", "p1");
  host.inNode("ip", "address", "add", "fd18::11/64", "dev", "p1", "nodad");
  host.inNode("ip", "route", "add", "198.19.0.0/16", "via", "198.18.0.1");
  host.inNode("ip", "route", "add", "198.51.100.128/25", "via", "203.0.113.1", "dev", "p1", "onlink");
  host.inOutside("ip", "address", "add", "198.18.0.1/24", "dev", "w1");
  host.inOutside("ip", "address", "add", "fd18::1/64", "dev", "w1", "nodad");
  host.inOutside("ip", "link", "add", "switch", "type", "bridge");
  for (const link of ["w2", "w3"]) host.inOutside("ip", "link", "set", link, "master", "switch");
  host.inOutside("ip", "link", "set", "switch", "up");
  host.inOutside("ip", "address", "add", "198.18.1.1/24", "dev", "switch");
  agent = host.startAgent("--uplink", host.uplink, "--encap-ip", "198.18.0.0/24");
  await host.until("the chassis is told", () => host.patches.length > 0);
});

/** A network card `p<number>`, at the end of the wire `w<number>`. */
function plugIn(number: number): void {
  host.inNode("ip", "link", "add", `p${number}`, "type", "veth", "peer", "name", `w${number}`, "netns", host.outside);
  host.inNode("ip", "link", "set", `p${number}`, "up");
  host.inOutside("ip", "link", "set", `w${number}`, "up");
  // As on a real wire: whoever gets a frame finds its checksums filled in.
  host.inOutside("ethtool", "-K", `w${number}`, "tx", "off");
}

afterAll(async () => {
  try {
    await agent?.end();
  } finally {
    await host?.stop();
  }
});

const mappings = () => host.vsctl("--if-exists", "get", "Open_vSwitch", ".", "external_ids:ovn-bridge-mappings");
const addresses = (device: string) =>
  [...host.inNode("ip", "-o", "address", "show", "dev", device, "scope", "global").matchAll(/inet6? (\S+)/g)].map(
    ([, address]) => address,
  );
const bridges = () => host.vsctl("list-br").split("\n");
const isReady = (network: string) =>
  (host.statuses.get(network) as { readonly ready?: boolean } | undefined)?.ready === true;
const reaches = (address: string) =>
  host.inOutside("ping", "-c", "2", "-i", "0.2", "-W", "2", address).includes(" 0% packet loss");
const ports = (bridge: string) =>
  host
    .vsctl("list-ifaces", bridge)
    .split("\n")
    .filter((name) => name !== "");

let looks = 0;
/** Until the agent has looked at all provider networks once more. */
async function untilLookedAt(): Promise<void> {
  looks += 1;
  const name = `look-${looks}`;
  host.putProviderNetwork(name, { uplinks: ["none"] });
  await host.until("it is looked at", () => host.statuses.get(name) !== undefined);
  host.putProviderNetwork(name, undefined);
}

/** Pings in the background, 100 times a second. @returns of how many there was no answer */
function ping(where: string, address: string): () => Promise<{ readonly sent: number; readonly lost: number }> {
  const child = spawn("ip", ["netns", "exec", where, "ping", "-i", "0.01", "-W", "1", address], { stdio: "pipe" });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return async () => {
    child.kill("SIGINT");
    await once(child, "close");
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
    return { sent: Number(sent), lost: Number(sent) - Number(received) };
  };
}

/** Asks, from a port of a bridge in VLAN 100, for a neighbour. @returns what of it is seen at the other end of the wire */
async function framesOfVlan(bridge: string, wire: string): Promise<string> {
  host.vsctl("add-port", bridge, "guest", "tag=100", "--", "set", "Interface", "guest", "type=internal");
  await host.until("the port is there", () => host.inNode("ip", "-br", "link").includes("guest"));
  host.inNode("ip", "address", "add", "198.18.100.11/24", "dev", "guest");
  host.inNode("ip", "link", "set", "guest", "up");
  const capture = spawn("ip", [
    ...[
      "netns",
      "exec",
      host.outside,
      "timeout",
      "5",
      "tcpdump",
      "-lnnei",
      wire,
      "-c",
      "1",
      "vlan",
      "100",
      "and",
      "arp",
    ],
  ]);
  await once(capture.stderr, "data");
  let frames = "";
  capture.stdout.on("data", (chunk: Buffer) => {
    frames += chunk.toString();
  });
  expect(() => host.inNode("ping", "-c", "1", "-W", "1", "198.18.100.1")).toThrow();
  if (capture.exitCode === null) await once(capture, "close");
  host.vsctl("del-port", bridge, "guest");
  return frames;
}

describe("a provider network on a node", () => {
  it("takes the first uplink that is there, with the node's addresses, and nobody notices", async () => {
    const stop = ping(host.outside, "198.18.0.11");
    host.putProviderNetwork("red", { uplinks: ["eno1", "p1"] });
    await host.until("red is ready", () => isReady("red"));
    expect(host.statuses.get("red")).toEqual({ ready: true, interfaces: ["p1"] });
    expect(mappings()).toBe('"physnet:br-ex,red.chassis-a:br-red"');
    expect(addresses("br-red")).toEqual(["198.18.0.11/24", "fd18::11/64"]);
    expect(addresses("p1")).toEqual([]);
    expect(host.inNode("ip", "route", "show", "198.19.0.0/16")).toContain("via 198.18.0.1 dev br-red");
    expect(host.inNode("ip", "route", "show", "198.51.100.128/25")).toMatch(/via 203\.0\.113\.1 dev br-red .*onlink/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { sent, lost } = await stop();
    process.stdout.write(`moving the node's address: ${lost} of ${sent} pings lost\n`);
    expect(lost).toBeLessThan(10);
    expect(reaches("fd18::11")).toBe(true);
    // Tunnels end where the node's address of their network is.
    expect(host.vsctl("get", "Open_vSwitch", ".", "external_ids:ovn-encap-ip")).toBe('"198.18.0.11"');
  });

  it("stays on its uplink when one comes that would have been taken before it", async () => {
    host.inNode("ip", "link", "add", "eno1", "type", "veth", "peer", "name", "eno1-far");
    await untilLookedAt();
    expect(ports("br-red")).toEqual(["p1"]);
    expect(addresses("br-red")).toContain("198.18.0.11/24");
    host.inNode("ip", "link", "delete", "eno1");
  });

  it("goes to another uplink when it is told to, and leaves the node's address where it was", async () => {
    host.inNode("ip", "address", "add", "198.18.5.11/24", "dev", "p5");
    host.inOutside("ip", "address", "add", "198.18.5.1/24", "dev", "w5");
    host.putProviderNetwork("violet", { uplinks: ["p5"] });
    await host.until("violet is ready", () => isReady("violet"));
    host.putProviderNetwork("violet", { uplinks: ["p6", "p4"] });
    const onAnother = { ready: true, interfaces: ["p6"] };
    await host.until("violet has moved", () => isDeepStrictEqual(host.statuses.get("violet"), onAnother));
    expect([addresses("br-violet"), addresses("p5")]).toEqual([[], ["198.18.5.11/24"]]);
    expect(reaches("198.18.5.11")).toBe(true);
    host.putProviderNetwork("violet", { uplinks: ["p5", "p6"] });
    await untilLookedAt();
    expect(ports("br-violet")).toEqual(["p6"]);
    host.putProviderNetwork("violet", { uplinks: ["p5"] });
    const back = { ready: true, interfaces: ["p5"] };
    await host.until("violet is back", () => isDeepStrictEqual(host.statuses.get("violet"), back));
    expect(addresses("br-violet")).toEqual(["198.18.5.11/24"]);
  });

  it("keeps the node's address for an uplink that is gone, also when it is to be undone itself", async () => {
    host.putProviderNetwork("violet", { uplinks: ["p5", "p6"] });
    host.inNode("ip", "link", "delete", "p5");
    await host.until("violet says so", () => !isReady("violet"));
    expect(host.statuses.get("violet")).toMatchObject({ message: expect.stringContaining("p5 is gone") });
    host.putProviderNetwork("violet", undefined);
    await host.until("it is mapped no more", () => !mappings().includes("violet"));
    expect(addresses("br-violet")).toEqual(["198.18.5.11/24"]);
    plugIn(5);
    host.inOutside("ip", "address", "add", "198.18.5.1/24", "dev", "w5");
    await host.until("its bridge is gone", () => !bridges().includes("br-violet"));
    expect(addresses("p5")).toEqual(["198.18.5.11/24"]);
    expect(reaches("198.18.5.11")).toBe(true);
  });

  it("carries VLANs", async () => {
    expect(await framesOfVlan("br-red", "w1")).toMatch(/vlan 100.* who-has 198\.18\.100\.1 /);
  });

  it("says which uplinks were looked for where there is none, and takes one that comes", async () => {
    host.putProviderNetwork("blue", { uplinks: ["late0", "02:00:00:00:00:99"] });
    await host.until("blue is looked at", () => host.statuses.get("blue") !== undefined);
    expect(host.statuses.get("blue")).toEqual({
      ready: false,
      message: expect.stringMatching(/none of the uplinks late0, 02:00:00:00:00:99; it has .*p4 \(/),
    });
    host.inNode("ip", "link", "set", "p4", "name", "late0");
    await host.until("blue is ready", () => isReady("blue"));
    expect(ports("br-blue")).toEqual(["late0"]);
  });

  it("doesn't share an uplink with another one", async () => {
    host.putProviderNetwork("green", { uplinks: ["p1"] });
    await host.until("green is looked at", () => host.statuses.get("green") !== undefined);
    expect(host.statuses.get("green")).toMatchObject({
      ready: false,
      message: expect.stringContaining("ProviderNetwork red"),
    });
    host.putProviderNetwork("green", undefined);
  });

  it("shares the gateway bridge, for VLANs", async () => {
    host.putProviderNetwork("campus", { uplinks: [host.uplink] });
    await host.until("campus is ready", () => isReady("campus"));
    expect(mappings()).toContain("campus.chassis-a:br-ex");
    expect(host.statuses.get("campus")).toMatchObject({ message: expect.stringContaining("need a VLAN") });
    expect(await framesOfVlan("br-ex", "wire")).toMatch(/vlan 100.* who-has 198\.18\.100\.1 /);
    host.putProviderNetwork("campus", undefined);
    await host.until("campus is gone", () => !mappings().includes("campus"));
    expect(mappings()).toContain("physnet:br-ex");
  });

  it("bonds uplinks, one of which may be cut", async () => {
    host.inNode("ip", "address", "add", "198.18.1.11/24", "dev", "p3");
    host.putProviderNetwork("twin", {
      bond: {
        mode: "active-backup",
        uplinks: [
          ["p2", "p9"],
          ["p2", "p3"],
        ],
      },
    });
    await host.until("twin is ready", () => isReady("twin"));
    expect(host.statuses.get("twin")).toEqual({ ready: true, interfaces: ["p2", "p3"] });
    expect(addresses("br-twin")).toEqual(["198.18.1.11/24"]);
    expect(reaches("198.18.1.11")).toBe(true);
    // One of them was at work.
    for (const cut of ["w2", "w3"]) {
      const stop = ping(host.outside, "198.18.1.11");
      await new Promise((resolve) => setTimeout(resolve, 200));
      host.inOutside("ip", "link", "set", cut, "down");
      await new Promise((resolve) => setTimeout(resolve, 1_300));
      const { sent, lost } = await stop();
      process.stdout.write(`cut ${cut} of a bond: ${lost} of ${sent} pings lost, 10 ms apart\n`);
      expect(lost).toBeLessThan(100);
      host.inOutside("ip", "link", "set", cut, "up");
      await host.until("the other link is back", () => reachesOrNot("198.18.1.11"));
    }
  });

  it("gives in to whoever puts an address onto the uplink again and again, and says so", async () => {
    const address = "198.18.6.11/24";
    for (let turn = 0; turn < 20 && isReady("red"); turn += 1) {
      host.inNode("ip", "address", "add", address, "dev", "p1");
      await host.until(
        "it has moved, or is let be",
        () => (addresses("br-red").includes(address) && !addresses("p1").includes(address)) || !isReady("red"),
      );
      if (isReady("red")) host.inNode("ip", "address", "delete", address, "dev", "br-red");
    }
    expect(host.statuses.get("red")).toMatchObject({ message: expect.stringContaining("p1 again and again") });
    expect(addresses("p1")).toEqual([address]);
    host.inNode("ip", "address", "delete", address, "dev", "p1");
    await host.until("red is ready again", () => isReady("red"));
    expect(addresses("br-red")).toEqual(["198.18.0.11/24", "fd18::11/64"]);
  });

  it("stays as it is when the agent starts again", async () => {
    const before = host.vsctl("--columns=_uuid", "--bare", "list", "Bridge");
    await agent.end("SIGKILL");
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("it is ready to look", () => agent.output().includes("chose the datapath"));
    await untilLookedAt();
    expect(host.vsctl("--columns=_uuid", "--bare", "list", "Bridge")).toBe(before);
  });

  it("has a move finished that was cut off half-way", async () => {
    await agent.end("SIGKILL");
    const memory = JSON.parse(
      JSON.parse(host.vsctl("get", "Bridge", "br-red", "external_ids:ovenbird.io/host-network")),
    );
    const moving = JSON.stringify(JSON.stringify({ ...memory, phase: "moving" }));
    host.vsctl("set", "Bridge", "br-red", `external_ids:"ovenbird.io/host-network"=${moving}`);
    host.inNode("ip", "address", "flush", "dev", "br-red");
    host.inNode("ip", "address", "add", "198.18.0.11/24", "dev", "p1");
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("the addresses are where they belong", () => addresses("br-red").length === 2);
    expect(addresses("p1")).toEqual([]);
    await host.until("the route is back", () => host.inNode("ip", "route", "show", "198.19.0.0/16").includes("br-red"));
    expect(reaches("198.18.0.11") && reaches("fd18::11")).toBe(true);
  });

  it("gets the node's addresses back when vswitchd was killed", async () => {
    await host.killVswitchd();
    for (const bridge of ["br-red", "br-twin"]) host.inNode("ip", "link", "delete", bridge);
    host.startVswitchd();
    await host.until(
      "the addresses are back",
      () => host.inNode("ip", "-br", "address").includes("198.18.1.11") && reachesOrNot("198.18.0.11"),
    );
    expect(addresses("br-red")).toEqual(["198.18.0.11/24", "fd18::11/64"]);
    expect(addresses("br-twin")).toEqual(["198.18.1.11/24"]);
  });

  it("gets them back without the API, which may be reached by that bridge alone", async () => {
    await agent.end("SIGKILL");
    await host.killVswitchd();
    for (const bridge of ["br-red", "br-twin"]) host.inNode("ip", "link", "delete", bridge);
    host.startVswitchd();
    const kubeconfig = join(host.folder, "unreachable");
    const text = readFileSync(join(host.folder, "kubeconfig"), "utf8");
    writeFileSync(kubeconfig, text.replace(/127\.0\.0\.1:\d+/, "127.0.0.1:9"));
    agent = host.startAgent("--uplink", host.uplink, "--kubeconfig", kubeconfig);
    await host.until("the addresses are back", () => reachesOrNot("198.18.0.11") && reachesOrNot("198.18.1.11"));
    expect(addresses("br-red")).toEqual(["198.18.0.11/24", "fd18::11/64"]);
    expect(mappings()).toContain("red.chassis-a:br-red");
    await agent.end("SIGKILL");
    agent = host.startAgent("--uplink", host.uplink);
    await untilLookedAt();
  });

  it("is undone when it goes, or no longer selects the node, and the node keeps its addresses", async () => {
    host.putProviderNetwork("red", { uplinks: ["p1"], nodeSelector: { matchLabels: { rack: "other" } } });
    host.putProviderNetwork("twin", undefined);
    await host.until("the bridges are gone", () => !bridges().includes("br-red") && !bridges().includes("br-twin"));
    await host.until("the status is gone", () => host.statuses.get("red") === undefined);
    expect(addresses("p1")).toEqual(["198.18.0.11/24", "fd18::11/64"]);
    expect(addresses("p3")).toEqual(["198.18.1.11/24"]);
    expect(host.inNode("ip", "route", "show", "198.19.0.0/16")).toContain("via 198.18.0.1 dev p1");
    expect(host.inNode("ip", "route", "show", "198.51.100.128/25")).toMatch(/via 203\.0\.113\.1 dev p1 .*onlink/);
    expect(mappings()).toBe('"physnet:br-ex,blue.chassis-a:br-blue"');
    for (const address of ["198.18.0.11", "fd18::11", "198.18.1.11"]) expect(reaches(address)).toBe(true);
  });
});

function reachesOrNot(address: string): boolean {
  try {
    return reaches(address);
  } catch {
    return false;
  }
}
