import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../../lab/index.ts";
import { namespacePath } from "../../../lab/topology/layout.ts";
import { run } from "../../../lab/topology/run.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { networkOf, northboundOf } from "../network.ts";
import { untilAsFromScratch } from "../northbound.ts";
import { startFrameCapture } from "./capture.ts";
import { listOf, namespaceObject, subnetObject, tenantObject, tenantPodObject } from "./objects.ts";

/**
 * Ways out, as the world sees them: the four modes of a Subnet's egress, EgressIPs and FloatingIPs, and how long both take to
 * move. The namespaces `node`, `address`, `routed` and `none` are in one tenant, each in a subnet with that mode; `plain` is in
 * the default tenant.
 */

const families = ["ipv4", "ipv6"] as const;
const modes = ["node", "address", "routed", "none"] as const;
const nodes = ["node1", "node2"] as const;
const tollAddresses = ["172.18.0.220", "fd00:172:18::dc"];
const routedNetworks = ["10.72.0.0/16", "fd72::/56"];
const subnets = {
  node: { mode: "Cluster", cidrs: ["10.70.0.0/24", "fd70::/64"], egress: { mode: "Node" } },
  address: {
    mode: "Cluster",
    cidrs: ["10.71.0.0/24", "fd71::/64"],
    egress: { mode: "Address", addresses: tollAddresses },
  },
  routed: { mode: "PerNode", cidrs: routedNetworks, egress: { mode: "Routed" } },
  none: { mode: "Cluster", cidrs: ["10.73.0.0/24", "fd73::/64"], egress: { mode: "None" } },
} as const;

/** What an outage of a node may take to be seen: three missed intervals of 200 ms of BFD. */
const detectionMs = 600;

let lab: Lab;
let cluster: Cluster;

const apply = (...items: readonly object[]) => lab.kubectl(["apply", "-f", "-"], { input: listOf(...items) });

function egressIp(name: string, spec: object): object {
  return { apiVersion: "ovenbird.io/v1alpha1", kind: "EgressIP", metadata: { name }, spec };
}

function floatingIp(namespace: string, name: string, spec: object): object {
  return { apiVersion: "ovenbird.io/v1alpha1", kind: "FloatingIP", metadata: { namespace, name }, spec };
}

const statusOf = async (resource: string, field: string): Promise<string> =>
  lab.kubectl(["get", ...resource.split(" "), "-o", `jsonpath={.status.${field}}`]);

beforeAll(async () => {
  lab = await startLab({ name: "egress", nodes: 3, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  await apply(
    ...modes.map(namespaceObject),
    { ...tenantObject("travel"), spec: { namespaces: { names: modes } } },
    ...modes.map((mode) => subnetObject(mode, { tenant: "travel", namespaces: { names: [mode] }, ...subnets[mode] })),
  );
  await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=20s", "tenants,subnets", "--all"]);
  await apply(
    ...modes.flatMap((namespace) => nodes.map((node) => tenantPodObject({ namespace, name: node, node }))),
    ...["node1", "node2", "node3"].map((node) =>
      tenantPodObject({ namespace: "default", name: node, node, labels: { app: "echo" } }),
    ),
    {
      ...{ apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name: "echo" } },
      spec: {
        ...{ type: "NodePort", externalTrafficPolicy: "Local", ipFamilyPolicy: "PreferDualStack" },
        ...{ selector: { app: "echo" }, ports: [{ port: 80, targetPort: 8080 }] },
      },
    },
  );
  const pods = [...modes, "default"].flatMap((namespace) => nodes.map((node) => `${namespace}/${node}`));
  await Promise.all([...pods, "default/node3"].map((key) => cluster.untilReady(key)));
  // As a router outside is told of networks that it is to reach: by any of the nodes.
  const [ipv4, ipv6] = routedNetworks;
  const [, , node3] = lab.layout.nodes;
  await lab.exec("outside", ["ip", "route", "add", ipv4 ?? "", "via", node3?.addresses[0] ?? ""]);
  await lab.exec("outside", ["ip", "-6", "route", "add", ipv6 ?? "", "via", node3?.addresses[1] ?? ""]);
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

/** Each source of what came for the host outside meanwhile, in either family. */
async function sourcesSeen(during: () => Promise<unknown>): Promise<string[]> {
  const namespace = namespacePath(lab.layout.outside.namespace);
  const capture = await startFrameCapture(namespace, "eth0", "tcp dst port 8080");
  await during();
  const sources = (await capture.stop()).map((frame) =>
    frame.readUInt16BE(12) === 0x0800 ? [...frame.subarray(26, 30)].join(".") : frame.subarray(22, 38).toString("hex"),
  );
  return [...new Set(sources)].sort();
}

/** An address as `sourcesSeen` writes it. */
function asSeen(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const missing = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => "0");
  return [...groups(head), ...missing, ...groups(tail)].map((group) => group.padStart(4, "0")).join("");
}

async function ownAddresses(key: string): Promise<string[]> {
  const [namespace = "", name = ""] = key.split("/");
  const path = "jsonpath={.metadata.annotations.ovenbird\\.io/network}";
  const text = await lab.kubectl(["get", "pod", "-n", namespace, name, "-o", path]);
  const { addresses } = JSON.parse(text) as { addresses: readonly string[] };
  return addresses.map((address) => address.split("/")[0] ?? "");
}

interface Pinged {
  readonly from: string;
  readonly to: string;
  readonly during: () => Promise<unknown>;
}

/** The longest time without an answer to pings, one every 20 ms, in milliseconds. */
async function longestGapMs({ from, to, during }: Pinged): Promise<number> {
  const pinging = lab.exec(from, ["ping", "-D", "-n", "-i", "0.02", "-w", "7", to], { timeoutMs: 20_000 });
  await Promise.all([pinging, new Promise((resolve) => setTimeout(resolve, 1_000)).then(during)]);
  const times = [...(await pinging).matchAll(/^\[([\d.]+)\].*icmp_seq=\d+ ttl/gm)].map(
    ([, time]) => Number(time) * 1000,
  );
  // That it goes on again is seen, too: else the longest time was none at all.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(5_500);
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
}

describe("a subnet's egress", () => {
  it("shows the world the node, the subnet's addresses, the pod itself, or nothing", async () => {
    const probes = modes.flatMap((mode) =>
      nodes.flatMap((node) =>
        families.map((family) => ({ from: `${mode}/${node}`, to: "outside", port: 8080, family })),
      ),
    );
    // Whoever asks first waits for neighbours to be found; that is not what is asked here.
    await lab.probe(probes);
    let verdicts: readonly string[] = [];
    const seen = await sourcesSeen(async () => {
      verdicts = (await lab.probe(probes)).map(({ verdict }) => verdict);
    });
    const own = await Promise.all(nodes.map((node) => ownAddresses(`routed/${node}`)));
    const ofNodes = lab.layout.nodes.slice(0, 2).flatMap(({ addresses }) => addresses);
    expect(seen).toEqual([...ofNodes, ...tollAddresses, ...own.flat()].map(asSeen).sort());
    expect(verdicts).toEqual(probes.map(({ from }) => (from.startsWith("none/") ? "dropped" : "connected")));
  });

  it("lets the world in to pods that it sees, and to no other", async () => {
    const targets = await Promise.all(modes.map((mode) => ownAddresses(`${mode}/node1`)));
    const probes = targets.flatMap((addresses) =>
      addresses.map((to, index) => ({ from: "outside", to, port: 8080, family: families[index] ?? "ipv4" })),
    );
    const outcomes = await lab.probe(probes);
    expect(outcomes.map(({ peer }) => peer).filter((peer) => peer !== undefined)).toEqual([
      "routed/node1",
      "routed/node1",
    ]);
  });
});

describe("an EgressIP", () => {
  const addresses = ["172.18.0.200", "fd00:172:18::c8"];

  it("is what the world sees of the pods that it selects, in every tenant", async () => {
    await apply(
      egressIp("shared", {
        addresses,
        namespaceSelector: {
          matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "In", values: ["default", "node"] }],
        },
      }),
    );
    await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=10s", "egressip/shared"]);
    const probes = ["default/node1", "default/node3", "node/node2"].flatMap((from) =>
      families.map((family) => ({ from, to: "outside", port: 8080, family })),
    );
    await expect
      .poll(async () => (await lab.probe(probes)).map(({ sourceSeen }) => sourceSeen), { timeout: 10_000 })
      .toEqual(probes.map(({ family }) => (family === "ipv4" ? addresses[0] : addresses[1])));
  });

  it("leaves alone what comes in by a Service that shows its endpoints the client", async () => {
    const probes = nodes.flatMap((node) =>
      families.map((family) => ({ from: "outside", to: `nodeport:${node}:default/echo`, family })),
    );
    const clients = { ipv4: lab.layout.outside.addresses[0], ipv6: lab.layout.outside.addresses[1] };
    await expect
      .poll(async () => (await lab.probe(probes)).map(({ peer, sourceSeen }) => [peer, sourceSeen]), {
        timeout: 10_000,
      })
      .toEqual(probes.map(({ to, family }) => [`default/${to.split(":")[1]}`, clients[family]]));
  });

  it("moves to another node when its node is cut off", async () => {
    await expect.poll(() => statusOf("egressip shared", "node"), { timeout: 5_000 }).toMatch(/^node/);
    const holder = await statusOf("egressip shared", "node");
    const other = lab.nodes.find((node) => node !== holder) ?? "";
    const cable = (state: "up" | "down") => run(["ip", "-n", lab.layout.underlay, "link", "set", holder, state]);
    const gap = await longestGapMs({ from: `default/${other}`, to: "203.0.113.10", during: () => cable("down") });
    console.info(`EgressIP: ${Math.round(gap)} ms without an answer after its node was cut off`);
    expect(gap).toBeLessThan(2_000 + detectionMs);
    await expect.poll(() => statusOf("egressip shared", "node"), { timeout: 10_000 }).not.toBe(holder);
    const back = await longestGapMs({ from: `default/${other}`, to: "203.0.113.10", during: () => cable("up") });
    console.info(`EgressIP: ${Math.round(back)} ms without an answer when its node came back`);
    expect(back).toBeLessThan(2_000 + detectionMs);
    await expect.poll(() => statusOf("egressip shared", "node"), { timeout: 10_000 }).toBe(holder);
    await lab.kubectl(["delete", "egressip", "shared"]);
  });
});

describe("a FloatingIP", () => {
  const [ipv4 = "", ipv6 = ""] = ["172.18.0.210", "fd00:172:18::d2"];
  const give = (pod: string) => apply(floatingIp("node", "door", { addresses: [ipv4, ipv6], pod }));

  it("leads in to one pod of a tenant, and is what the world, and nodes, see of that", async () => {
    await give("node1");
    await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=10s", "-n", "node", "floatingip/door"]);
    const ways = families.flatMap((family) => [
      ...["outside", "node:node1", "node:node2", "default/node3", "node/node1"].map((from) => ({
        ...{ from, family, to: family === "ipv4" ? ipv4 : ipv6, port: 8080 },
      })),
      { from: "node/node1", to: "outside", port: 8080, family },
    ]);
    const wanted = ways.map(({ to, family }) =>
      to === "outside" ? `outside sees ${asSeen(family === "ipv4" ? ipv4 : ipv6)}` : "node/node1",
    );
    await expect
      .poll(
        async () =>
          (await lab.probe(ways)).map(({ peer, sourceSeen }) =>
            peer === "outside" ? `outside sees ${asSeen(sourceSeen ?? "")}` : peer,
          ),
        { timeout: 10_000 },
      )
      .toEqual(wanted);
  });

  it("moves to a pod on another node", async () => {
    const gap = await longestGapMs({ from: "outside", to: ipv4, during: () => give("node2") });
    console.info(`FloatingIP: ${Math.round(gap)} ms without an answer when it moved`);
    expect(gap).toBeLessThan(2_000);
    const [outcome] = await lab.probe([{ from: "outside", to: ipv4, port: 8080 }]);
    expect(outcome?.peer).toBe("node/node2");
    expect(await statusOf("floatingip door -n node", "node")).toBe("node2");
  });

  it("leaves rows that are what they would be from scratch", async () => {
    const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
    expect(differences).toEqual([]);
  });
});
