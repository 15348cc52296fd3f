import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../../lab/index.ts";
import { namespacePath } from "../../../lab/topology/layout.ts";
import { run } from "../../../lab/topology/run.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { networkOf, northboundOf } from "../network.ts";
import { untilAsFromScratch } from "../northbound.ts";
import { startFrameCapture } from "./capture.ts";
import { listOf, namespaceObject, subnetObject, tenantPodObject } from "./objects.ts";

/**
 * Pods in a VLAN of a physical network, on nodes with two links to its switch. `vlan100` and `vlan200` are hosts that are
 * no part of the cluster, each on its VLAN; `outside` is on what is not tagged, where the nodes have addresses too.
 */

const subnet = {
  mode: "Underlay",
  cidrs: ["172.30.100.0/24", "fd00:172:30:100::/64"],
  gateways: ["172.30.100.1", "fd00:172:30:100::1"],
  excluded: ["172.30.100.1-172.30.100.63", "fd00:172:30:100::1-fd00:172:30:100::3f"],
  underlay: { providerNetwork: "campus", vlan: 100 },
  namespaces: { names: ["office"] },
} as const;
const fixed = ["172.30.100.70", "fd00:172:30:100::70"] as const;
const fixedMac = "0a:00:00:00:00:70";

let lab: Lab;
let cluster: Cluster;

const apply = (...items: readonly object[]) => lab.kubectl(["apply", "-f", "-"], { input: listOf(...items) });
const providerNetwork = (name: string, spec: object) => ({
  ...{ apiVersion: "ovenbird.io/v1alpha1", kind: "ProviderNetwork", metadata: { name }, spec },
});

/** In the namespace of a host of the lab, or of its switch. */
const inside = (host: string, ...command: readonly string[]) =>
  run(["ip", "netns", "exec", `ob-${lab.name}-${host}`, ...command]);

interface Said {
  readonly ready: boolean;
  readonly interfaces?: readonly string[];
  readonly message?: string;
}
async function statusOf(network: string): Promise<Readonly<Record<string, Said>>> {
  const text = await lab.kubectl(["get", "providernetwork", network, "-o", "jsonpath={.status.nodes}"]);
  return text.trim() === "" ? {} : JSON.parse(text);
}
const ready = (...interfaces: readonly string[]) => ({
  node1: { ready: true, interfaces },
  node2: { ready: true, interfaces },
});

/** Pings many times a second until it is stopped. @returns how many, how many without answer, and the longest silence */
function ping(host: string, address: string) {
  const child = spawn("ip", [
    ...["netns", "exec", `ob-${lab.name}-${host}`, "ping", "-D", "-i", "0.02", "-W", "1", address],
  ]);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return {
    async stop() {
      child.kill("SIGINT");
      await once(child, "close");
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
      const times = [...output.matchAll(/^\[([\d.]+)\].*icmp_seq=\d+ ttl/gm)].map(([, time]) => Number(time) * 1_000);
      const silenceMs = Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
      return { sent: Number(sent), lost: Number(sent) - Number(received), silenceMs: Math.round(silenceMs) };
    },
  };
}

const answers = async (host: string, address: string) =>
  await inside(host, "ping", "-c", "3", "-i", "0.2", "-W", "1", address).then(
    (output) => !output.includes("100% packet loss"),
    () => false,
  );

beforeAll(async () => {
  lab = await startLab({ name: "underlay", nodes: 2, trunk: true, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

describe("a provider network", () => {
  it("takes the uplink that each node has, with its address, while a connection to that goes on", async () => {
    const server = spawn("ip", [
      ...["netns", "exec", `ob-${lab.name}-node1`, process.execPath, "-e"],
      `require("node:net").createServer((socket) => socket.pipe(socket)).listen(7007, "172.19.0.11", () => console.log("listening"))`,
    ]);
    await once(server.stdout, "data");
    const client = spawn("ip", [
      ...["netns", "exec", `ob-${lab.name}-outside`, process.execPath, "-e"],
      `const socket = require("node:net").connect(7007, "172.19.0.11");
       let sent = 0, received = 0;
       const timer = setInterval(() => socket.write(Buffer.alloc(1000, sent++)), 10);
       socket.on("data", (chunk) => { received += chunk.length; });
       socket.on("close", () => { console.log("cut"); process.exit(1); });
       const end = (verdict) => { console.log(verdict); process.exit(0); };
       process.on("SIGTERM", () => {
         clearInterval(timer);
         setTimeout(end, 10_000, "cut");
         const look = () => { if (received === sent * 1000) end("whole"); };
         socket.on("data", look);
         look();
       });`,
    ]);
    const pings = ping("outside", "172.19.0.11");
    await delay(500);
    await apply(providerNetwork("campus", { uplinks: ["eno1", "eth1"] }));
    await expect.poll(() => statusOf("campus"), { timeout: 20_000 }).toEqual(ready("eth1"));
    await delay(500);
    const { sent, lost, silenceMs } = await pings.stop();
    process.stdout.write(`node's address moved: ${lost} of ${sent} pings lost, silent for ${silenceMs} ms\n`);
    expect(lost).toBeLessThan(20);
    client.kill("SIGTERM");
    const [verdict] = await once(client.stdout, "data");
    expect(String(verdict).trim()).toBe("whole");
    server.kill();
    expect(await inside("node1", "ip", "-brief", "address", "show", "br-campus")).toContain("172.19.0.11/24");
    expect(await inside("node1", "ip", "-brief", "address", "show", "eth1")).not.toContain("172.19");
  });

  it("puts pods into a VLAN, where others reach them without a route and see their hardware addresses", async () => {
    const annotations = { "ovenbird.io/ip": fixed.join(), "ovenbird.io/mac": fixedMac };
    await apply(
      namespaceObject("office"),
      subnetObject("office", subnet),
      tenantPodObject({ namespace: "office", name: "fixed", node: "node1", annotations }),
      tenantPodObject({ namespace: "office", name: "other", node: "node2" }),
      tenantPodObject({ namespace: "default", name: "plain", node: "node2" }),
    );
    await Promise.all(["office/fixed", "office/other", "default/plain"].map((key) => cluster.untilReady(key)));
    for (const address of fixed) expect(await answers("vlan100", address), address).toBe(true);
    const neighbours = await inside("vlan100", "ip", "neighbour");
    for (const address of fixed) expect(neighbours).toMatch(new RegExp(`^${address} dev eth0 lladdr ${fixedMac}`, "m"));
    expect(await inside("vlan100", "ip", "route", "show", "172.30.100.70/32")).toBe("");
  });

  it("is silent in another VLAN", async () => {
    await inside("vlan200", "ip", "address", "add", "172.30.100.99/24", "dev", "eth0");
    try {
      const capture = await startFrameCapture(
        namespacePath(`ob-${lab.name}-vlan200`),
        "eth0",
        `ether host ${fixedMac}`,
      );
      expect(await answers("vlan200", fixed[0])).toBe(false);
      expect(await capture.stop()).toEqual([]);
    } finally {
      await inside("vlan200", "ip", "address", "delete", "172.30.100.99/24", "dev", "eth0");
    }
  });

  it("keeps its pods in the cluster: nodes, pods and services reach them, and they reach those", async () => {
    await apply({
      ...{ apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name: "plain" } },
      spec: { selector: { app: "plain" }, ipFamilyPolicy: "PreferDualStack", ports: [{ port: 80, targetPort: 8080 }] },
    });
    await lab.kubectl(["label", "pod", "plain", "app=plain"]);
    const ways = [
      ["node:node1", "office/fixed", "office/fixed"],
      ["node:node2", "office/fixed", "office/fixed"],
      ["default/plain", "office/fixed", "office/fixed"],
      ["office/other", "office/fixed", "office/fixed"],
      ["office/other", "subnet:office/fixed", "office/fixed"],
      ["office/fixed", "default/plain", "default/plain"],
      ["office/fixed", "service:default/plain", "default/plain"],
      ["office/fixed", "vlan100", "vlan100"],
      ["vlan100", "subnet:office/other", "office/other"],
    ] as const;
    const probes = ways.flatMap(([from, to]) =>
      (["ipv4", "ipv6"] as const).map((family) => ({
        ...{ from, to, family },
        ...(to.startsWith("service:") ? {} : { port: 8080 }),
      })),
    );
    await expect
      .poll(async () => (await lab.probe(probes)).map(({ verdict, peer }) => peer ?? verdict), { timeout: 20_000 })
      .toEqual(ways.flatMap(([, , answer]) => [answer, answer]));
  });

  it("says which uplink a node lacks, and what it has", async () => {
    await inside("node2", "ip", "link", "set", "eth2", "down");
    await inside("node2", "ip", "link", "set", "eth2", "name", "spare");
    await apply(providerNetwork("attic", { uplinks: ["eth2"] }));
    await expect
      .poll(() => statusOf("attic"), { timeout: 20_000 })
      .toEqual({
        node1: { ready: true, interfaces: ["eth2"] },
        node2: { ready: false, message: expect.stringMatching(/none of the uplinks eth2; it has .*spare \(/) },
      });
    await inside("node2", "ip", "link", "set", "spare", "name", "eth2");
    await inside("node2", "ip", "link", "set", "eth2", "up");
    await expect.poll(() => statusOf("attic"), { timeout: 20_000 }).toEqual(ready("eth2"));
    await lab.kubectl(["delete", "providernetwork", "attic"]);
  });

  it("survives a cut link of a bond", async () => {
    for (const node of lab.nodes)
      await expect.poll(() => inside(node, "ip", "-brief", "link"), { timeout: 20_000 }).not.toContain("br-attic");
    const bond = { mode: "active-backup", uplinks: [["eth1", "eth2"]] };
    await apply({ ...providerNetwork("campus", { bond }), spec: { bond, uplinks: null } });
    await expect.poll(() => statusOf("campus"), { timeout: 20_000 }).toEqual(ready("eth1", "eth2"));
    await expect.poll(() => answers("vlan100", fixed[0]), { timeout: 20_000 }).toBe(true);
    // One of them is at work.
    for (const link of ["eth1", "eth2"]) {
      const pings = [ping("vlan100", fixed[0]), ping("outside", "172.19.0.11")];
      await delay(300);
      await inside("underlay", "ip", "link", "set", `node1-${link}`, "down");
      await delay(1_500);
      for (const [index, one] of pings.entries()) {
        const { sent, lost, silenceMs } = await one.stop();
        const whom = index === 0 ? "pod" : "node";
        process.stdout.write(`${link} cut: ${lost} of ${sent} pings to the ${whom} lost, silent for ${silenceMs} ms\n`);
        expect(silenceMs).toBeLessThan(1_000);
        expect(lost).toBeLessThan(50);
      }
      await inside("underlay", "ip", "link", "set", `node1-${link}`, "up");
      await expect.poll(() => answers("vlan100", fixed[0]), { timeout: 20_000 }).toBe(true);
    }
  });

  it("is undone with it: the nodes have their addresses as before", async () => {
    const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
    expect(differences).toEqual([]);
    // It is not undone while pods are in it.
    await lab.kubectl(["delete", "subnet,providernetwork", "--all", "--wait=false"]);
    for (const kind of ["subnet/office", "providernetwork/campus"]) {
      await lab.kubectl(["wait", "--for=condition=InUse", "--timeout=20s", kind]);
    }
    expect(await answers("vlan100", fixed[0])).toBe(true);
    await lab.kubectl(["delete", "pod", "-n", "office", "fixed", "other"]);
    await lab.kubectl(["wait", "--for=delete", "--timeout=20s", "providernetwork/campus", "subnet/office"]);
    for (const [node, address] of [
      ["node1", "172.19.0.11/24"],
      ["node2", "172.19.0.12/24"],
    ] as const) {
      await expect
        .poll(() => inside(node, "ip", "-brief", "address"), { timeout: 20_000 })
        .toMatch(new RegExp(`^eth1.* ${address}`, "m"));
      await expect.poll(() => inside(node, "ip", "-brief", "link"), { timeout: 20_000 }).not.toContain("br-campus");
    }
    expect(await answers("outside", "172.19.0.11")).toBe(true);
    expect(await answers("outside", "172.19.0.12")).toBe(true);
    for (const node of lab.nodes)
      await expect
        .poll(() => lab.exec(node, ["ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids"]), { timeout: 20_000 })
        .not.toContain("campus");
  });
});
