import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { nodeChassisAnnotationKey, nodeNetworkAnnotationKey } from "@ovenbird/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, type AgentProcess, startAgentHost } from "./testing/agent-host.ts";

const network = {
  index: 0,
  subnets: ["10.244.0.0/24", "fd00:10:244::/64"],
  managementPort: {
    port: "management.node-a",
    mac: "0a:58:0a:f4:00:02",
    addresses: ["10.244.0.2/24", "fd00:10:244::2/64"],
    gateways: ["10.244.0.1", "fd00:10:244::1"],
  },
  routes: ["10.244.0.0/16", "fd00:10:244::/48", "100.64.0.0/16"],
  mtuBytes: 1400,
};

let host: AgentHost;
let agent: AgentProcess;

beforeAll(async () => {
  host = await startAgentHost();
  host.vsctl(
    ...["--no-wait", "set", "Open_vSwitch", ".", "external_ids:foreign=kept"],
    ...["external_ids:ovn-bridge-mappings=tenants:br-tenants", "external_ids:ovn-remote=tcp:192.0.2.99:6642"],
  );
});

afterAll(async () => {
  try {
    await agent?.end();
  } finally {
    await host?.stop();
  }
});

/** A continuous ping from outside, 10 ms apart. */
function startPing(address: string, count: number) {
  const child = spawn(
    "ip",
    ["netns", "exec", host.outside, "ping", "-n", "-i", "0.01", "-c", `${count}`, "-W", "2", address],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  let output = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    output += chunk;
  });
  const done = once(child, "exit");
  return async () => {
    await done;
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
    return { sent: Number(sent), received: Number(received) };
  };
}

const lines = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
const flows = () => host.ofctl("dump-flows", `unix:${host.folder}/br-ex.mgmt`, "--no-stats");
const hasFlows = () => {
  try {
    return /priority=300/.test(flows());
  } catch {
    // vswitchd has not opened the bridge's socket yet.
    return false;
  }
};
const addressesOf = (link: string) => {
  try {
    return host.inNode("ip", "-o", "address", "show", "dev", link, "scope", "global");
  } catch {
    // The device is not there yet.
    return "";
  }
};
const gatewayStands = () =>
  addressesOf("br-ex").includes("192.0.2.11/24") &&
  addressesOf("br-ex").includes("2001:db8::11/64") &&
  host.inNode("ip", "route").includes("default via 192.0.2.1 dev br-ex") &&
  host.inNode("ip", "route").includes("198.51.100.0/24 via 192.0.2.1 dev br-ex") &&
  host.inNode("ip", "-6", "route").includes("default via 2001:db8::1 dev br-ex") &&
  hasFlows();
const managementStands = () =>
  addressesOf("ovenbird0").includes("10.244.0.2/24") &&
  addressesOf("ovenbird0").includes("fd00:10:244::2/64") &&
  host.inNode("ip", "route").includes("10.244.0.0/16 via 10.244.0.1 dev ovenbird0") &&
  host.inNode("ip", "-6", "route").includes("fd00:10:244::/48 via fd00:10:244::1 dev ovenbird0");

describe("an agent on a host with a real Open vSwitch", () => {
  it("moves the uplink onto the gateway bridge without losing a packet", async () => {
    const pings = [startPing("192.0.2.11", 300), startPing("2001:db8::11", 300)];
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("the gateway bridge has the node's addresses", gatewayStands);
    for (const ping of pings) expect(await ping()).toEqual({ sent: 300, received: 300 });
    expect(addressesOf(host.uplink)).toBe("");
    expect(host.inNode("nft", "list", "ruleset")).toContain(`device "${host.uplink}"`);
  });

  it("lets TCP through in both directions, which needs checksums filled in by the sender", () => {
    expect(host.inNode("ethtool", "-k", "br-ex")).toContain("tx-checksumming: off");
    expect(host.inNode("ethtool", "-k", host.uplink)).toContain("tx-checksumming: off");
  });

  it("configures Open vSwitch for OVN and leaves what is there", () => {
    const get = (key: string) => host.vsctl("get", "Open_vSwitch", ".", `external_ids:${key}`).replaceAll('"', "");
    expect(get("foreign")).toBe("kept");
    expect(get("ovn-remote")).toBe("tcp:192.0.2.99:6642");
    expect(get("ovn-bridge-mappings")).toBe("tenants:br-tenants,physnet:br-ex");
    expect(get("system-id")).toBe("chassis-a");
    expect(get("ovn-encap-ip")).toBe("192.0.2.11");
    expect(get("ovn-bridge-datapath-type")).toBe("netdev");
    expect(host.vsctl("get", "Bridge", "br-int", "fail_mode")).toBe("secure");
  });

  it("tells the controller of its chassis with one PATCH", () => {
    expect(host.patches).toHaveLength(1);
    expect(JSON.parse(host.patches[0]?.[nodeChassisAnnotationKey] ?? "")).toEqual({
      systemId: "chassis-a",
      gateway: {
        mac: host.inNode("cat", `/sys/class/net/${host.uplink}/address`).trim(),
        addresses: ["192.0.2.11/24", "2001:db8::11/64"],
        nextHops: ["192.0.2.1", "2001:db8::1"],
        physicalNetwork: "physnet",
      },
    });
  });

  it("writes no network configuration before the management port stands", async () => {
    expect(existsSync(join(host.confDir, "10-ovenbird.conflist"))).toBe(false);
    host.annotate({ [nodeNetworkAnnotationKey]: JSON.stringify(network) });
    await host.until("the management port stands", managementStands);
    await host.until("the network configuration is written", () =>
      existsSync(join(host.confDir, "10-ovenbird.conflist")),
    );
    const list = JSON.parse(readFileSync(join(host.confDir, "10-ovenbird.conflist"), "utf8"));
    expect(list).toMatchObject({ name: "ovenbird", plugins: [{ type: "ovenbird", socket: host.cniSocket }] });
  });

  it("gives the management port its hardware address, MTU and settings", () => {
    const link = host.inNode("ip", "-o", "link", "show", "dev", "ovenbird0");
    expect(link).toContain(network.managementPort.mac);
    expect(link).toContain("mtu 1400");
    expect(host.vsctl("get", "Interface", "ovenbird0", "external_ids:iface-id").replaceAll('"', "")).toBe(
      "management.node-a",
    );
    const setting = (name: string) => host.inNode("cat", `/proc/sys/net/ipv4/conf/ovenbird0/${name}`).trim();
    expect([setting("accept_local"), setting("arp_ignore"), setting("arp_announce")]).toEqual(["1", "1", "2"]);
    expect(host.inNode("ip", "route", "get", "10.244.7.7")).toContain("src 10.244.0.2");
  });

  it("takes routes away that no longer apply", async () => {
    expect(host.inNode("ip", "route")).toContain("100.64.0.0/16");
    const routes = network.routes.slice(0, 2);
    host.annotate({ [nodeNetworkAnnotationKey]: JSON.stringify({ ...network, routes }) });
    await host.until("the route is gone", () => !host.inNode("ip", "route").includes("100.64.0.0/16"));
    expect(managementStands()).toBe(true);
  });

  it("ignores a network annotation that can't be understood", async () => {
    host.annotate({ [nodeNetworkAnnotationKey]: "{}" });
    await host.until("the log tells", () => agent.output().includes("can't be understood"));
    expect(managementStands()).toBe(true);
    host.annotate({ [nodeNetworkAnnotationKey]: JSON.stringify(network) });
    await host.until("the route is back", () => host.inNode("ip", "route").includes("100.64.0.0/16"));
  });

  it("sends replies of OVN's connections to OVN once ovn-controller has made its patch port", async () => {
    host.vsctl(
      ...["add-port", "br-ex", "patch-net-to-br-int", "--", "set", "Interface", "patch-net-to-br-int", "type=patch"],
      ...["options:peer=patch-br-int-to-net", "--", "set", "Port", "patch-net-to-br-int"],
      ...[
        "external_ids:ovn-localnet-port=external.node1-localnet",
        "--",
        "add-port",
        "br-int",
        "patch-br-int-to-net",
        "--",
      ],
      ...["set", "Interface", "patch-br-int-to-net", "type=patch", "options:peer=patch-net-to-br-int"],
    );
    const patch = host.vsctl("get", "Interface", "patch-net-to-br-int", "ofport");
    await host.until("the flows lead to the patch port", () => flows().includes(`ct_mark=0x1 actions=output:${patch}`));
    expect(host.inNode("ping", "-c", "1", "-W", "2", "192.0.2.1")).toContain("1 received");
  });

  it("does nothing when it is restarted", async () => {
    const before = {
      database: statSync(join(host.folder, "conf.db")).size,
      routes: lines(host.inNode("ip", "route")),
      patches: host.patches.length,
    };
    const ping = startPing("192.0.2.11", 300);
    await agent.end("SIGKILL");
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("the agent is ready again", () => agent.output().includes("ready to attach pods"));
    expect(await ping()).toEqual({ sent: 300, received: 300 });
    expect({
      database: statSync(join(host.folder, "conf.db")).size,
      routes: lines(host.inNode("ip", "route")),
      patches: host.patches.length,
    }).toEqual(before);
  });

  it("puts addresses, routes, settings and flows back when vswitchd was killed", async () => {
    await host.killVswitchd();
    await host.until("the bridge is dead", () => !hasFlows());
    host.startVswitchd();
    await host.until("the gateway bridge is repaired", gatewayStands);
    await host.until("the management port is repaired", managementStands);
    // vswitchd takes its devices down at the start: what was right before that must be right after it too.
    await host.until("vswitchd is settled", () => host.vsctl("get", "Interface", "br-ex", "admin_state") === "up");
    await host.until("the gateway bridge is repaired", gatewayStands);
    await host.until("the management port is repaired", managementStands);
    expect(host.inNode("ethtool", "-k", "br-ex")).toContain("tx-checksumming: off");
    expect(host.inOutside("ping", "-c", "1", "-W", "2", "192.0.2.11")).toContain("1 received");
    expect(host.patches).toHaveLength(1);
  });

  it("puts all back that was lost while neither it nor vswitchd ran", async () => {
    await agent.end("SIGKILL");
    await host.killVswitchd();
    host.startVswitchd();
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("the gateway bridge is repaired", gatewayStands);
    await host.until("the management port is repaired", managementStands);
  });

  it("finishes a move that was cut off half-way", async () => {
    await agent.end("SIGKILL");
    const memory = JSON.parse(
      JSON.parse(host.vsctl("get", "Bridge", "br-ex", "external_ids:ovenbird.io/host-network")),
    );
    host.vsctl(
      ...["set", "Bridge", "br-ex"],
      `external_ids:ovenbird.io/host-network=${JSON.stringify(JSON.stringify({ ...memory, phase: "moving" }))}`,
    );
    // One address still on the uplink, one moved, the routes lost.
    host.inNode("ip", "route", "flush", "dev", "br-ex");
    host.inNode("ip", "address", "del", "192.0.2.11/24", "dev", "br-ex");
    host.inNode("ip", "address", "add", "192.0.2.11/24", "dev", host.uplink);
    agent = host.startAgent("--uplink", host.uplink);
    await host.until("the gateway bridge is repaired", gatewayStands);
    expect(addressesOf(host.uplink)).toBe("");
  });

  it("keeps the network configuration when it is stopped, and says why a pod has to wait", async () => {
    expect(await agent.end("SIGTERM")).toBe(0);
    expect(existsSync(join(host.confDir, "10-ovenbird.conflist"))).toBe(true);
    expect(existsSync(host.cniSocket)).toBe(false);
    expect(gatewayStands() && managementStands()).toBe(true);
  });
});
