import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, readAgentConfig } from "./config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync("/tmp/ovenbird-config-");
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, "agent.yaml");
  writeFileSync(path, text);
  return path;
}

function problemOf(args: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  try {
    readAgentConfig(args, environment);
  } catch (error) {
    if (error instanceof ConfigError && error.code === "INVALID_CONFIG") return error.message;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

describe("the agent's configuration", () => {
  it("needs no more than the node's name", () => {
    expect(readAgentConfig(["--node", "node-a"], {})).toMatchObject({
      node: "node-a",
      ovsDb: "unix:/run/openvswitch/db.sock",
      gatewayBridge: "br-ex",
      encapType: "geneve",
    });
  });

  it("takes flags before variables before the file", () => {
    const path = file("node: from-file\nuplink: file0\nphysicalNetwork: file\n");
    const environment = { OVENBIRD_NODE: "from-variable", OVENBIRD_UPLINK: "variable0", OVENBIRD_CONFIG: path };
    expect(readAgentConfig(["--node", "from-flag"], environment)).toMatchObject({
      node: "from-flag",
      uplink: "variable0",
      physicalNetwork: "file",
    });
  });

  it("reads JSON files too", () => {
    expect(readAgentConfig(["--config", file('{"node":"node-a"}')], {}).node).toBe("node-a");
  });

  it("names every problem, with the flag and the variable", () => {
    const problem = problemOf(["--uplink", "not a name", "--encap-ip", "10.0.0.300", "--datapath", "hardware"]);
    expect(problem).toContain("--node (OVENBIRD_NODE) is missing");
    expect(problem).toContain('--uplink (OVENBIRD_UPLINK) "not a name": is no name for a network interface');
    expect(problem).toContain("--encap-ip");
    expect(problem).toContain("--datapath");
  });

  it.each([
    ["an unknown key in the file", () => ["--config", file("node: a\nuplnk: eth0\n")], "uplnk"],
    ["a file that is no object", () => ["--config", file("- a\n")], "holds no object"],
    ["a file that can't be parsed", () => ["--config", file("a: [")], "can't be parsed"],
    ["a file that is not there", () => ["--config", "/nonexistent.yaml"], "can't be read"],
    ["an unknown flag", () => ["--node", "a", "--bogus", "b"], "--bogus"],
    ["a socket path that does not fit", () => ["--node", "a", "--cni-socket", `/${"x".repeat(108)}`], "--cni-socket"],
    ["a plugin that is not there", () => ["--node", "a", "--cni-plugin", "/nope"], "is no executable file"],
    ["a plugin that is a folder", () => ["--node", "a", "--cni-plugin", "/usr"], "is no executable file"],
    ["a relative folder", () => ["--node", "a", "--cni-conf-dir", "net.d"], "--cni-conf-dir"],
    ["an endpoint of a protocol that OVSDB has not", () => ["--node", "a", "--ovs-db", "http:x"], "--ovs-db"],
  ])("refuses %s", (_, args, expected) => {
    expect(problemOf(args())).toContain(expected);
  });
});
