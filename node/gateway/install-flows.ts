import { spawn } from "node:child_process";
import { join } from "node:path";

/** ovs-ofctl talks to a local socket; only a hanging vswitchd makes it take longer. */
const timeoutMs = 10_000;

/** The flows of a bridge: `table=…,priority=…,match` to actions. */
export type FlowTable = ReadonlyMap<string, string>;

/**
 * Makes a bridge's OpenFlow tables exactly the given ones, in one atomic bundle that touches only what differs.
 * @param rundir where vswitchd has its sockets (`<bridge>.mgmt`)
 * @param before what is installed, as far as is known; undefined = not known, the switch is asked for all of it
 * @returns how many flows were changed; without any nothing is run
 * @throws Error with what ovs-ofctl said
 */
export async function installFlows(
  rundir: string,
  bridge: string,
  wanted: FlowTable,
  before: FlowTable | undefined,
): Promise<number> {
  const lines: string[] = [];
  if (before === undefined) {
    for (const [flow, actions] of wanted) lines.push(`${flow},actions=${actions}\n`);
    await runOfctl(rundir, bridge, "replace-flows", lines.join(""));
    return lines.length;
  }
  for (const flow of before.keys()) if (!wanted.has(flow)) lines.push(`delete_strict ${flow}\n`);
  for (const [flow, actions] of wanted) {
    if (before.get(flow) !== actions) lines.push(`add ${flow},actions=${actions}\n`);
  }
  if (lines.length > 0) await runOfctl(rundir, bridge, "add-flows", lines.join(""));
  return lines.length;
}

function runOfctl(rundir: string, bridge: string, command: "replace-flows" | "add-flows", text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      "ovs-ofctl",
      ["-O", "OpenFlow14", "--bundle", command, `unix:${join(rundir, `${bridge}.mgmt`)}`, "-"],
      { stdio: ["pipe", "ignore", "pipe"], timeout: timeoutMs },
    );
    let complaint = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (chunk: string) => {
      complaint = (complaint + chunk).slice(-2_000);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`ovs-ofctl ${command} ${bridge} ended with ${signal ?? code}: ${complaint.trim()}`));
    });
    // It may have ended before it read all; its exit status says why.
    child.stdin.on("error", () => undefined);
    child.stdin.end(text);
  });
}
