import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { events, nodeNetworkAnnotation, nodeNetworkAnnotationKey, nodes, pods } from "../../kube/index.ts";
import { type Lab, type ProbeSpec, startLab } from "../../lab/index.ts";
import { placeOf } from "../../lab/lab.ts";
import { type Cluster, openCluster, podObject } from "./cluster.ts";
import { networkOf, northboundOf } from "./network.ts";
import { untilAsFromScratch } from "./northbound.ts";

let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = await startLab({ name: "firstpacket" });
  cluster = await openCluster(lab.kubeconfig);
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

const families = ["ipv4", "ipv6"] as const;

function addressOf(key: string, family: (typeof families)[number]): string {
  const address = cluster.pods.get(key)?.status?.podIPs?.find(({ ip }) => ip.includes(":") === (family === "ipv6"))?.ip;
  if (address === undefined) throw new Error(`${key} has no ${family} address`);
  return address;
}

async function managementAddresses(node: string): Promise<readonly string[]> {
  const object = await cluster.client.get(nodes, { name: node });
  const text = object.metadata?.annotations?.[nodeNetworkAnnotationKey] ?? "";
  return nodeNetworkAnnotation
    .parse(JSON.parse(text))
    .managementPort.addresses.map((address) => address.split("/")[0] ?? "");
}

/** Resolves with the first Event that `matches`. */
async function untilEvent(matches: (event: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 30_000);
  const found = Promise.withResolvers<Record<string, unknown>>();
  const look = (object: unknown) => {
    const event = object as Record<string, unknown>;
    if (matches(event)) found.resolve(event);
  };
  try {
    const list = await cluster.client.list<unknown>(events, { namespace: "default" });
    list.items.forEach(look);
    const watching = cluster.client
      .watch(
        events,
        { namespace: "default", resourceVersion: list.resourceVersion, timeoutSeconds: 30, signal: abort.signal },
        ({ object }) => look(object),
      )
      .then(() => Promise.reject(new Error("no such Event within 30 s")));
    return await Promise.race([found.promise, watching]);
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

describe("a lab that has just come up", () => {
  it("lets every pod and node reach every pod, and every pod the world outside, in both families", async () => {
    const matrix = await lab.check();
    expect(matrix.cells.filter(({ ok }) => !ok)).toEqual([]);
    expect(matrix.total).toBeGreaterThan(50);
  });

  it("holds what a translation from scratch gives", async () => {
    const { differences, podPorts } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
    expect(differences).toEqual([]);
    expect(podPorts).toBeGreaterThan(0);
  });
});

describe("a pod applied with kubectl", () => {
  beforeAll(async () => {
    await lab.kubectl(["apply", "-f", "-"], {
      input: JSON.stringify(podObject({ name: "fresh", tcp: [80], udp: [53] })),
    });
    await cluster.untilReady("default/fresh");
  });

  it("answers every pod and every node, by TCP, UDP and ping, in both families", async () => {
    const sources = [
      ...[...cluster.pods.keys()].filter((key) => key !== "default/fresh"),
      ...lab.nodes.map((node) => `node:${node}`),
    ];
    const questions = sources.flatMap((from) =>
      families.flatMap((family): ProbeSpec[] => [
        { from, to: "default/fresh", port: 80, protocol: "tcp", family },
        { from, to: "default/fresh", port: 53, protocol: "udp", family },
        { from, to: "default/fresh", protocol: "icmp", family },
      ]),
    );
    const outcomes = await lab.probe(questions);
    const wrong = questions.flatMap((question, index) =>
      outcomes[index]?.verdict === "connected" ? [] : [{ question, outcome: outcomes[index] }],
    );
    expect(wrong).toEqual([]);
  });

  it.each(families)("sees the true source of pods and nodes over %s", async (family) => {
    const [fromPod, fromNode, toNode] = await lab.probe([
      { from: "default/demo-1", to: "default/fresh", port: 80, family },
      { from: "node:node1", to: "default/fresh", port: 80, family },
      { from: "default/fresh", to: "default/demo-2", port: 8080, family },
    ]);
    expect(fromPod).toMatchObject({ peer: "default/fresh", sourceSeen: addressOf("default/demo-1", family) });
    expect(await managementAddresses("node1")).toContain(fromNode?.sourceSeen);
    expect(toNode).toMatchObject({ sourceSeen: addressOf("default/fresh", family) });
  });

  it("is refused where nobody listens, which is not the same as silence", async () => {
    const [outcome] = await lab.probe([{ from: "default/demo-1", to: "default/fresh", port: 81 }]);
    expect(outcome?.verdict).toBe("refused");
  });

  it("tells senders outside what size fits, so that large datagrams arrive", async () => {
    // The first answer is lost on purpose: it is what tells the sender.
    for (const address of lab.layout.outside.internet)
      await lab.exec("default/fresh", ["ping", ..."-c 4 -i 0.3 -W 1 -M dont -s 4000".split(" "), address]);
  });

  it("can't speak in another's name", async () => {
    const stolen = "10.244.0.250";
    await lab.exec("default/fresh", ["ip", "address", "add", `${stolen}/32`, "dev", "eth0"]);
    const ping = lab.exec("default/fresh", [
      ...["ping", "-c", "3", "-i", "0.2", "-W", "1", "-I", stolen],
      addressOf("default/demo-1", "ipv4"),
    ]);
    await expect(ping).rejects.toThrow();
    await lab.exec("default/fresh", ["ip", "address", "delete", `${stolen}/32`, "dev", "eth0"]);
  });

  it("leaves nothing behind when it is deleted", async () => {
    const node = cluster.pods.get("default/fresh")?.spec?.nodeName ?? "";
    expect(await lab.exec("central", ["ovn-nbctl", "show"])).toContain("default_fresh");
    await cluster.delete("default/fresh");
    await cluster.untilGone("default/fresh");
    expect(await lab.exec(node, ["ovs-vsctl", "--timeout=10", "show"])).not.toContain("default/fresh");
    await expect
      .poll(() => lab.exec("central", ["ovn-nbctl", "show"]), { timeout: 10_000 })
      .not.toContain("default_fresh");
    const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
    expect(differences).toEqual([]);
  });
});

describe("a hundred pods, one after another", () => {
  it("all get addresses of their own and answer", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `row-${index}`);
    const readyAfterMs: number[] = [];
    for (const name of names) {
      const begin = performance.now();
      await cluster.create({ name });
      await cluster.untilReady(`default/${name}`);
      readyAfterMs.push(performance.now() - begin);
    }
    const addresses = names.flatMap((name) => cluster.pods.get(`default/${name}`)?.status?.podIPs ?? []);
    expect(new Set(addresses.map(({ ip }) => ip)).size).toBe(200);
    const outcomes = await lab.probe(
      names.flatMap((name): ProbeSpec[] =>
        families.map((family) => ({
          from: "default/demo-1",
          to: `default/${name}`,
          port: 8080,
          family,
          timeoutMs: 4000,
        })),
      ),
    );
    expect(outcomes.filter(({ verdict }) => verdict !== "connected")).toEqual([]);
    const sorted = readyAfterMs.sort((a, b) => a - b);
    console.info(`pod created to Ready: p50 ${sorted[49]?.toFixed(0)} ms, p99 ${sorted[98]?.toFixed(0)} ms`);
    await Promise.all(names.map((name) => cluster.delete(`default/${name}`)));
    await Promise.all(names.map((name) => cluster.untilGone(`default/${name}`)));
    const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
    expect(differences).toEqual([]);
  });
});

describe("what somebody else does", () => {
  it("a port deleted by hand comes back, with an Event", async () => {
    await lab.exec("central", ["ovn-nbctl", "--timeout=10", "lsp-del", "default_demo-1"]);
    await lab.exec("central", [
      "ovn-nbctl",
      "--timeout=10",
      "wait-until",
      "Logical_Switch_Port",
      "default_demo-1",
      "up=true",
    ]);
    await untilEvent(
      ({ involvedObject, reason }) =>
        (involvedObject as { name?: string } | undefined)?.name === "demo-1" && reason === "NorthboundDrift",
    );
    const [outcome] = await lab.probe([{ from: "default/demo-2", to: "default/demo-1", port: 8080, timeoutMs: 4000 }]);
    expect(outcome?.verdict).toBe("connected");
  });

  it("rows of others are left alone", async () => {
    await lab.exec("central", [
      "ovn-nbctl",
      "--timeout=10",
      "ls-add",
      "strangers",
      "--",
      "lsp-add",
      "strangers",
      "stranger",
    ]);
    await lab.kill("controller");
    await lab.ready();
    await cluster.create({ name: "after-strangers" });
    await cluster.untilReady("default/after-strangers");
    expect(await lab.exec("central", ["ovn-nbctl", "--timeout=10", "lsp-list", "strangers"])).toContain("stranger");
    await lab.exec("central", ["ovn-nbctl", "--timeout=10", "ls-del", "strangers"]);
    await cluster.delete("default/after-strangers");
    await cluster.untilGone("default/after-strangers");
  });
});

describe("bad input", () => {
  it("a malformed annotation is told in an Event and holds up nobody", async () => {
    await cluster.create({ name: "muddled", annotations: { "ovenbird.io/network": "{ not JSON" } });
    await cluster.create({ name: "neighbour" });
    await cluster.untilReady("default/neighbour");
    await cluster.untilReady("default/muddled");
    await untilEvent(
      ({ involvedObject, type }) =>
        (involvedObject as { name?: string } | undefined)?.name === "muddled" && type === "Warning",
    );
    for (const name of ["muddled", "neighbour"]) {
      await cluster.delete(`default/${name}`);
      await cluster.untilGone(`default/${name}`);
    }
  });

  it("an annotation that claims another pod's address gives it to nobody", async () => {
    const stolen = cluster.pods.get("default/demo-1")?.metadata?.annotations?.["ovenbird.io/network"] ?? "";
    expect(stolen).not.toBe("");
    await cluster.create({ name: "thief", annotations: { "ovenbird.io/network": stolen } });
    await cluster.untilReady("default/thief");
    expect(addressOf("default/thief", "ipv4")).not.toBe(addressOf("default/demo-1", "ipv4"));
    const [outcome] = await lab.probe([{ from: "default/demo-2", to: "default/demo-1", port: 8080 }]);
    expect(outcome).toMatchObject({ verdict: "connected", peer: "default/demo-1" });
    await cluster.delete("default/thief");
    await cluster.untilGone("default/thief");
  });

  it("a finished pod gives its address back and keeps its object", async () => {
    await cluster.create({ name: "finished" });
    await cluster.untilReady("default/finished");
    await cluster.client.patch(
      pods,
      { namespace: "default", name: "finished" },
      { status: { phase: "Succeeded" } },
      { type: "merge", subresource: "status" },
    );
    await cluster.until("default/finished", "finished", (pod) => pod?.status?.phase === "Succeeded");
    await expect
      .poll(() => lab.exec("central", ["ovn-nbctl", "--timeout=10", "show"]), { timeout: 10_000 })
      .not.toContain("default_finished");
    await cluster.delete("default/finished");
    await cluster.untilGone("default/finished");
  });
});

/**
 * One TCP connection from pod to pod on which a request goes every 50 ms until `stop` is called; the outcome comes
 * when all are answered, TCP having sent again what faults swallowed, when the connection broke, or after 20 s.
 */
async function longConnection(from: string, to: string): Promise<{ stop(): Promise<Record<string, number>> }> {
  const { namespace } = await placeOf(lab.layout, from);
  const script = `
    const socket = require("node:net").connect(8080, "${to}");
    let sent = 0, answered = 0, broken = 0, isEnding = false;
    const end = () => {
      process.stdout.write(JSON.stringify({ sent, answered, broken }) + "\\n", () => process.exit(0));
    };
    const endWhenDone = () => {
      if (isEnding && (answered === sent || broken > 0)) end();
    };
    socket.on("connect", () => process.stdout.write("connected\\n"));
    socket.on("data", (chunk) => { answered += chunk.toString().split("}").length - 1; endWhenDone(); });
    for (const event of ["error", "close", "end"]) socket.on(event, () => { broken += 1; endWhenDone(); });
    const asking = setInterval(() => { sent += 1; socket.write("GET /probe HTTP/1.1\\r\\nHost: probe\\r\\n\\r\\n"); }, 50);
    process.stdin.on("data", () => { isEnding = true; clearInterval(asking); setTimeout(end, 20_000); endWhenDone(); });`;
  const child = spawn("nsenter", [`--net=${namespace}`, process.execPath, "--eval", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("connected");
  return {
    async stop() {
      child.stdin.write("stop\n");
      const line = await lines.next();
      return JSON.parse(String(line.value)) as Record<string, number>;
    },
  };
}

describe("running pods", () => {
  it("keep their connections while agent, controller and vswitchd are killed", async () => {
    const connection = await longConnection("default/demo-1", addressOf("default/demo-2", "ipv4"));
    for (const name of ["node1.agent", "controller", "node1.ovs-vswitchd", "node2.agent"]) {
      await lab.kill(name);
      await lab.ready();
    }
    const probes = await lab.probe([{ from: "default/demo-1", to: "default/demo-2", port: 8080, timeoutMs: 10_000 }]);
    expect(probes[0]?.verdict).toBe("connected");
    const { sent = 0, answered = 0, broken } = await connection.stop();
    expect(broken).toBe(0);
    expect(sent).toBeGreaterThan(20);
    expect(answered).toBe(sent);
    expect((await lab.check()).cells.filter(({ ok }) => !ok)).toEqual([]);
  });
});
