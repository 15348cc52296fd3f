import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { folderOf, stopLab } from "../../lab/lab.ts";

const repository = join(import.meta.dirname, "..", "..");
const lab = (...args: string[]) => [join(repository, "lab", "main.ts"), ...args];
const run = (...args: string[]) => promisify(execFile)(process.execPath, lab(...args), { maxBuffer: 64 * 1024 * 1024 });

/** What a lab of that name has on the machine: namespaces, processes, links of the root namespace, files. */
function traces(name: string): string[] {
  const namespaces = existsSync("/run/netns")
    ? readdirSync("/run/netns").filter((entry) => entry.startsWith(`ob-${name}-`))
    : [];
  const folder = folderOf(name);
  const processes = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return command.includes(folder) ? [`${pid} ${command}`] : [];
      } catch (error) {
        // It ended while we looked.
        if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return [];
        throw error;
      }
    });
  const files = [folder, `/run/ovenbird-lab/${name}`].filter((path) => existsSync(path));
  return [...namespaces, ...processes, ...files];
}

const linksOfRoot = () =>
  (JSON.parse(execFileSync("ip", ["-json", "link"]).toString()) as { ifname: string }[])
    .map(({ ifname }) => ifname)
    .sort();

const names = ["lifea", "lifeb", "lifec", "lifed"];

afterAll(async () => {
  for (const name of names) await stopLab(name);
});

/** Starts `lab up` and resolves as soon as it has made its first namespace. */
async function upUntilUnderWay(name: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, lab("up", "--nodes", "1", "--name", name), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  await expect.poll(() => traces(name).some((trace) => trace.startsWith(`ob-${name}`)), { timeout: 60_000 }).toBe(true);
  return child;
}

const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>((resolve) => child.once("exit", () => resolve()));

describe("the life of a lab", () => {
  it("two of them run side by side, `up` twice is fine, and `down` leaves nothing", async () => {
    const links = linksOfRoot();
    await Promise.all([
      run("up", "--nodes", "1", "--name", "lifea"),
      run("up", "--nodes", "1", "--name", "lifeb", "--ipv6-only"),
    ]);
    expect(linksOfRoot()).toEqual(links);
    await run("up", "--nodes", "1", "--name", "lifea");
    for (const name of ["lifea", "lifeb"]) {
      const { stdout } = await run("check", "--name", name, "--json");
      expect(JSON.parse(stdout)).toMatchObject({ ok: true });
      await run("down", "--name", name);
      expect(traces(name)).toEqual([]);
    }
    expect(linksOfRoot()).toEqual(links);
  });

  it("Ctrl-C in the middle of `up` leaves nothing", async () => {
    const child = await upUntilUnderWay("lifec");
    child.kill("SIGINT");
    await ended(child);
    await expect.poll(() => traces("lifec"), { timeout: 30_000 }).toEqual([]);
  });

  it("a parent killed in the middle of `up` leaves nothing", async () => {
    const child = await upUntilUnderWay("lifec");
    child.kill("SIGKILL");
    await ended(child);
    await expect.poll(() => traces("lifec"), { timeout: 30_000 }).toEqual([]);
  });

  it("probes from a file are answered in their order", async () => {
    await run("up", "--nodes", "1", "--name", "lifed");
    const child = spawn(process.execPath, lab("probe", "--name", "lifed", "--file", "-", "--json"), {
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.end(
      JSON.stringify([
        { from: "default/demo-1", to: "default/demo-2", port: 8080, protocol: "tcp", expect: "connected" },
        { from: "default/demo-1", to: "default/demo-2", port: 9, protocol: "udp", expect: "refused" },
        { from: "node:node1", to: "default/demo-1", protocol: "icmp", expect: "connected" },
        { from: "default/demo-1", to: "192.0.2.1", port: 80, protocol: "tcp" },
      ]),
    );
    const text: string[] = [];
    for await (const line of createInterface(child.stdout)) text.push(line);
    const outcomes = JSON.parse(text.join("\n")) as { verdict: string; peer?: string }[];
    expect(outcomes.map(({ verdict }) => verdict).slice(0, 3)).toEqual(["connected", "refused", "connected"]);
    expect(outcomes[0]?.peer).toBe("default/demo-2");
    expect(outcomes).toHaveLength(4);
  });

  it("under another state folder the same name is refused, and `down` there leaves the lab as it is", async () => {
    const env = { ...process.env, OVENBIRD_LAB_STATE_DIR: mkdtempSync(join(tmpdir(), "life-")) };
    const elsewhere = (...args: string[]) => promisify(execFile)(process.execPath, lab(...args), { env });
    await expect(elsewhere("up", "--name", "lifed")).rejects.toThrow(`a lab named lifed lives in ${folderOf("lifed")}`);
    expect((await elsewhere("down", "--name", "lifed")).stdout).toContain("is left alone");
    await run("check", "--name", "lifed");
  });

  it("what can't be is said, and told by the exit status", async () => {
    await expect(run("up", "--name", "lifed", "--nodes", "2")).rejects.toThrow("runs with 1 node; take it down first");
    await expect(
      run("probe", "--name", "lifed", "--from", "node:node9", "--to", "outside", "--port", "80", "--json"),
    ).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining("there is no node node9") });
    await expect(run("bogus")).rejects.toThrow("there is no command bogus");
    await expect(run("up", "--name", "lifed", "--nodes", "0")).rejects.toThrow("It must be a number from 1 to 50.");
  });

  it("status shows a pod that fits no node, with the reason", async () => {
    const overrides = JSON.stringify({ spec: { nodeSelector: { disk: "ssd" } } });
    await run("kubectl", "--name", "lifed", "run", "picky", "--image=probe", `--overrides=${overrides}`);
    const status = () =>
      run("status", "--name", "lifed", "--json").catch((error: { readonly stdout: string }) => error);
    await expect
      .poll(async () => JSON.parse((await status()).stdout))
      .toMatchObject({
        ok: false,
        pods: expect.arrayContaining([
          expect.objectContaining({
            pod: "default/picky",
            state: "pending",
            problem: expect.stringContaining("Unschedulable, 0/1 nodes are available"),
          }),
        ]),
      });
    await run("kubectl", "--name", "lifed", "delete", "pod", "picky");
    expect(JSON.parse((await status()).stdout)).toMatchObject({ ok: true });
  });

  it("a supervisor that is killed takes everything with it", async () => {
    const supervisor = traces("lifed").find((trace) => trace.includes("supervisor/main.ts"));
    process.kill(Number.parseInt(supervisor ?? "", 10), "SIGKILL");
    await expect.poll(() => traces("lifed"), { timeout: 30_000 }).toEqual([]);
  });
});
