import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AgentHost, type AgentProcess, startAgentHost } from "../testing/agent-host.ts";

let host: AgentHost;
let agent: AgentProcess | undefined;
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

it("an announcement leaves by the gateway bridge's uplink, through the agent's flows and the userspace datapath", async () => {
  agent = host.startAgent("--uplink", host.uplink);
  await host.until("the chassis is told", () => host.patches.length > 0);
  const capture = spawn(
    "ip",
    ["netns", "exec", host.outside, "tcpdump", "-lnevi", "wire", "--immediate-mode", "arp or icmp6"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  capture.stdout.setEncoding("utf8");
  capture.stdout.on("data", (chunk: string) => {
    output += chunk;
  });
  await once(capture.stderr, "data");
  const script = `
    import { sendAnnouncement } from "${join(import.meta.dirname, "send-announcement.ts")}";
    import { openRouteSocket } from "${join(import.meta.dirname, "..", "netlink", "index.ts")}";
    using socket = openRouteSocket();
    for (const address of ["192.0.2.177", "2001:db8::177"]) sendAnnouncement(socket, "br-ex", address);`;
  host.inNode(process.execPath, "--input-type=module-typescript", "-e", script);
  await host.until(
    "both announcements outside",
    () => output.includes("who-has 192.0.2.177 tell 192.0.2.177") && output.includes("tgt is 2001:db8::177"),
  );
  const { mac } = JSON.parse(host.inNode("ip", "-j", "link", "show", "br-ex").replace('"address"', '"mac"'))[0];
  expect(output).toContain(`${mac} > ff:ff:ff:ff:ff:ff`);
  expect(output).toContain(`${mac} > 33:33:00:00:00:01`);
  const ended = once(capture, "exit");
  capture.kill("SIGTERM");
  await ended;
});
