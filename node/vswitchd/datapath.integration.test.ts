import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hasGenericFamily } from "../netlink/index.ts";
import { type AgentHost, type AgentProcess, startAgentHost } from "../testing/agent-host.ts";
import { kernelHasDatapath } from "./datapath.ts";
import { configureOpenVswitch, findBridge, openVswitchdSession } from "./index.ts";

let host: AgentHost;
let agent: AgentProcess | undefined;
const metrics = "127.0.0.1:9441";
const start = (...flags: readonly string[]) => {
  agent = host.startAgent("--metrics-bind-address", metrics, ...flags);
  return agent;
};
const readyz = () => {
  try {
    const script = `fetch("http://${metrics}/readyz").then(async (answer) => console.log(await answer.text()))`;
    return host.inNode(process.execPath, "-e", script);
  } catch {
    // Not serving yet.
    return "";
  }
};
const datapath = (bridge: string) => host.vsctl("get", "Bridge", bridge, "datapath_type");
const key = () => host.vsctl("get", "Open_vSwitch", ".", "external_ids:ovn-bridge-datapath-type");
const logger = { debug() {}, info() {}, warn() {} };

beforeAll(async () => {
  // As the distributions start it: it lists the datapath `system`, whatever the kernel has.
  host = await startAgentHost({ vswitchdFlags: [] });
});
afterEach(async () => {
  await agent?.end();
  agent = undefined;
  for (const bridge of ["br-int", "br-ex", "br-tun"]) host.vsctl("--if-exists", "del-br", bridge);
});
afterAll(() => host?.stop());

describe("the kernel's datapath", () => {
  it("is what generic netlink knows, or a module that can be loaded", () => {
    expect(hasGenericFamily("nlctrl")).toBe(true);
    expect(hasGenericFamily("ovenbird_none")).toBe(false);
    const folder = join(host.folder, "modules");
    mkdirSync(folder);
    expect(kernelHasDatapath(folder)).toBe(hasGenericFamily("ovs_datapath"));
    writeFileSync(join(folder, "modules.dep"), "kernel/net/openvswitch/openvswitch.ko.xz: kernel/net/nsh/nsh.ko.xz\n");
    expect(kernelHasDatapath(folder)).toBe(true);
  });
});

describe.skipIf(kernelHasDatapath())("on a kernel without Open vSwitch", () => {
  it("bridges get the userspace datapath, though vswitchd lists the kernel's too, and the log says why", async () => {
    expect(host.vsctl("get", "Open_vSwitch", ".", "datapath_types")).toContain("system");
    const { output } = start();
    await host.until("br-int works", () => readyz().includes("[+] open-vswitch"));
    expect([datapath("br-int"), key()]).toEqual(["netdev", "netdev"]);
    expect(output()).toContain("the kernel has no Open vSwitch datapath and no module openvswitch");
  });

  it("a bridge that could not be opened shows in the readiness and in a warning", async () => {
    const { output } = start("--datapath", "system");
    const problem = "ovs-vswitchd has not opened br-int with the datapath system";
    await host.until("the readiness says it", () => readyz().includes(`[-] open-vswitch: ${problem}`));
    await host.until("the log warns", () => output().includes("a bridge does not work"));
    expect(output()).toContain(problem);
  });

  it("a bridge that ovn-controller made before with the kernel's datapath is converted", async () => {
    host.vsctl("--no-wait", "add-br", "br-int");
    host.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:ovn-bridge-datapath-type=system");
    start();
    await host.until("br-int works", () => readyz().includes("[+] open-vswitch"));
    expect([datapath("br-int"), key()]).toEqual(["netdev", "netdev"]);
  });

  it("a bridge that works keeps its datapath, and the command in the warning converts it", async () => {
    host.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev");
    const { output } = start("--datapath", "system");
    await host.until("the log warns", () => output().includes("keeps its datapath"));
    expect([datapath("br-int"), key()]).toEqual(["netdev", "netdev"]);
    const command = /"command":"ovs-vsctl ([^"]+)"/.exec(output())?.[1] ?? "";
    host.vsctl("--no-wait", ...command.split(" "));
    expect([datapath("br-int"), key()]).toEqual(["system", "system"]);
    // What vswitchd wrote of the bridge while it worked still stands in the database.
    await host.until("the readiness tells that it works no more", () => readyz().includes("[-] open-vswitch: ovs-vsw"));
  });

  it("a gateway bridge of another datapath is warned of", async () => {
    host.vsctl("--no-wait", "add-br", "br-ex");
    const { output } = start();
    await host.until("the log warns", () => output().includes("the gateway bridge has another datapath"));
    expect(output()).toContain("ovs-vsctl set Bridge br-ex datapath_type=netdev");
  });

  it("tunnels whose address lies outside of Open vSwitch show in the readiness and in a warning", async () => {
    const { output } = start();
    const problem = `the tunnels' address 192.0.2.11 lies on ${host.uplink}, which is no internal port of Open vSwitch`;
    await host.until("the readiness says it", () => readyz().includes(`[-] tunnels: ${problem}`));
    await host.until("the log warns", () => output().includes("pods can't reach pods of other nodes"));
    await agent?.end();
    start("--uplink", host.uplink);
    await host.until("the address lies on the bridge", () => readyz().includes("[+] tunnels"));
  });

  it("tunnels have what they need once their address lies on a bridge of its own, made as docs/install.md says", async () => {
    const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "install.md"), "utf8");
    const commands = /ovs-vsctl add-br br-tun.*\n.*br-tun up/.exec(document)?.[0] ?? "";
    // Wherever the test before has left it.
    host.inNode("ip", "address", "replace", "192.0.2.11/24", "dev", host.uplink);
    start("--encap-ip", "192.0.2.11");
    await host.until("the readiness says what is wrong", () => readyz().includes("[-] tunnels"));
    const own = commands.replaceAll("eth0", host.uplink).replace("10.0.0.11", "192.0.2.11");
    host.inNode("env", `OVS_RUNDIR=${host.folder}`, "sh", "-ec", own);
    await host.until("nothing is wrong any more", () => readyz().includes("[+] tunnels"));
    await host.until("frames pass", () =>
      host.inNode("sh", "-c", "ping -c 1 -W 1 192.0.2.1 || true").includes("1 received"),
    );
  });
});

describe("the integration bridge", () => {
  it("is adopted when ovn-controller makes it at the same moment", async () => {
    const session = await openVswitchdSession({ endpoint: `unix:${join(host.folder, "db.sock")}`, logger });
    try {
      // Runs to its end before this process reads what the database sends.
      execFileSync("ovs-vsctl", [`--db=unix:${join(host.folder, "db.sock")}`, "--no-wait", "add-br", "br-int"]);
      expect(findBridge(session.replica, "br-int")).toBeUndefined();
      const { integrationBridge } = await configureOpenVswitch(
        session,
        {
          systemId: "chassis-a",
          encapType: "geneve",
          encapIp: "192.0.2.11",
          ovnRemote: undefined,
          datapath: "netdev",
          bridgeMapping: undefined,
        },
        logger,
      );
      expect(integrationBridge).toBe("br-int");
      expect(findBridge(session.replica, "br-int")).toMatchObject({ datapath_type: "netdev", fail_mode: "secure" });
    } finally {
      await session.close();
    }
  });
});
