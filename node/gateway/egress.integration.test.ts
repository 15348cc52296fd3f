import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { nodeChassisAnnotationKey, nodeNetworkAnnotationKey } from "@ovenbird/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, type AgentProcess, socketAnswers, startAgentHost } from "../testing/agent-host.ts";

/*
 * The node's side against real OVN: a pod on a logical switch, a gateway router with the node's own addresses, and real
 * TCP in both families between pod, node and outside. The rows are made by ovn-nbctl, so that only the agent is in question.
 */

let host: AgentHost;
let agent: AgentProcess;
let controller: ChildProcess;
let pod: string;
const listeners: ChildProcess[] = [];

const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Answers each connection with the address and port that it comes from, and some packets more. */
const listenerSource = `
for (const host of ["0.0.0.0", "::"]) require("node:net").createServer((socket) => {
  socket.on("error", () => {});
  socket.end(socket.remoteAddress + " " + socket.remotePort + " " + "x".repeat(5000));
}).listen({ port: 8080, host, ipv6Only: true });`;
const askSource = `
const socket = require("node:net").connect({ host: process.argv[1], port: Number(process.argv[2]) });
let text = ""; socket.on("data", (chunk) => { text += chunk; });
socket.on("error", (error) => { console.log(error.code); process.exit(0); });
socket.on("end", () => { console.log(text.length > 5000 ? text.slice(0, text.indexOf(" x")) : "cut off"); process.exit(0); });
setTimeout(() => { console.log("dropped"); process.exit(0); }, 2000);`;

function listenIn(namespace: string): void {
  listeners.push(
    spawn("ip", ["netns", "exec", namespace, process.execPath, "-e", listenerSource], { stdio: "ignore" }),
  );
}

/** `address port` that the other end saw, or what went wrong. */
const ask = (namespace: string, address: string, port = 8080): string =>
  run("ip", "netns", "exec", namespace, process.execPath, "-e", askSource, address, String(port)).trim();

beforeAll(async () => {
  host = await startAgentHost();
  pod = host.namespace.replace("agent", "pod");
  const databases = ["nb", "sb"].map((name) => {
    const socket = join(host.folder, `${name}.sock`);
    const file = join(host.folder, `${name}.db`);
    run("ovsdb-tool", "create", file, `/usr/share/ovn/ovn-${name}.ovsschema`);
    host.start(name, "ovsdb-server", `--remote=punix:${socket}`, `--unixctl=${join(host.folder, `${name}.ctl`)}`, file);
    return { endpoint: `unix:${socket}`, answers: socketAnswers(socket) };
  });
  const [nb = "", sb = ""] = databases.map(({ endpoint }) => endpoint);
  await Promise.all(databases.map(({ answers }) => answers));
  host.start("northd", "ovn-northd", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`, `--unixctl=${host.folder}/northd.ctl`);

  agent = host.startAgent("--uplink", host.uplink, "--ovn-remote", sb);
  await host.until("the chassis is told", () => host.patches.length > 0);
  controller = host.start("ovn-controller", "ovn-controller", `unix:${host.folder}/db.sock`);
  const { mac } = JSON.parse(host.patches[0]?.[nodeChassisAnnotationKey] ?? "").gateway;
  const nbctl = (...args: readonly string[]) => run("ovn-nbctl", `--db=${nb}`, "--timeout=10", ...args);
  const router = (name: string, port: string, address: string, networks: readonly string[], on: string) => {
    nbctl("lrp-add", name, port, address, ...networks);
    const peer = `to-${port}`;
    nbctl("lsp-add", on, peer, "--", "lsp-set-type", peer, "router", "--", "lsp-set-addresses", peer, "router");
    nbctl("lsp-set-options", peer, `router-port=${port}`, "nat-addresses=router");
  };
  nbctl(..."lr-add default -- lr-add gateway -- ls-add node-a -- ls-add join -- ls-add external".split(" "));
  nbctl("set", "Logical_Router", "gateway", "options:chassis=chassis-a", "options:always_learn_from_arp_request=false");
  router("default", "default-node-a", "0a:58:0a:f4:00:01", ["10.244.0.1/24", "fd00:10:244::1/64"], "node-a");
  router("default", "default-join", "0a:58:64:40:00:01", ["100.64.0.1/16", "fd98::1/64"], "join");
  router("gateway", "gateway-join", "0a:58:64:40:00:02", ["100.64.0.2/16", "fd98::2/64"], "join");
  router("gateway", "gateway-external", mac, ["192.0.2.11/24", "2001:db8::11/64"], "external");
  for (const [name, addresses] of [
    ["management.node-a", "0a:58:0a:f4:00:02 10.244.0.2 fd00:10:244::2"],
    ["pod", "0a:58:0a:f4:00:03 10.244.0.3 fd00:10:244::3"],
  ] as const) {
    nbctl("lsp-add", "node-a", name, "--", "lsp-set-addresses", name, addresses);
  }
  nbctl(
    ..."lsp-add external external.node-a-localnet -- lsp-set-type external.node-a-localnet localnet -- lsp-set-addresses external.node-a-localnet unknown".split(
      " ",
    ),
  );
  nbctl("lsp-set-options", "external.node-a-localnet", "network_name=physnet");
  nbctl("set", "Logical_Router", "gateway", "options:lb_force_snat_ip=router_ip");
  // As the controller makes them: no recirculation by dp_hash, and one row for switch and gateway router.
  nbctl("lb-add", "web", "10.96.0.10:80", "10.244.0.3:8080");
  nbctl("set", "Load_Balancer", "web", "options:reject=true", "selection_fields=ip_src,ip_dst,tp_src,tp_dst");
  for (const vip of ["192.0.2.11:30080", "203.0.113.50:80"]) nbctl("lb-add", "web", vip, "10.244.0.3:8080");
  for (const vip of ["[fd00:10:96::10]:80", "[2001:db8::11]:30080", "[2001:db8:50::1]:80"]) {
    nbctl("lb-add", "web", vip, "[fd00:10:244::3]:8080");
  }
  nbctl("ls-lb-add", "node-a", "web", "--", "lr-lb-add", "gateway", "web");
  for (const [cluster, join, outside, node, management, external] of [
    ["10.244.0.0/24", "100.64.0", "0.0.0.0/0", "192.0.2.11", "10.244.0.2", "192.0.2.1"],
    ["fd00:10:244::/64", "fd98:", "::/0", "2001:db8::11", "fd00:10:244::2", "2001:db8::1"],
  ] as const) {
    const separator = join.endsWith(":") ? ":" : ".";
    nbctl("lr-route-add", "gateway", cluster, `${join}${separator}1`);
    nbctl("lr-route-add", "gateway", outside, external);
    nbctl("--portrange", "lr-nat-add", "gateway", "snat", node, cluster, "61000-65535");
    nbctl("--policy=src-ip", "lr-route-add", "default", cluster, `${join}${separator}2`);
    nbctl("lr-route-add", "default", node, management);
  }
  host.annotate({
    [nodeNetworkAnnotationKey]: JSON.stringify({
      index: 0,
      subnets: ["10.244.0.0/24", "fd00:10:244::/64"],
      managementPort: {
        port: "management.node-a",
        mac: "0a:58:0a:f4:00:02",
        addresses: ["10.244.0.2/24", "fd00:10:244::2/64"],
        gateways: ["10.244.0.1", "fd00:10:244::1"],
      },
      routes: ["10.244.0.0/16", "fd00:10:244::/48", "100.64.0.0/16", "fd98::/64", "10.96.0.0/16", "fd00:10:96::/112"],
      nodePorts: { first: 30_000, last: 32_767 },
      mtuBytes: 1400,
    }),
  });

  run("ip", "netns", "add", pod);
  run("ip", "-n", pod, ..."link add eth0 type veth peer name pod0 mtu 1400 netns".split(" "), host.namespace);
  run("ip", "-n", pod, "link", "set", "eth0", "address", "0a:58:0a:f4:00:03", "mtu", "1400", "up");
  run("ip", "netns", "exec", pod, "ethtool", "-K", "eth0", "tx", "off");
  run("ip", "-n", pod, "address", "add", "10.244.0.3/24", "dev", "eth0");
  run("ip", "-n", pod, "address", "add", "fd00:10:244::3/64", "dev", "eth0", "nodad");
  run("ip", "-n", pod, "route", "add", "default", "via", "10.244.0.1");
  run("ip", "-n", pod, "-6", "route", "add", "default", "via", "fd00:10:244::1");
  host.inNode("ip", "link", "set", "pod0", "up");
  // The guard of pods' devices, which comes with the agent's own, keeps the host's stack from answering here.
  host.inNode("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/pod0/arp_ignore");
  host.vsctl("add-port", "br-int", "pod0", "--", "set", "Interface", "pod0", "external_ids:iface-id=pod");
  for (const [family, address] of [
    ["-4", "203.0.113.1/32"],
    ["-6", "2001:db8:99::1/128"],
  ] as const) {
    run("ip", "-n", host.outside, family, "address", "add", address, "dev", "lo");
  }
  for (const namespace of [host.namespace, host.outside, pod]) listenIn(namespace);
  await host.until("the pod has a way out", () => /^192/.test(ask(pod, "203.0.113.1")));
  await host.until("the pod has a way out by IPv6", () => /^2001/.test(ask(pod, "2001:db8:99::1")));
});

afterAll(async () => {
  for (const listener of listeners) listener.kill("SIGKILL");
  try {
    await agent?.end();
  } finally {
    if (pod) run("ip", "netns", "delete", pod);
    await host?.stop();
  }
});

async function expectAllWays(): Promise<void> {
  const portOf = (answer: string) => Number(answer.split(" ")[1]);
  for (const [address, node] of [
    ["203.0.113.1", "192.0.2.11"],
    ["2001:db8:99::1", "2001:db8::11"],
  ] as const) {
    const fromPod = ask(pod, address);
    expect(fromPod).toContain(`${node} `);
    expect(portOf(fromPod)).toBeGreaterThanOrEqual(61_000);
    const fromNode = ask(host.namespace, address);
    expect(fromNode).toContain(`${node} `);
    expect(portOf(fromNode)).toBeLessThan(61_000);
  }
  expect(ask(host.outside, "192.0.2.11")).toContain("192.0.2.1 ");
  expect(ask(host.outside, "2001:db8::11")).toContain("2001:db8::1 ");
  expect(ask(host.namespace, "10.244.0.3")).toContain("10.244.0.2 ");
  expect(ask(host.namespace, "fd00:10:244::3")).toContain("fd00:10:244::2 ");
  expect(ask(pod, "192.0.2.11")).toContain("10.244.0.3 ");
  expect(ask(pod, "2001:db8::11")).toContain("fd00:10:244::3 ");
}

const web = {
  type: "NodePort",
  clusterIP: "10.96.0.10",
  ipFamilies: ["IPv4", "IPv6"],
  externalIPs: ["203.0.113.50", "2001:db8:50::1"],
  ports: [{ protocol: "TCP", port: 80, nodePort: 30_080 }],
};

function expectService(): void {
  for (const namespace of [host.namespace, host.outside]) {
    expect(ask(namespace, "192.0.2.11", 30_080)).toMatch(/^\d+\.\d+\.\d+\.\d+ /);
    expect(ask(namespace, "2001:db8::11", 30_080)).toMatch(/^(fd|2001)/);
    expect(ask(namespace, "203.0.113.50", 80)).toMatch(/^\d+\.\d+\.\d+\.\d+ /);
    expect(ask(namespace, "2001:db8:50::1", 80)).toMatch(/^(fd|2001)/);
  }
  expect(ask(host.namespace, "10.96.0.10", 80)).toContain("10.244.0.2 ");
  expect(ask(host.namespace, "fd00:10:96::10", 80)).toContain("fd00:10:244::2 ");
}

describe("a pod behind the gateway bridge", () => {
  it("leaves the cluster with the node's address, beside the node's own traffic, and meets its node without NAT", async () => {
    await expectAllWays();
  });

  it("is reached as a Service from outside and from its node: NodePort, external address, cluster address", async () => {
    run("ip", "-n", host.outside, "route", "add", "203.0.113.50", "via", "192.0.2.11");
    run("ip", "-n", host.outside, "-6", "route", "add", "2001:db8:50::1", "via", "2001:db8::11");
    expect(ask(host.outside, "192.0.2.11", 30_080)).toBe("ECONNREFUSED");
    host.putService("web", web);
    await host.until("its flows are installed", () =>
      host.ofctl("dump-flows", `unix:${host.folder}/br-ex.mgmt`).includes("tp_dst=30080"),
    );
    expectService();
  });

  it("is out of reach where its Service wants local endpoints and has none", async () => {
    host.putService("web", { ...web, externalTrafficPolicy: "Local" });
    await host.until("its flows are changed", () =>
      /tp_dst=30080 actions=drop/.test(host.ofctl("dump-flows", `unix:${host.folder}/br-ex.mgmt`)),
    );
    expect(ask(host.outside, "192.0.2.11", 30_080)).toBe("dropped");
    expect(ask(host.outside, "2001:db8:50::1", 80)).toBe("dropped");
    expect(ask(host.namespace, "192.0.2.11", 30_080)).toContain("10.244.0.2 ");
    host.putService("web", web);
  });

  it("does all that again after vswitchd and ovn-controller were killed", async () => {
    await host.killVswitchd();
    const ended = once(controller, "exit");
    controller.kill("SIGKILL");
    await ended;
    host.startVswitchd();
    controller = host.start("ovn-controller", "ovn-controller", `unix:${host.folder}/db.sock`);
    await host.until("the pod has its way out back", () => /^192/.test(ask(pod, "203.0.113.1")));
    await host.until("by IPv6 too", () => /^2001/.test(ask(pod, "2001:db8:99::1")));
    await expectAllWays();
    expectService();
  });
});
