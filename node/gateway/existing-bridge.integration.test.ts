import { nodeChassisAnnotationKey } from "@ovenbird/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, type AgentProcess, startAgentHost } from "../testing/agent-host.ts";

let host: AgentHost;
let agent: AgentProcess;

beforeAll(async () => {
  host = await startAgentHost();
});

afterAll(async () => {
  try {
    await agent?.end();
  } finally {
    await host?.stop();
  }
});

const chassis = () => JSON.parse(host.patches.at(-1)?.[nodeChassisAnnotationKey] ?? "{}");
const addresses = () => host.inNode("ip", "-o", "address", "show", "dev", "br-ex", "scope", "global");

describe("a gateway bridge that somebody else has made", () => {
  it("is no gateway while it does not exist", async () => {
    agent = host.startAgent();
    await host.until("the chassis is told", () => host.patches.length === 1);
    expect(chassis()).toEqual({ systemId: "chassis-a" });
    expect(host.vsctl("br-exists", "br-int")).toBe("");
    expect(host.vsctl("--bare", "get", "Open_vSwitch", ".", "external_ids")).not.toContain("ovn-bridge-mappings");
  });

  it("is used as it is once it stands, with the addresses that it bears", async () => {
    host.vsctl(
      ...["add-br", "br-ex", "--", "set", "Bridge", "br-ex", "datapath_type=netdev", "external_ids:theirs=kept"],
      ...["--", "add-port", "br-ex", host.uplink],
    );
    host.inNode("ip", "address", "flush", "dev", host.uplink);
    host.inNode("ip", "link", "set", "br-ex", "up");
    host.inNode("ip", "address", "add", "192.0.2.11/24", "dev", "br-ex");
    host.inNode("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "br-ex");
    await host.until("the chassis has its gateway", () => chassis().gateway?.nextHops?.length === 1);
    expect(chassis().gateway).toMatchObject({ addresses: ["192.0.2.11/24"], nextHops: ["192.0.2.1"] });
    await host.until("the mapping is set", () =>
      host.vsctl("--bare", "get", "Open_vSwitch", ".", "external_ids").includes("physnet:br-ex"),
    );
    expect(host.vsctl("get", "Bridge", "br-ex", "external_ids:theirs")).toBe("kept");
    expect(host.inNode("ping", "-c", "1", "-W", "2", "192.0.2.1")).toContain("1 received");
  });

  it("gets its addresses and routes back when vswitchd was killed", async () => {
    const before = host.patches.length;
    await host.killVswitchd();
    host.inNode("ip", "link", "delete", "br-ex");
    host.startVswitchd();
    await host.until(
      "the route is back",
      () =>
        host.inNode("ip", "-br", "link").includes("br-ex") &&
        addresses().includes("192.0.2.11/24") &&
        host.inNode("ip", "route").includes("default via 192.0.2.1 dev br-ex"),
    );
    await host.until("the neighbour answers", () => {
      try {
        return host.inNode("ping", "-c", "1", "-W", "1", "192.0.2.1").includes("1 received");
      } catch {
        return false;
      }
    });
    expect(host.patches.slice(before)).toEqual([]);
  });

  it("takes an address that is added to it into account", async () => {
    host.inNode("ip", "address", "add", "2001:db8::11/64", "dev", "br-ex", "nodad");
    await host.until("the chassis has it", () => chassis().gateway?.addresses?.length === 2);
    const flows = host.ofctl("dump-flows", `unix:${host.folder}/br-ex.mgmt`, "--no-stats");
    expect(flows).toContain("nd_target=2001:db8::11");
  });
});
