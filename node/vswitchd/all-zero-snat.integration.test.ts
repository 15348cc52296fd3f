import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, startAgentHost } from "../testing/agent-host.ts";
import { abortsOverAllZeroSnat } from "./all-zero-snat.ts";
import { openVswitchdSession, type VswitchdSession, withholdAllZeroSnat } from "./index.ts";

const logger = { debug() {}, info() {}, warn() {} };
let host: AgentHost;
let session: VswitchdSession;

const aborts = abortsOverAllZeroSnat(
  /\) (\S+)/.exec(execFileSync("ovs-vswitchd", ["--version"], { encoding: "utf8" }))?.[1],
);
const capability = () =>
  /\bct_zero_snat=(\w+)/.exec(host.vsctl("--bare", "--columns=capabilities", "list", "Datapath"))?.[1];
const offered = () => host.until("vswitchd offers all-zero SNAT", () => capability() === "true");
/** As the session has it: it is told a moment later. */
const known = () =>
  host.until("the session knows", () =>
    [...session.replica.table("Datapath").values()].some((row) => row.capabilities.get("ct_zero_snat") === "true"),
  );

beforeAll(async () => {
  host = await startAgentHost();
  host.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev");
  // As ovn-controller does.
  host.vsctl(
    "--id=@d",
    "create",
    "Datapath",
    "datapath_version=unknown",
    "--",
    "set",
    "Open_vSwitch",
    ".",
    "datapaths:netdev=@d",
  );
  session = await openVswitchdSession({ endpoint: `unix:${join(host.folder, "db.sock")}`, logger });
});
afterAll(async () => {
  await session?.close();
  await host?.stop();
});

describe("what vswitchd says of its all-zero SNAT", () => {
  it("stays, to be looked at again, where vswitchd doesn't tell its version", async () => {
    await offered();
    await known();
    await expect(withholdAllZeroSnat(session, host.folder, logger)).rejects.toThrow("ovs-vswitchd.pid");
    expect(capability()).toBe("true");
  });

  it("is withheld where it makes vswitchd abort, and only there, and again after the next start", async () => {
    for (const start of ["first", "next"]) {
      if (start === "next") {
        await host.killVswitchd();
        host.startVswitchd();
        await offered();
        await known();
      }
      // The host gives the control socket a name of its own.
      writeFileSync(join(host.folder, "ovs-vswitchd.pid"), "1\n");
      if (start === "first") symlinkSync(join(host.folder, "vswitchd.ctl"), join(host.folder, "ovs-vswitchd.1.ctl"));
      await withholdAllZeroSnat(session, host.folder, logger);
      expect(capability()).toBe(aborts ? undefined : "true");
    }
  });
});
