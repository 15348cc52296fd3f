import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, type AgentProcess, startAgentHost } from "../testing/agent-host.ts";

let host: AgentHost;
let agent: AgentProcess;

beforeAll(async () => {
  host = await startAgentHost();
  for (const number of [1, 2, 3, 4]) {
    host.inNode("ip", "link", "add", `p${number}`, "type", "veth", "peer", "name", `w${number}`, "netns", host.outside);
    host.inNode("ip", "link", "set", `p${number}`, "up");
    host.inOutside("ip", "link", "set", `w${number}`, "up");
    // As on a real wire: whoever gets a frame finds its checksums filled in.
    host.inOutside("ethtool", "-K", `w${number}`, "tx", "off");
  }
  host.inNode("ip", "address", "add", "198.18.0.11/24", "dev", "p1");
  host.inNode("ip", "address", "add", "fd18::11/64", "dev", "p1", "nodad");
  host.inNode("ip", "route", "add", "198.19.0.0/16", "via", "198.18.0.1");
  host.inOutside("ip", "address", "add", "198.18.0.1/24", "dev", "w1");
  host.inOutside("ip", "address", "add", "fd18::1/64", "dev", "w1", "nodad");
  host.inOutside("ip", "link", "add", "switch", "type", "bridge");
  for (const link of ["w2", "w3"]) host.inOutside("ip", "link", "set", link, "master", "switch");
  host.inOutside("ip", "link", "set", "switch", "up");
  host.inOutside("ip", "address", "add", "198.18.1.1/24", "dev", "switch");
  agent = host.startAgent("--uplink", host.uplink, "--encap-ip", "198.18.0.0/24");
  await host.until("the chassis is told", () => host.patches.length > 0);
});

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
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { sent, lost } = await stop();
    process.stdout.write(`moving the node's address: ${lost} of ${sent} pings lost\n`);
    expect(lost).toBeLessThan(10);
    expect(reaches("fd18::11")).toBe(true);
    // Tunnels end where the node's address of their network is.
    expect(host.vsctl("get", "Open_vSwitch", ".", "external_ids:ovn-encap-ip")).toBe('"198.18.0.11"');
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

  it("stays as it is when the agent starts again", async () => {
    const before = host.vsctl("--columns=_uuid", "--bare", "list", "Bridge");
    await agent.end("SIGKILL");
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("it is ready to look", () => agent.output().includes("chose the datapath"));
    host.putProviderNetwork("probe", { uplinks: ["none"] });
    await host.until("probe is looked at", () => host.statuses.get("probe") !== undefined);
    expect(host.vsctl("--columns=_uuid", "--bare", "list", "Bridge")).toBe(before);
    host.putProviderNetwork("probe", undefined);
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

  it("is undone when it goes, or no longer selects the node, and the node keeps its addresses", async () => {
    host.putProviderNetwork("red", { uplinks: ["p1"], nodeSelector: { matchLabels: { rack: "other" } } });
    host.putProviderNetwork("twin", undefined);
    await host.until("the bridges are gone", () => !bridges().includes("br-red") && !bridges().includes("br-twin"));
    await host.until("the status is gone", () => host.statuses.get("red") === undefined);
    expect(addresses("p1")).toEqual(["198.18.0.11/24", "fd18::11/64"]);
    expect(addresses("p3")).toEqual(["198.18.1.11/24"]);
    expect(host.inNode("ip", "route", "show", "198.19.0.0/16")).toContain("via 198.18.0.1 dev p1");
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
