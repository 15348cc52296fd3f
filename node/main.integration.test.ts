import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { socketAnswers } from "./testing/agent-host.ts";

const main = join(import.meta.dirname, "main.ts");
let folder: string;
let kubeconfig: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync("/tmp/ovenbird-main-");
  kubeconfig = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      // Nobody listens there: the discard port.
      clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:9" } }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
      "current-context": "x",
    }),
  );
});
afterEach(async () => {
  if (child && child.exitCode === null) {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  child = undefined;
  rmSync(folder, { recursive: true });
});

const run = (...args: readonly string[]) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [main, "--node", "node-a", ...args], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stderr, stdout };
};

/** Starts the agent with a kubeconfig whose API nobody serves. */
function startProgram(...args: readonly string[]) {
  const started = spawn(process.execPath, [
    ...[main, "--node", "node-a", "--kubeconfig", kubeconfig, "--metrics-bind-address", "127.0.0.1:0"],
    ...["--cni-socket", join(folder, "cni.sock"), "--ovs-rundir", folder, ...args],
  ]);
  child = started;
  let output = "";
  const address = new Promise<string>((resolve) => {
    started.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const found = /"address":"([^"]+)"/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return {
    output: () => output,
    async get(path: string) {
      const response = await fetch(`http://${await address}${path}`);
      return { status: response.status, text: await response.text() };
    },
  };
}

describe("the agent's program", () => {
  it("ends with status 2 and one clear line when there is no such kubeconfig", () => {
    const { status, stderr, stdout } = run("--kubeconfig", "/nonexistent");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^ovenbird-agent: kubeconfig \/nonexistent: .*ENOENT.*\n$/);
  });

  it("ends with status 2 when the kubeconfig's context does not exist", () => {
    writeFileSync(kubeconfig, JSON.stringify({ clusters: [], contexts: [], "current-context": "gone" }));
    const { status, stderr } = run("--kubeconfig", kubeconfig);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^ovenbird-agent: .*"gone".*\n$/);
  });

  it("ends with status 2 when there is no such plugin", () => {
    const { status, stderr } = run("--kubeconfig", kubeconfig, "--cni-plugin", "/nope");
    expect(status).toBe(2);
    expect(stderr).toContain('--cni-plugin (OVENBIRD_CNI_PLUGIN) "/nope": is no executable file');
  });

  it("marks in its help what is required", () => {
    const { status, stdout } = run("--help");
    expect(status).toBe(0);
    expect(stdout.replaceAll(/\s+/g, " ")).toContain("name of this node in Kubernetes (required) [OVENBIRD_NODE]");
    expect(stdout.match(/\(required\)/g)).toHaveLength(1);
  });

  it("tells in its readiness and its log that the API can't be reached, and does not repeat itself", async () => {
    const database = join(folder, "conf.db");
    const socket = join(folder, "db.sock");
    execFileSync("ovsdb-tool", ["create", database, "/usr/share/openvswitch/vswitch.ovsschema"]);
    const server = spawn("ovsdb-server", [
      ...[`--remote=punix:${socket}`, `--unixctl=${join(folder, "ovsdb.ctl")}`, database],
    ]);
    try {
      await socketAnswers(socket);
      const { get, output } = startProgram("--ovs-db", `unix:${socket}`);
      await vi.waitFor(
        async () =>
          expect((await get("/readyz")).text).toMatch(/\[\+\] ovsdb\n(.*\n)?\[-\] kubernetes: .*ECONNREFUSED/),
        { timeout: 10_000 },
      );
      await vi.waitFor(() => expect(output()).toContain("list or watch failed"), { timeout: 10_000 });
      // The pauses grow from 200 ms: several attempts more.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      // One for the pods, one for the Node.
      expect(output().match(/list or watch failed/g)).toHaveLength(2);
    } finally {
      const ended = once(server, "exit");
      server.kill();
      await ended;
    }
  });

  it("answers from the start what it waits for, and warns once, while there is no database", async () => {
    const warning = "no connection to the local Open_vSwitch database yet";
    const { get, output } = startProgram("--ovs-db", "unix:/nope/db.sock");
    expect(await get("/healthz")).toEqual({ status: 200, text: "ok\n" });
    await vi.waitFor(() => expect(output()).toContain(warning), { timeout: 10_000 });
    const { status, text } = await get("/readyz");
    expect(status).toBe(503);
    expect(text).toContain("[-] ovsdb: unix:/nope/db.sock can't be reached: connect ENOENT /nope/db.sock\n");
    expect(text).toContain("[-] kubernetes: ");
    // The second wait is over after 1 s more.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(output().split(warning)).toHaveLength(2);
    const ended = child && once(child, "exit");
    child?.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
  });
});
