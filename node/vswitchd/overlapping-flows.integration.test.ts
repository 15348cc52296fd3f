import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, startAgentHost } from "../testing/agent-host.ts";
import { askVswitchd } from "./control.ts";
import { confusesOverlappingFlows, forgetConfusedFlows } from "./overlapping-flows.ts";

let host: AgentHost;

const confuses = confusesOverlappingFlows(
  /\) (\S+)/.exec(execFileSync("ovs-vswitchd", ["--version"], { encoding: "utf8" }))?.[1],
);

async function ask(method: string, ...params: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const some of askVswitchd(host.folder, method, params)) lines.push(...some);
  return lines;
}

let nextPort = 1;
/** Each time of another connection, so that none is remembered by itself. */
async function receive(destination: string): Promise<void> {
  nextPort += 1;
  await ask("netdev-dummy/receive", "p1", `ipv4(src=10.0.0.1,dst=${destination},proto=6),tcp(src=${nextPort},dst=2)`);
}

/** The datapath has followed once that returns. */
async function replaceFlows(flow: string): Promise<void> {
  execFileSync("ovs-ofctl", ["--bundle", "replace-flows", `unix:${join(host.folder, "br0.mgmt")}`, "-"], {
    input: flow,
    env: { ...process.env, OVS_RUNDIR: host.folder },
  });
  await ask("revalidator/wait");
}

/** What the datapath does with packets by each of its cached flows, by the flow's network. */
async function cachedFlows(): Promise<Readonly<Record<string, string>>> {
  const flows = (await ask("dpctl/dump-flows")).flatMap((line) => {
    const [, network, actions] = /ipv4\(dst=([^,]+),.* actions:(\S+)/.exec(line) ?? [];
    return network === undefined || actions === undefined ? [] : [[network, actions] as const];
  });
  return Object.fromEntries(flows);
}

beforeAll(async () => {
  host = await startAgentHost({ vswitchdFlags: ["--disable-system", "--enable-dummy"] });
  host.vsctl(
    ...["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy"],
    ...["--", "add-port", "br0", "p1", "--", "set", "interface", "p1", "type=dummy", "ofport_request=1"],
    ...["--", "add-port", "br0", "p2", "--", "set", "interface", "p2", "type=dummy", "ofport_request=2"],
  );
  // The host gives the control socket a name of its own.
  writeFileSync(join(host.folder, "ovs-vswitchd.pid"), "1\n");
  symlinkSync(join(host.folder, "vswitchd.ctl"), join(host.folder, "ovs-vswitchd.1.ctl"));
});
afterAll(() => host?.stop());

describe("cached flows that overlap", () => {
  it("are forgotten where Open vSwitch changes the wrong one of them, and only there", async () => {
    const [narrow, wide] = ["10.1.2.2/255.255.255.0", "10.1.0.2/255.255.0.0"] as const;
    // As wide as the one that comes last, so that such are looked at first.
    const other = "in_port=1,ip,nw_dst=10.2.0.0/16,actions=drop\n";
    await replaceFlows(`${other}in_port=1,ip,nw_dst=10.1.2.0/24,actions=output:2`);
    await receive("10.2.0.2");
    await receive("10.1.2.2");
    // The flow for the narrower network stays, since the rule's effect on it is all that counts.
    await replaceFlows(`${other}in_port=1,ip,nw_dst=10.1.0.0/16,actions=ct(commit)`);
    await receive("10.1.0.2");
    await receive("10.1.2.2");
    await replaceFlows(`${other}in_port=1,ip,nw_dst=10.1.0.0/16,actions=output:2`);
    const followed = await cachedFlows();
    expect(followed[narrow]).toBe(confuses ? "ct(commit)" : "2");
    expect(followed[wide]).toBe("2");
    expect(await forgetConfusedFlows(host.folder, "netdev")).toBe(confuses ? "forgotten" : "sound");
    await receive("10.1.0.2");
    await receive("10.1.2.2");
    const made = await cachedFlows();
    expect([made[narrow] ?? made[wide], made[wide]]).toEqual(["2", "2"]);
  });

  it("are left alone in the kernel's datapath", async () => {
    expect(await forgetConfusedFlows(host.folder, "system")).toBe("sound");
  });
});
