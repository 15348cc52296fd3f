import { spawn } from "node:child_process";
import { join } from "node:path";

/** ovs-ofctl talks to a local socket; only a hanging vswitchd makes it take longer. */
const timeoutMs = 10_000;

/**
 * Makes a bridge's OpenFlow tables exactly the given ones, in one atomic bundle that touches only what differs.
 * @param rundir where vswitchd has its sockets (`<bridge>.mgmt`)
 * @param text flows as ovs-ofctl(8) reads them
 * @throws Error with what ovs-ofctl said
 */
export function installFlows(rundir: string, bridge: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      "ovs-ofctl",
      ["-O", "OpenFlow14", "--bundle", "replace-flows", `unix:${join(rundir, `${bridge}.mgmt`)}`, "-"],
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
      else reject(new Error(`ovs-ofctl replace-flows ${bridge} ended with ${signal ?? code}: ${complaint.trim()}`));
    });
    // It may have ended before it read all; its exit status says why.
    child.stdin.on("error", () => undefined);
    child.stdin.end(text);
  });
}
