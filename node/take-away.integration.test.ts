import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeNetworkAnnotationKey } from "@ovenbird/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, socketAnswers, startAgentHost } from "./testing/agent-host.ts";

/** The blocks of commands of the document's last part, as they stand there. */
const blocks = (() => {
  const document = readFileSync(join(import.meta.dirname, "..", "docs", "install.md"), "utf8");
  const part = document.slice(document.indexOf("## Take it away"));
  return [...part.matchAll(/```sh\n(.*?)```/gs)].map(([, commands = ""]) => commands);
})();
const block = (word: string) => blocks.find((commands) => commands.includes(word)) ?? "";

let host: AgentHost;
let before: string;

beforeAll(async () => {
  host = await startAgentHost();
  host.vsctl(
    ...["--no-wait", "set", "Open_vSwitch", ".", "external_ids:foreign=kept"],
    ...["external_ids:ovn-bridge-mappings=tenants:br-tenants"],
  );
  before = network();
});
afterAll(() => host?.stop());

/** Addresses and routes of the node, the order of routes left aside. */
function network(): string {
  const addresses = host.inNode("sh", "-c", "ip -o address show scope global | awk '{ print $2, $4 }'");
  const routes = host.inNode("sh", "-c", "{ ip route; ip -6 route | grep default; } | sed 's/ proto [a-z]*//' | sort");
  const rules = host.inNode("sh", "-c", "ip rule | sed 's/ proto [a-z]*//'; ip -6 rule");
  return (addresses + routes + rules).replaceAll(/ +$/gm, "");
}

function run(commands: string): void {
  const own = commands
    .replaceAll("eth1", host.uplink)
    .replaceAll("/etc/cni/net.d", host.confDir)
    .replaceAll("/opt/cni/bin", host.binDir);
  const environment = [`OVS_RUNDIR=${host.folder}`, `OVN_RUNDIR=${host.folder}`];
  const args = ["netns", "exec", host.namespace, "env", ...environment, "sh", "-uc", own];
  const { stderr } = spawnSync("ip", args, { encoding: "utf8" });
  expect(stderr).toBe("");
}

describe("the commands of docs/install.md that take Ovenbird away", () => {
  it("leave a node as it was before", async () => {
    const agent = host.startAgent("--uplink", host.uplink);
    host.annotate({
      [nodeNetworkAnnotationKey]: JSON.stringify({
        index: 0,
        subnets: ["10.244.0.0/24"],
        managementPort: {
          port: "management.node-a",
          mac: "0a:58:0a:f4:00:02",
          addresses: ["10.244.0.2/24"],
          gateways: ["10.244.0.1"],
        },
        routes: ["10.244.0.0/16"],
        nodePorts: { first: 30_000, last: 32_767 },
        mtuBytes: 1400,
      }),
    });
    const conflist = join(host.confDir, "10-ovenbird.conflist");
    await host.until("the agent is ready", () => existsSync(conflist));
    await host.until("the uplink is on the bridge", () => agent.output().includes("moved the host's addresses"));
    await host.until("the mapping is set", () =>
      host.vsctl("--bare", "get", "Open_vSwitch", ".", "external_ids").includes("physnet"),
    );
    await host.until("NodePorts lead to OVN", () => host.inNode("ip", "rule").includes("dport 30000-32767"));
    expect(await agent.end()).toBe(0);

    run(block("rm -f"));
    run(block("ip $family rule"));
    run(block("uplink=eth1"));
    run(block("ovn-bridge-mappings"));
    expect(existsSync(conflist)).toBe(false);
    expect(host.vsctl("list-br")).toBe("");
    expect(host.inNode("nft", "list", "ruleset")).toBe("");
    const ids = host.vsctl("get", "Open_vSwitch", ".", "external_ids");
    expect(ids).toBe('{foreign=kept, ovn-bridge-mappings="tenants:br-tenants", system-id=chassis-a}');
    expect(network()).toBe(before);
    expect(host.inOutside("ping", "-c", "1", "-W", "2", "192.0.2.11")).toContain("1 received");
  });

  it("leave nothing of ours in the northbound database, and others' rows alone", async () => {
    const database = join(host.folder, "nb.db");
    const socket = join(host.folder, "ovnnb_db.sock");
    host.inNode("ovsdb-tool", "create", database, "/usr/share/ovn/ovn-nb.ovsschema");
    host.start("nb", "ovsdb-server", `--remote=punix:${socket}`, `--unixctl=${join(host.folder, "nb.ctl")}`, database);
    await socketAnswers(socket);
    const nbctl = (...args: readonly string[]) => host.inNode("ovn-nbctl", `--db=unix:${socket}`, ...args).trim();
    nbctl("ls-add", "theirs", "--", "lsp-add", "theirs", "their-port", "--", "lr-add", "their-router");
    for (const name of ["ours-1", "ours-2"]) {
      const owner = `external_ids:"ovenbird.io/owner"="Node/${name}"`;
      nbctl("ls-add", name, "--", "set", "Logical_Switch", name, owner, "--", "lsp-add", name, `${name}-port`);
      nbctl("lr-add", `${name}-r`, "--", "set", "Logical_Router", `${name}-r`, owner);
    }
    run(block("ovn-nbctl"));
    const names = (table: string) => nbctl("--bare", "--columns=name", "list", table);
    expect(["Logical_Switch", "Logical_Switch_Port", "Logical_Router"].map(names)).toEqual([
      "theirs",
      "their-port",
      "their-router",
    ]);
  });
});
